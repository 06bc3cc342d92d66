//! Each kind of token, as subject token and as actor token, under each stated type.

use jiff::SignedDuration;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::judgement::expression::Expression;
use crate::judgement::jose::checks::{KindRules, TokenChecks};
use crate::judgement::jose::issuer_claims::IssuerClaims;
use crate::judgement::jose::tests::{CORP, ISSUER, NOW, header, now, rs256, with, without};
use crate::judgement::jose::verify::{Verifier, peek};
use crate::judgement::token::checked::{CheckedToken, TokenSource};
use crate::judgement::token::presented::{Presenter, TokenRole};
use crate::judgement::token::{AudienceRule, SubjectChecks};
use crate::words::oauth::confirmation::Evidence;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

const AUDIENCE: &str = "https://sso.example.org";
const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

/// As what a token is accepted: access token, ID token, JWT.
type As = [bool; 3];

const ACCESS: As = [true, false, true];
const ID: As = [false, true, true];
/// The token does not say.
const UNMARKED: As = [true, true, true];
const NEVER: As = [false, false, false];

const STATED: [TokenType; 3] = [TokenType::AccessToken, TokenType::IdToken, TokenType::Jwt];

fn merged(base: Value, changes: &Value) -> Value {
    changes.as_object().unwrap().iter().fold(base, |claims, (name, value)| with(claims, name, value.clone()))
}

/// A token with these claims besides those that every token has.
fn plain(changes: &Value) -> Value {
    merged(
        json!({"iss": ISSUER, "sub": "u-1", "aud": AUDIENCE, "iat": NOW - 10, "exp": NOW + 300, "jti": "j"}),
        changes,
    )
}

/// A token, and what is known about its issuer.
#[derive(Clone, Copy)]
struct Presented<'a> {
    typ: &'a str,
    claims: &'a Value,
    audience: AudienceRule<'a>,
    kinds: &'a KindRules,
    evidence: Evidence<'a>,
}

impl Presented<'_> {
    fn judged(self, stated: TokenType, role: TokenRole) -> Result<(), Refusal> {
        let typ = self.typ;
        let header = if typ.is_empty() { without(header(), "typ") } else { with(header(), "typ", json!(typ)) };
        let checks = TokenChecks {
            claims: IssuerClaims::default(),
            algorithms: vec![Algorithm::RS256],
            leeway: SignedDuration::ZERO,
            rules: Vec::new(),
            kinds: self.kinds.clone(),
            may_lack: Vec::new(),
        };
        let checks = SubjectChecks { issuer_name: "partner", issuer: ISSUER, checks: &checks, audience: self.audience };
        let token = peek(&rs256(&header, self.claims))?;
        let source = TokenSource::Jwt { token, kind: stated, keys: Verifier::Keys(&CORP.keys) };
        let presenter = Presenter { client: "front-end-app", is_public: false, evidence: self.evidence };
        CheckedToken::of(source, role, presenter, &checks, now()).map(|_| ())
    }
}

/// Holds each role and each stated type to what is expected, with the reason and both sides in the detail.
fn assert_kind(name: &str, typ: &str, claims: &Value, expected: As, audience: AudienceRule<'_>, kinds: &KindRules) {
    for (role, reason) in
        [(TokenRole::Subject, Reason::SubjectTokenKind), (TokenRole::Actor, Reason::ActorTokenInvalid)]
    {
        for (stated, accepted) in STATED.into_iter().zip(expected) {
            let presented = Presented { typ, claims, audience, kinds, evidence: Evidence::default() };
            let found = presented.judged(stated, role);
            match found {
                Ok(()) => assert!(accepted, "{name}: accepted as {stated:?} ({role:?})"),
                Err(refusal) => {
                    assert!(!accepted, "{name}: refused as {stated:?} ({role:?}): {}", refusal.detail);
                    assert_eq!(refusal.reason, reason, "{name}: {}", refusal.detail);
                    assert!(refusal.detail.contains(stated.name()), "{name}: {}", refusal.detail);
                }
            }
        }
    }
}

