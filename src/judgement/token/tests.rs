//! Subject tokens: whom they are for, what kind they are, what they must not carry.

use jiff::SignedDuration;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::checked::{CheckedToken, TokenSource};
use super::presented::{Presenter, TokenRole};
use super::{AudienceRule, SubjectChecks, validate};
use crate::judgement::exchange::accepts::Accepts;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::parse::parse;
use crate::judgement::expression::Expression;
use crate::judgement::jose::checks::{ClaimRule, KindRules, TokenChecks};
use crate::judgement::jose::issuer_claims::IssuerClaims;
use crate::judgement::jose::tests::{CORP, ISSUER, NOW, claims, header, now, rs256, with, without};
use crate::judgement::jose::verify::{VerifiedToken, Verifier, peek};
use crate::words::oauth::confirmation::Evidence;
use crate::words::oauth::form::Form;
use crate::words::oauth::urn::{GRANT_TOKEN_EXCHANGE, TokenType};
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// Checks a token of `CORP` as a subject token.
fn check(
    token: &Secret,
    kind: TokenType,
    client: &str,
    checks: &SubjectChecks<'_>,
    evidence: Evidence<'_>,
) -> Result<VerifiedToken, Refusal> {
    let token = peek(token.expose())?;
    let source = TokenSource::Jwt { token, kind, keys: Verifier::Keys(&CORP.keys) };
    let presenter = Presenter { client, is_public: false, evidence };
    CheckedToken::of(source, TokenRole::Subject, presenter, checks, now()).map(|checked| checked.token().clone())
}

/// The key and the certificate that the caller of every row shows.
const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
const X5T: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

/// What a row of `subject_tokens` changes.
struct Row {
    name: &'static str,
    header: Value,
    claims: Value,
    kind: TokenType,
    foreign: bool,
    expected: Result<(), Reason>,
}

fn row(name: &'static str, claims: Value, expected: Result<(), Reason>) -> Row {
    Row { name, header: header(), claims, kind: TokenType::AccessToken, foreign: false, expected }
}

#[test]
fn subject_tokens() {
    let own = claims;
    let unmarked = || with(without(without(claims(), "typ"), "azp"), "aud", json!("https://sso.example.org"));
    let foreign = || with(unmarked(), "scope", json!("email"));
    let of = |row: Row, kind| Row { kind, ..row };
    let typ = |row: Row, typ: &str| Row { header: with(header(), "typ", json!(typ)), ..row };
    let abroad = |row: Row| Row { foreign: true, ..row };
    let no_typ = |row: Row| Row { header: without(header(), "typ"), ..row };
    let (wrong, audience) = (Err(Reason::SubjectTokenKind), Err(Reason::SubjectTokenAudience));
    let claims_wrong = Err(Reason::SubjectTokenClaims);
    let bound = Err(Reason::SubjectTokenBound);
    let rows = [
        row("own access token", own(), Ok(())),
        no_typ(row("header without typ", own(), Ok(()))),
        typ(row("at+jwt", own(), Ok(())), "at+jwt"),
        typ(row("application/at+JWT", own(), Ok(())), "application/at+JWT"),
        typ(row("logout+jwt", own(), wrong), "logout+jwt"),
        typ(row("dpop+jwt", own(), wrong), "dpop+jwt"),
        row("own ID token", with(own(), "typ", json!("ID")), wrong),
        row("own refresh token", with(own(), "typ", json!("Refresh")), wrong),
        row("own offline token", with(own(), "typ", json!("Offline")), wrong),
        row("own without typ", without(own(), "typ"), wrong),
        row("typ a list", with(own(), "typ", json!(["Bearer"])), wrong),
        row("events", with(own(), "events", json!({})), wrong),
        of(row("ID token as such", with(own(), "typ", json!("ID")), Ok(())), TokenType::IdToken),
        of(row("access token as ID token", own(), wrong), TokenType::IdToken),
        typ(of(row("ID token with at+jwt", with(own(), "typ", json!("ID")), wrong), TokenType::IdToken), "at+jwt"),
        of(row("access token as JWT", own(), Ok(())), TokenType::Jwt),
        of(row("refresh token as JWT", with(own(), "typ", json!("Refresh")), wrong), TokenType::Jwt),
        of(row("as refresh token", own(), Err(Reason::SubjectTokenTypeUnsupported)), TokenType::RefreshToken),
        of(row("as SAML 2", own(), Err(Reason::SubjectTokenTypeUnsupported)), TokenType::Saml2),
        row("in aud only", without(own(), "azp"), Ok(())),
        row("aud a text", with(without(own(), "azp"), "aud", json!("front-end-app")), Ok(())),
        row("azp only", with(own(), "aud", json!("account")), Ok(())),
        row("neither aud nor azp", with(with(own(), "aud", json!("account")), "azp", json!("other")), audience),
        row("aud absent", without(without(own(), "aud"), "azp"), audience),
        row("aud a prefix", with(without(own(), "azp"), "aud", json!("front-end-app2")), audience),
        row("aud of a wrong type", with(own(), "aud", json!(1)), claims_wrong),
        row("azp of a wrong type", with(own(), "azp", json!(["front-end-app"])), claims_wrong),
        row("cnf", with(own(), "cnf", json!({"jkt": "x"})), bound),
        row("cnf null", with(own(), "cnf", Value::Null), bound),
        row("bound to a key", with(own(), "cnf", json!({"jkt": JKT})), Ok(())),
        row(
            "as Keycloak writes it",
            with(with(own(), "typ", json!("DPoP")), "cnf", json!({"jkt": JKT, "kc-jkt-type": "DPoP"})),
            Ok(()),
        ),
        row("typ DPoP without a key", with(own(), "typ", json!("DPoP")), wrong),
        row("bound to another key", with(own(), "cnf", json!({"jkt": X5T})), bound),
        row("bound to a certificate", with(own(), "cnf", json!({"x5t#S256": X5T})), Ok(())),
        row("bound to another certificate", with(own(), "cnf", json!({"x5t#S256": JKT})), bound),
        row("act", with(own(), "act", json!({"sub": "x"})), Ok(())),
        row("empty may_act, which policy judges", with(own(), "may_act", json!({})), Ok(())),
        abroad(row("foreign access token", foreign(), Ok(()))),
        abroad(row("foreign without a mark", unmarked(), Ok(()))),
        abroad(row("foreign with azp only", with(foreign(), "aud", json!("x")), audience)),
        abroad(row("foreign with the client in aud", with(foreign(), "aud", json!("front-end-app")), audience)),
        abroad(row("foreign without aud", without(foreign(), "aud"), audience)),
        abroad(row("foreign ID token by its hash", with(foreign(), "at_hash", json!("x")), wrong)),
        abroad(of(row("foreign ID token as such", with(foreign(), "at_hash", json!("x")), Ok(())), TokenType::IdToken)),
        abroad(row("foreign Keycloak's ID token", with(foreign(), "typ", json!("ID")), wrong)),
        row("expired", with(own(), "exp", json!(NOW - 11)), Err(Reason::SubjectTokenExpired)),
        row("of another issuer", with(own(), "iss", json!("x")), Err(Reason::SubjectTokenIssuerUntrusted)),
    ];
    let checks = TokenChecks {
        claims: IssuerClaims::default(),
        algorithms: vec![Algorithm::RS256],
        leeway: SignedDuration::from_secs(10),
        rules: Vec::new(),
        kinds: KindRules::default(),
        may_lack: Vec::new(),
    };
    let accepted = ["https://sso.example.org".to_owned()];
    let evidence = Evidence { jkt: Some(JKT), certificate_thumbprint: Some(X5T) };
    for Row { name, header, claims, kind, foreign, expected } in rows {
        let audience = if foreign { AudienceRule::AnyOf(&accepted) } else { AudienceRule::Client };
        let checks = SubjectChecks { issuer_name: "corp", issuer: ISSUER, checks: &checks, audience };
        let token = Secret::new(rs256(&header, &claims));
        let found = check(&token, kind, "front-end-app", &checks, evidence);
        assert_eq!(found.map(|_| ()).map_err(|refusal| refusal.reason), expected, "{name}");
    }
}