#[test]
#[rustfmt::skip]
fn foreign_tokens() {
    let cnf = json!({"jkt": JKT});
    let rows = [
        // Access tokens of ordinary issuers.
        ("RFC 9068", "at+jwt", json!({"client_id": "a", "scope": "s"}), ACCESS),
        ("RFC 9068, media type in full", "application/AT+JWT", json!({"client_id": "a"}), ACCESS),
        ("RFC 9068 with a claim nonce", "at+jwt", json!({"nonce": "n"}), ACCESS),
        ("Keycloak", "JWT", json!({"typ": "Bearer", "azp": "a", "scope": "openid"}), ACCESS),
        ("Keycloak, lightweight", "JWT", json!({"typ": "Bearer", "azp": "a"}), ACCESS),
        ("Keycloak with the nonce mapper", "JWT", json!({"typ": "Bearer", "nonce": "n"}), ACCESS),
        ("Auth0", "JWT", json!({"azp": "a", "scope": "openid email", "permissions": ["x"]}), ACCESS),
        ("Auth0, for a machine without scope", "JWT", json!({"azp": "a", "gty": "client-credentials"}), ACCESS),
        ("Okta", "", json!({"cid": "a", "uid": "u", "scp": ["openid"], "ver": 1}), ACCESS),
        ("Entra, version 1", "JWT", json!({"appid": "a", "appidacr": "1", "scp": "Files.Read", "ver": "1.0"}), ACCESS),
        ("Entra, version 2", "JWT", json!({"azp": "a", "azpacr": "1", "roles": ["x"], "ver": "2.0"}), ACCESS),
        ("Cognito", "", json!({"token_use": "access", "client_id": "a", "scope": "s"}), ACCESS),
        ("ForgeRock", "JWT", json!({"tokenName": "access_token", "token_type": "Bearer", "scope": ["s"]}), ACCESS),
        ("token_type access", "JWT", json!({"token_type": "access"}), ACCESS),
        ("a user attribute named code", "JWT", json!({"typ": "Bearer", "code": "x", "active": true}), ACCESS),
        // ID tokens.
        ("Keycloak's ID token", "JWT", json!({"typ": "ID", "azp": "a"}), ID),
        ("Cognito's ID token", "", json!({"token_use": "id"}), ID),
        ("ForgeRock's ID token", "JWT", json!({"tokenName": "id_token"}), ID),
        ("ID token by its nonce", "JWT", json!({"nonce": "n", "auth_time": 1}), ID),
        ("ID token with nonce and scope", "JWT", json!({"nonce": "n", "scope": "openid"}), ID),
        ("ID token by at_hash", "JWT", json!({"at_hash": "h"}), ID),
        ("ID token by at_hash, with scope and client", "JWT", json!({"at_hash": "h", "scope": "s", "client_id": "a"}), ID),
        ("ID token by c_hash", "JWT", json!({"c_hash": "h"}), ID),
        ("ID token by s_hash", "JWT", json!({"s_hash": "h"}), ID),
        ("Google's ID token without at_hash", "JWT", json!({"azp": "a", "email": "u@x", "email_verified": true}), ID),
        ("ID token with the fewest claims", "JWT", json!({}), UNMARKED),
        ("GitHub Actions", "JWT", json!({"repository": "o/r", "actor": "x", "ref": "main"}), UNMARKED),
        ("GitLab CI", "JWT", json!({"project_path": "g/p", "user_login": "x"}), UNMARKED),
        ("an empty scope", "JWT", json!({"scope": ""}), UNMARKED),
        ("a scope that is null", "JWT", json!({"scope": null, "client_id": null}), UNMARKED),
        // Marks that contradict.
        ("Bearer and at_hash", "JWT", json!({"typ": "Bearer", "at_hash": "h"}), NEVER),
        ("at+jwt and ID", "at+jwt", json!({"typ": "ID"}), NEVER),
        ("Bearer and token_use id", "JWT", json!({"typ": "Bearer", "token_use": "id"}), NEVER),
        ("DPoP without a key", "JWT", json!({"typ": "DPoP"}), NEVER),
        ("a list as typ", "JWT", json!({"typ": ["Bearer"]}), NEVER),
        // Refresh tokens.
        ("refresh token", "JWT", json!({"typ": "Refresh", "scope": "s", "azp": "a"}), NEVER),
        ("offline token", "JWT", json!({"typ": "Offline", "scope": "s"}), NEVER),
        ("token_use refresh", "JWT", json!({"token_use": "refresh", "scope": "s"}), NEVER),
        ("token_type refresh", "JWT", json!({"token_type": "refresh", "scope": "s"}), NEVER),
        ("tokenName refresh_token", "JWT", json!({"tokenName": "refresh_token", "token_type": "Bearer"}), NEVER),
        ("Spring's refresh token", "JWT", json!({"ati": "x", "scope": ["s"], "client_id": "a"}), NEVER),
        ("rt+jwt", "rt+jwt", json!({"scope": "s"}), NEVER),
        // Signed answers and requests.
        ("logout token", "logout+jwt", json!({"events": {}, "sid": "x"}), NEVER),
        ("logout token without its typ", "JWT", json!({"events": {}, "scope": "s"}), NEVER),
        ("logout token by Keycloak's claim", "JWT", json!({"typ": "Logout"}), NEVER),
        ("security event", "secevent+jwt", json!({"scope": "s"}), NEVER),
        ("introspection answer", "token-introspection+jwt", json!({"token_introspection": {"active": true}}), NEVER),
        ("introspection answer without its typ", "JWT", json!({"token_introspection": {}, "scope": "s"}), NEVER),
        ("introspection answer of a draft", "JWT", json!({"active": true, "scope": "s", "client_id": "a"}), NEVER),
        ("userinfo answer", "JWT", json!({"name": "x", "email": "u@x"}), ID),
        ("authorization response", "JWT", json!({"code": "x", "state": "s", "scope": "s"}), NEVER),
        ("authorization request", "oauth-authz-req+jwt", json!({"client_id": "a", "scope": "s"}), NEVER),
        ("authorization request without its typ", "JWT", json!({"response_type": "code", "client_id": "a"}), NEVER),
        ("DPoP proof", "dpop+jwt", json!({"htm": "POST", "scope": "s"}), NEVER),
        ("ID-JAG", "oauth-id-jag+jwt", json!({"client_id": "a", "scope": "s"}), NEVER),
        // Clients and workloads.
        ("client assertion", "JWT", json!({"sub": ISSUER, "scope": "s"}), NEVER),
        ("client assertion with its typ", "client-authentication+jwt", json!({"scope": "s"}), NEVER),
        ("SVID", "JWT", json!({"sub": "spiffe://example.org/a"}), NEVER),
        ("SVID in capitals", "JWT", json!({"sub": "SPIFFE://example.org/a", "scope": "s"}), NEVER),
        ("SVID with a mark", "at+jwt", json!({"sub": "spiffe://example.org/a"}), ACCESS),
        ("service account", "", json!({"sub": "system:serviceaccount:a:b", "kubernetes.io": {}}), NEVER),
        ("service account without its claim", "", json!({"sub": "system:serviceaccount:a:b", "scope": "s"}), NEVER),
        ("workload identity token", "wit+jwt", json!({"cnf": cnf, "scope": "s"}), NEVER),
        ("workload proof token", "wpt+jwt", json!({"scope": "s"}), NEVER),
        // Credentials.
        ("verifiable credential", "vc+jwt", json!({"vc": {}, "scope": "s"}), NEVER),
        ("verifiable credential without its typ", "JWT", json!({"vc": {}, "scope": "s"}), NEVER),
        ("verifiable presentation", "JWT", json!({"vp": {}, "client_id": "a"}), NEVER),
        ("SD-JWT VC", "dc+sd-jwt", json!({"_sd": [], "vct": "x"}), NEVER),
        ("SD-JWT VC without its typ", "JWT", json!({"_sd": [], "scope": "s"}), NEVER),
        ("SD-JWT VC by its type", "JWT", json!({"vct": "x", "scope": "s"}), NEVER),
        ("key binding", "kb+jwt", json!({"sd_hash": "x", "nonce": "n"}), NEVER),
        ("a kind that nobody knows", "new+jwt", json!({"scope": "s", "typ": "Bearer"}), NEVER),
        ("a claim typ that nobody knows", "JWT", json!({"typ": "Ticket", "scope": "s"}), NEVER),
    ];
    let accepted = [AUDIENCE.to_owned()];
    let kinds = KindRules { unbound_id_tokens: true, ..KindRules::default() };
    for (name, typ, changes, expected) in rows {
        assert_kind(name, typ, &plain(&changes), expected, AudienceRule::AnyOf(&accepted), &kinds);
    }
}