#[test]
fn whom_a_token_without_aud_is_for() {
    let (yes, no) = (Ok(()), Err("aud is ["));
    let missing = Err("the claim aud is missing");
    let foreign = || with(without(claims(), "typ"), "scope", json!("email"));
    let lacks = || without(without(foreign(), "aud"), "azp");
    let accepted = ["app".to_owned(), "https://sso.example.org".to_owned()];
    for (name, setting, claims, expected) in [
        ("the default", None, with(lacks(), "client_id", json!("app")), missing),
        ("the default, nothing to name", None, lacks(), missing),
        ("the claim", Some("client_id"), with(lacks(), "client_id", json!("app")), yes),
        (
            "another party",
            Some("client_id"),
            with(lacks(), "client_id", json!("other")),
            Err("client_id (issuers.corp.issuer.audienceClaim) is \"other\""),
        ),
        ("another claim", Some("client_id"), with(lacks(), "azp", json!("app")), Err("aud and client_id are missing")),
        (
            "a claim that is no text",
            Some("client_id"),
            with(lacks(), "client_id", json!(["app"])),
            Err("the claim client_id"),
        ),
        ("an empty aud", Some("azp"), with(with(lacks(), "azp", json!("app")), "aud", json!([])), yes),
        ("an empty aud, the default", None, with(with(lacks(), "azp", json!("app")), "aud", json!([])), missing),
        ("an empty text in aud", Some("azp"), with(with(lacks(), "azp", json!("app")), "aud", json!("")), no),
        ("aud of somebody else", Some("azp"), with(with(lacks(), "azp", json!("app")), "aud", json!("other")), no),
        (
            "aud of somebody else, in a list",
            Some("azp"),
            with(with(lacks(), "azp", json!("app")), "aud", json!(["x"])),
            no,
        ),
        ("aud null", Some("azp"), with(with(lacks(), "azp", json!("app")), "aud", json!(null)), Err("the claim aud")),
        ("aud that fits", Some("azp"), with(lacks(), "aud", json!(["https://sso.example.org"])), yes),
    ] {
        let checks = TokenChecks {
            claims: IssuerClaims { audience: setting, ..IssuerClaims::default() },
            algorithms: vec![Algorithm::RS256],
            leeway: SignedDuration::from_secs(10),
            rules: Vec::new(),
            kinds: KindRules::default(),
            may_lack: Vec::new(),
        };
        let audience = AudienceRule::AnyOf(&accepted);
        let checks = SubjectChecks { issuer_name: "corp", issuer: ISSUER, checks: &checks, audience };
        let token = Secret::new(rs256(&header(), &claims));
        let found = check(&token, TokenType::Jwt, "front-end-app", &checks, Evidence::default());
        match (found, expected) {
            (Ok(_), Ok(())) => {}
            (Err(refusal), Err(part)) => assert!(refusal.detail.starts_with(part), "{name}: {}", refusal.detail),
            (found, expected) => panic!("{name}: {found:?}, not {expected:?}"),
        }
    }
}

#[test]
fn the_subject_is_read_where_its_issuer_writes_it() {
    for (name, setting, changed, expected) in [
        ("the default", None, claims(), Ok("alice")),
        ("sub is missing", None, without(claims(), "sub"), Err("issuers.corp.subjectClaim")),
        ("the claim", Some("uid"), with(without(claims(), "sub"), "uid", json!("bob")), Ok("bob")),
        ("in the place of sub", Some("uid"), with(claims(), "uid", json!("bob")), Ok("bob")),
        (
            "never sub instead",
            Some("uid"),
            claims(),
            Err("the subject's claim uid (issuers.corp.subjectClaim) is missing"),
        ),
        ("empty", Some("uid"), with(claims(), "uid", json!("")), Err("the subject's claim uid")),
        ("no text", Some("uid"), with(claims(), "uid", json!(7)), Err("the subject's claim uid")),
        ("the issuer's own name", Some("uid"), with(claims(), "uid", json!(ISSUER)), Err("iss is sub")),
    ] {
        let checks = TokenChecks {
            claims: IssuerClaims { subject: setting.map(str::to_owned), ..IssuerClaims::default() },
            algorithms: vec![Algorithm::RS256],
            leeway: SignedDuration::from_secs(10),
            rules: Vec::new(),
            kinds: KindRules::default(),
            may_lack: Vec::new(),
        };
        let accepted = ["front-end-app".to_owned()];
        let audience = AudienceRule::AnyOf(&accepted);
        let checks = SubjectChecks { issuer_name: "corp", issuer: ISSUER, checks: &checks, audience };
        let token = Secret::new(rs256(&header(), &changed));
        let found = check(&token, TokenType::AccessToken, "front-end-app", &checks, Evidence::default());
        match (found, expected) {
            (Ok(token), Ok(subject)) => {
                assert_eq!((token.subject(), &token.claims()["sub"]), (subject, &json!(subject)), "{name}");
            }
            (Err(refusal), Err(part)) => assert!(refusal.detail.contains(part), "{name}: {}", refusal.detail),
            (found, expected) => panic!("{name}: {found:?}, not {expected:?}"),
        }
    }
}

#[test]
fn no_client_is_nobodys_party() {
    let checks = TokenChecks {
        claims: IssuerClaims::default(),
        algorithms: vec![Algorithm::RS256],
        leeway: SignedDuration::ZERO,
        rules: Vec::new(),
        kinds: KindRules::default(),
        may_lack: Vec::new(),
    };
    let checks = SubjectChecks { issuer_name: "corp", issuer: ISSUER, checks: &checks, audience: AudienceRule::Client };
    let claims = with(with(claims(), "azp", json!("")), "aud", json!(["", "account"]));
    let token = Secret::new(rs256(&header(), &claims));
    let refused = check(&token, TokenType::AccessToken, "", &checks, Evidence::default()).unwrap_err();
    assert_eq!(refused.reason, Reason::SubjectTokenAudience);
}

#[test]
fn claim_rules_must_hold() {
    let cases = [
        ("holds", "claims.sub == \"alice\"", Ok(())),
        ("does not hold", "claims.sub == \"bob\"", Err("the message")),
        ("names a claim that is absent", "claims.email_verified == true", Err("the message: can't be evaluated")),
        ("gives no boolean", "claims.sub", Err("the message: can't be evaluated")),
    ];
    for (name, source, expected) in cases {
        let expression = Expression::compile(source).unwrap();
        let checks = TokenChecks {
            claims: IssuerClaims::default(),
            algorithms: vec![Algorithm::RS256],
            leeway: SignedDuration::ZERO,
            rules: vec![ClaimRule { expression, message: "the message".to_owned() }],
            kinds: KindRules::default(),
            may_lack: Vec::new(),
        };
        let checks =
            SubjectChecks { issuer_name: "corp", issuer: ISSUER, checks: &checks, audience: AudienceRule::Client };
        let token = Secret::new(rs256(&header(), &claims()));
        let found = check(&token, TokenType::AccessToken, "front-end-app", &checks, Evidence::default());
        match (found, expected) {
            (Ok(_), Ok(())) => {}
            (Err(refusal), Err(text)) => {
                assert_eq!(refusal.reason, Reason::SubjectTokenRule, "{name}");
                assert!(refusal.detail.starts_with(text), "{name}: {}", refusal.detail);
            }
            (found, expected) => panic!("{name}: {found:?} for {expected:?}"),
        }
    }
}

#[test]
fn a_request_is_checked_with_its_own_token_type_and_client() {
    let head = http::Request::new(()).into_parts().0;
    let request = |client: &str, kind: TokenType| {
        let mut form = Form::new();
        for (name, value) in [
            ("grant_type", GRANT_TOKEN_EXCHANGE),
            ("client_id", client),
            ("client_secret", "s3cret"),
            ("subject_token", &rs256(&header(), &claims())),
            ("subject_token_type", kind.urn()),
            ("audience", "back-end-api"),
        ] {
            form.push(name, value);
        }
        Authenticated::by_upstream(parse(Grant::TokenExchange, form, &head, &Accepts::default()).unwrap())
    };
    let checks = TokenChecks {
        claims: IssuerClaims::default(),
        algorithms: vec![Algorithm::RS256],
        leeway: SignedDuration::ZERO,
        rules: Vec::new(),
        kinds: KindRules::default(),
        may_lack: Vec::new(),
    };
    let checks = SubjectChecks { issuer_name: "corp", issuer: ISSUER, checks: &checks, audience: AudienceRule::Client };
    let validated =
        validate(request("front-end-app", TokenType::AccessToken), &CORP.keys, &checks, Evidence::default(), now())
            .unwrap();
    assert_eq!(validated.subject().issuer(), "corp");
    assert!(validated.subject().binding().is_none());
    assert_eq!(validated.subject().subject(), "alice");
    assert_eq!(validated.authenticated().client_id(), "front-end-app");
    let debug = format!("{validated:?}");
    assert!(!debug.contains("alice") && !debug.contains("s3cret") && !debug.contains("eyJ"), "{debug}");

    let refused =
        validate(request("other-app", TokenType::AccessToken), &CORP.keys, &checks, Evidence::default(), now());
    assert_eq!(refused.unwrap_err().reason, Reason::SubjectTokenAudience);
}