#[test]
#[rustfmt::skip]
fn tokens_of_the_realm() {
    let rows = [
        ("access token", "JWT", json!({"typ": "Bearer"}), ACCESS),
        ("access token of RFC 9068", "at+jwt", json!({"typ": "Bearer"}), ACCESS),
        ("Cambio's access token of RFC 9068", "at+jwt", json!({}), ACCESS),
        ("ID token", "JWT", json!({"typ": "ID"}), ID),
        ("refresh token", "JWT", json!({"typ": "Refresh"}), NEVER),
        ("offline token", "JWT", json!({"typ": "Offline"}), NEVER),
        ("logout token", "JWT", json!({"typ": "Logout"}), NEVER),
        ("action token", "JWT", json!({"typ": "reset-credentials"}), NEVER),
        ("nothing that says so", "JWT", json!({}), NEVER),
        ("a nonce that says so", "JWT", json!({"nonce": "n"}), NEVER),
        ("marks that other issuers have", "JWT", json!({"scope": "s", "client_id": "a"}), NEVER),
        ("signed answer about a user", "JWT", json!({"name": "x"}), NEVER),
        ("credential", "JWT", json!({"vc": {}, "typ": "Bearer"}), NEVER),
    ];
    let kinds = KindRules { unbound_id_tokens: true, ..KindRules::default() };
    for (name, typ, changes, expected) in rows {
        let claims = plain(&merged(json!({"aud": "front-end-app"}), &changes));
        assert_kind(name, typ, &claims, expected, AudienceRule::Client, &kinds);
    }
}

#[test]
#[rustfmt::skip]
fn an_issuer_says_how_its_access_tokens_look() {
    let rows = [
        ("GitHub Actions", "\"repository\" in claims", json!({"repository": "o/r"}), ACCESS),
        ("service account", "\"kubernetes.io\" in claims", json!({"kubernetes.io": {}}), ACCESS),
        ("SVID", "claims.sub.startsWith(\"spiffe://\")", json!({"sub": "spiffe://example.org/a"}), ACCESS),
        ("access token with a nonce", "has(claims.scope)", json!({"scope": "s", "nonce": "n"}), ACCESS),
        ("not true", "\"repository\" in claims", json!({"name": "x"}), ID),
        ("not true of an access token by default", "\"repository\" in claims", json!({"scope": "s"}), NEVER),
        ("not true of a token that says that it is one", "\"repository\" in claims", json!({"typ": "Bearer"}), NEVER),
        ("not evaluated", "claims.repository != \"\"", json!({}), NEVER),
        ("no boolean", "claims.sub", json!({}), NEVER),
        ("true of an ID token", "true", json!({"typ": "ID"}), ID),
        ("true of an ID token by at_hash", "true", json!({"at_hash": "h"}), ID),
        ("true of a refresh token", "true", json!({"typ": "Refresh"}), NEVER),
        ("true of a logout token", "true", json!({"events": {}}), NEVER),
        ("true of a credential", "true", json!({"vc": {}}), NEVER),
    ];
    let accepted = [AUDIENCE.to_owned()];
    for (name, expression, changes, expected) in rows {
        let access_tokens = Some(Expression::compile(expression).unwrap());
        let kinds = KindRules { access_tokens, unbound_id_tokens: true, ..KindRules::default() };
        assert_kind(name, "JWT", &plain(&changes), expected, AudienceRule::AnyOf(&accepted), &kinds);
    }
}

/// What marks other kinds elsewhere, and what an issuer writes into its access tokens.
#[test]
#[rustfmt::skip]
fn an_issuer_says_which_marks_its_access_tokens_may_have() {
    let dex = json!({"at_hash": "h", "nonce": "n", "email": "u@x", "email_verified": true, "name": "U"});
    let rows = [
        ("Dex, not said", "", vec![], dex.clone(), ID),
        ("Dex, said in part", "", vec!["at_hash"], dex.clone(), ID),
        ("Dex", "", vec!["at_hash", "nonce", "email_verified", "name"], dex.clone(), UNMARKED),
        ("Dex with an expression", "true", vec!["at_hash"], dex.clone(), ACCESS),
        ("Dex with an expression that is false", "false", vec!["at_hash"], json!({"at_hash": "h"}), [false, true, true]),
        ("only at_hash", "", vec!["at_hash"], json!({"at_hash": "h"}), UNMARKED),
        ("at_hash beside scope", "", vec!["at_hash"], json!({"at_hash": "h", "scope": "s"}), ACCESS),
        ("another hash", "", vec!["at_hash"], json!({"at_hash": "h", "c_hash": "h"}), ID),
        ("at_hash beside Bearer", "", vec!["at_hash"], json!({"at_hash": "h", "typ": "Bearer"}), ACCESS),
        ("at_hash beside ID", "", vec!["at_hash"], json!({"at_hash": "h", "typ": "ID"}), ID),
        ("at_hash beside Refresh", "", vec!["at_hash"], json!({"at_hash": "h", "typ": "Refresh"}), NEVER),
        ("authentik, not said", "", vec![], json!({"nonce": "n", "scope": "openid", "azp": "a"}), ID),
        ("authentik", "", vec!["nonce"], json!({"nonce": "n", "scope": "openid", "azp": "a"}), ACCESS),
        ("an own typ access", "", vec![], json!({"typ": "access"}), ACCESS),
        ("an own typ, not said", "", vec![], json!({"typ": "user", "scope": "s"}), NEVER),
        ("an own typ", "", vec!["typ"], json!({"typ": "user", "scope": "s"}), ACCESS),
        ("an own typ without a mark", "", vec!["typ"], json!({"typ": "user"}), UNMARKED),
        ("an own typ that is no text", "", vec!["typ"], json!({"typ": 2, "scope": "s"}), ACCESS),
        ("an own token_type", "", vec!["token_type"], json!({"token_type": "JWT", "scope": "s"}), ACCESS),
        ("an own token_type, another is said", "", vec!["typ"], json!({"token_type": "JWT", "scope": "s"}), NEVER),
        ("Keycloak's ID token", "", vec!["typ"], json!({"typ": "ID", "scope": "s"}), ID),
        ("Keycloak's refresh token", "", vec!["typ"], json!({"typ": "Refresh", "scope": "s"}), NEVER),
        ("Keycloak's offline token", "true", vec!["typ"], json!({"typ": "Offline", "scope": "s"}), NEVER),
        ("Keycloak's logout token", "true", vec!["typ"], json!({"typ": "Logout", "scope": "s"}), NEVER),
        ("a DPoP token without a key", "true", vec!["typ"], json!({"typ": "DPoP"}), NEVER),
        ("a refresh token of another name", "", vec!["token_use"], json!({"token_use": "refresh_token"}), NEVER),
        ("a logout token", "true", vec!["typ"], json!({"typ": "user", "events": {}}), NEVER),
    ];
    let accepted = [AUDIENCE.to_owned()];
    for (name, expression, may_have, changes, expected) in rows {
        let access_tokens = Some(expression).filter(|one| !one.is_empty()).map(|one| Expression::compile(one).unwrap());
        let may_have = may_have.into_iter().map(str::to_owned).collect();
        let kinds = KindRules { access_tokens, may_have, unbound_id_tokens: true, unnamed: false };
        assert_kind(name, "JWT", &plain(&changes), expected, AudienceRule::AnyOf(&accepted), &kinds);
    }
}

#[test]
fn a_refusal_names_the_mark_and_the_way_out() {
    let accepted = [AUDIENCE.to_owned()];
    let kinds = KindRules { unbound_id_tokens: true, ..KindRules::default() };
    for (name, changes, expected) in [
        ("at_hash", json!({"at_hash": "h"}), &["its claim at_hash", "issuers.partner.accessTokens.mayHave"][..]),
        ("nonce", json!({"nonce": "h"}), &["its claim nonce", "issuers.partner.accessTokens.mayHave"]),
        ("login", json!({"auth_time": 1}), &["its claim auth_time", "issuers.partner.accessTokens.mayHave"]),
        ("two", json!({"typ": "Bearer", "at_hash": "h"}), &["at_hash is that of an ID token", "accessTokens.mayHave"]),
        (
            "own typ",
            json!({"typ": "user"}),
            &["its claim typ is \"user\"", "add typ to issuers.partner.accessTokens.mayHave"],
        ),
    ] {
        let claims = plain(&changes);
        let audience = AudienceRule::AnyOf(&accepted);
        let presented =
            Presented { typ: "JWT", claims: &claims, audience, kinds: &kinds, evidence: Evidence::default() };
        let detail = presented.judged(TokenType::AccessToken, TokenRole::Subject).unwrap_err().detail;
        assert!(expected.iter().all(|part| detail.contains(part)), "{name}: {detail}");
    }
    // Nothing helps against what is said in words.
    for changes in [json!({"typ": "ID", "at_hash": "h"}), json!({"typ": "Refresh"})] {
        let claims = plain(&changes);
        let audience = AudienceRule::AnyOf(&accepted);
        let presented =
            Presented { typ: "JWT", claims: &claims, audience, kinds: &kinds, evidence: Evidence::default() };
        let detail = presented.judged(TokenType::AccessToken, TokenRole::Subject).unwrap_err().detail;
        assert!(!detail.contains("mayHave"), "{detail}");
    }
}

/// Keycloak's ID tokens have no `cnf`, also those of a login whose access token is bound to a key.
#[test]
fn an_id_token_of_a_realm_needs_a_proof() {
    let own = plain(&json!({"aud": "front-end-app", "typ": "ID"}));
    let other = plain(&json!({"typ": "ID"}));
    let accepted = [AUDIENCE.to_owned()];
    let proof = Evidence { jkt: Some(JKT), certificate_thumbprint: None };
    let certificate = Evidence { jkt: None, certificate_thumbprint: Some(JKT) };
    for role in [TokenRole::Subject, TokenRole::Actor] {
        for stated in [TokenType::IdToken, TokenType::Jwt] {
            for (name, claims, audience) in
                [("own", &own, AudienceRule::Client), ("of another realm", &other, AudienceRule::AnyOf(&accepted))]
            {
                let judged = |unbound_id_tokens, evidence| {
                    let kinds = KindRules { unbound_id_tokens, ..KindRules::default() };
                    let presented = Presented { typ: "JWT", claims, audience, kinds: &kinds, evidence };
                    presented.judged(stated, role).map_err(|refusal| refusal.reason)
                };
                let bound = match role {
                    TokenRole::Subject => Reason::SubjectTokenBound,
                    TokenRole::Actor => Reason::ActorTokenInvalid,
                };
                assert_eq!(judged(false, Evidence::default()), Err(bound), "{name}, {stated:?}, {role:?}: no proof");
                // A certificate does not bind the new token.
                assert_eq!(judged(false, certificate), Err(bound), "{name}, {stated:?}, {role:?}: certificate");
                assert_eq!(judged(false, proof), Ok(()), "{name}, {stated:?}, {role:?}: proof");
                assert_eq!(judged(true, Evidence::default()), Ok(()), "{name}, {stated:?}, {role:?}: written");
            }
        }
    }
}
