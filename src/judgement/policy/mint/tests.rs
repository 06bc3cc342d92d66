mod limits;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::judgement::dialect::{DefaultClaim, DefaultValue};
use crate::judgement::expression::Expression;
use crate::judgement::policy::contract::Issued;
use crate::judgement::policy::decide::decide;
use crate::judgement::policy::model::{ActorRule, Audience, Delegation, Profile, RoleMapping, RoleOutput, RoleSource};
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::request::{ExchangeRequest, WantedScope};
use crate::judgement::policy::samples::{
    ISSUER, NOW, audience, keycloak_claims, listed, now, object, permission, policy, request, set,
};
use crate::words::oauth::names::Names;

const JTI: &str = "cambio:1";

fn minting() -> Audience {
    let mut target = audience("back-end-api", vec![permission()]);
    target.issuance = Issuance::Mint;
    target.token.within_subject = true;
    target.permissions[0].issuers = Names::Any;
    target.permissions[0].requested_tokens.insert(TokenType::IdToken);
    target
}

struct Asked<'a> {
    own: bool,
    kind: TokenType,
    scope: Option<&'a str>,
    directory: Option<&'a RoleNames>,
}

const OWN: Asked<'_> = Asked { own: true, kind: TokenType::AccessToken, scope: None, directory: None };
const FOREIGN: Asked<'_> = Asked { own: false, ..OWN };

fn contract(target: &Audience, asked: &Asked<'_>, claims: &Map<String, Value>) -> Result<Contract, Refusal> {
    let audiences = [target.name.clone()];
    let scope = asked.scope.map(|scope| Scope::parse(scope).unwrap());
    let request = ExchangeRequest {
        provenance: if asked.own { Provenance::Realm } else { Provenance::Foreign },
        issuer: if asked.own { "corp" } else { "partner" },
        requested_token: asked.kind,
        scope: scope.as_ref().map_or(WantedScope::Any, WantedScope::Exactly),
        ..request(&audiences, claims)
    };
    Ok(decide(&policy([target.clone()]), "corp", &request, now())?.contract)
}

/// Mints, and holds the result to the contract as the adapter does.
fn mint(target: &Audience, asked: &Asked<'_>, claims: &Map<String, Value>) -> Result<Narrowed, Refusal> {
    let contract = contract(target, asked, claims)?;
    let from = Ingredients { directory: asked.directory, issuer: ISSUER, now: now(), jti: JTI };
    let minted = contract.mint(claims, &from)?;
    let scope = minted.scope.to_string();
    contract.check(&Issued {
        claims: &minted.claims,
        issuer: ISSUER,
        issued_token_type: Some(contract.requested.urn()),
        token_type: Some(contract.token_type()),
        scope: Some(&scope),
        directory: None,
    })?;
    Ok(minted)
}

/// A token of the foreign issuer's that says a good deal.
fn foreign_claims() -> Map<String, Value> {
    let mut claims = keycloak_claims();
    claims.extend(object(json!({
        "iss": "https://login.partner.example", "groups": ["approver"], "roles": ["admin"], "org": "acme",
        "auth_time": NOW - 60, "sub": "42"
    })));
    claims
}

#[test]
fn keycloaks_shape_from_a_token_of_the_realm() {
    let minted = mint(&minting(), &OWN, &keycloak_claims()).unwrap();
    assert_eq!(
        Value::Object(minted.claims),
        json!({
            "iss": ISSUER, "sub": "user-1", "aud": "back-end-api", "iat": NOW, "exp": NOW + 120, "jti": JTI,
            "typ": "Bearer", "azp": "front-end-app", "sid": "s", "acr": "1", "scope": "email profile",
            "resource_access": {"back-end-api": {"roles": ["backend_user"]}},
            "email": "u@example.org", "email_verified": true, "name": "U", "preferred_username": "u",
            "department": "IT", "derived_from": {"iat": NOW}
        })
    );
    assert_eq!(minted.dropped, ["allowed-origins", "custom", "realm_access"]);
}

#[test]
fn rfc_9068_has_its_own_names() {
    let mut target = minting();
    target.token.profile = Profile::Rfc9068;
    target.roles.output = RoleOutput { keycloak: false, claim: Some("roles".to_owned()) };
    target.roles.realm = set(&["offline_access"]);
    let minted = mint(&target, &Asked { scope: Some("email"), ..OWN }, &keycloak_claims()).unwrap();
    assert_eq!(
        Value::Object(minted.claims),
        json!({
            "iss": ISSUER, "sub": "user-1", "aud": "back-end-api", "iat": NOW, "exp": NOW + 120, "jti": JTI,
            "client_id": "front-end-app", "sid": "s", "acr": "1", "scope": "email",
            "roles": ["backend_user", "offline_access"],
            "email": "u@example.org", "email_verified": true, "department": "IT", "derived_from": {"iat": NOW}
        })
    );
    let contract = contract(&target, &OWN, &keycloak_claims()).unwrap();
    assert_eq!((contract.header_typ(), contract.token_type()), ("at+jwt", "Bearer"));
}

#[test]
fn an_id_token_speaks_to_the_client_and_has_no_roles() {
    let mut target = minting();
    target.roles.fixed = set(&["user"]);
    target.token.set = BTreeMap::from([("tenant".to_owned(), Expression::compile("'x'").unwrap())]);
    let mut claims = keycloak_claims();
    claims.extend(object(json!({"nonce": "n", "at_hash": "h", "auth_time": NOW - 5})));
    let minted = mint(&target, &Asked { kind: TokenType::IdToken, ..OWN }, &claims).unwrap();
    let get = |name: &str| minted.claims.get(name).cloned().unwrap_or_default();
    assert_eq!((get("aud"), get("azp"), get("typ")), (json!("front-end-app"), json!("front-end-app"), json!("ID")));
    assert_eq!((get("sid"), get("acr"), get("auth_time")), (json!("s"), json!("1"), json!(NOW - 5)));
    for absent in ["nonce", "at_hash", "scope", "resource_access", "realm_access", "tenant"] {
        assert!(!minted.claims.contains_key(absent), "{absent}");
    }
    assert_eq!(minted.roles, RoleNames::default());
}

#[test]
fn a_foreign_token_brings_what_the_file_says_and_no_more() {
    let mut target = minting();
    target.roles.map = vec![RoleMapping {
        from: RoleSource::When(Expression::compile("'approver' in claims.groups").unwrap()),
        to: "approver".to_owned(),
        issuers: Some(listed(&["partner"])),
    }];
    target.token.set = BTreeMap::from([("tenant".to_owned(), Expression::compile("'partner-' + claims.org").unwrap())]);
    let minted = mint(&target, &Asked { scope: Some("email"), ..FOREIGN }, &foreign_claims()).unwrap();
    assert_eq!(
        Value::Object(minted.claims),
        json!({
            "iss": ISSUER, "subject_issuer": "https://login.partner.example", "sub": "partner#user-1", "aud": "back-end-api", "iat": NOW, "exp": NOW + 120, "jti": JTI,
            "typ": "Bearer", "azp": "front-end-app", "scope": "email", "department": "IT", "tenant": "partner-acme", "owner_claims": ["tenant"],
            "resource_access": {"back-end-api": {"roles": ["approver"]}}
        })
    );
    target.token.claims = Names::Any;
    let all = mint(&target, &FOREIGN, &foreign_claims()).unwrap().claims;
    for absent in ["sid", "acr", "auth_time", "groups", "roles", "realm_access", "scope", "email", "name", "org"] {
        assert!(!all.contains_key(absent), "{absent}");
    }
    target.token.claims = listed(&["acr", "auth_time", "email", "groups", "roles", "sid"]);
    let some = mint(&target, &FOREIGN, &foreign_claims()).unwrap().claims;
    assert_eq!(
        (&some["acr"], &some["auth_time"], &some["email"]),
        (&json!("1"), &json!(NOW - 60), &json!("u@example.org"))
    );
    for absent in ["sid", "groups", "roles"] {
        assert!(!some.contains_key(absent), "{absent}");
    }
}

#[test]
fn who_acts_and_who_may_is_in_every_token() {
    let mut claims = keycloak_claims();
    // With `sid`, the realm's own token would be of an impersonation session.
    claims.remove("sid");
    claims.extend(object(json!({"act": {"sub": "a"}, "may_act": {"client_id": "front-end-app"}})));
    for kind in [TokenType::AccessToken, TokenType::IdToken, TokenType::Jwt] {
        let mut target = minting();
        target.token.claims = Names::Any;
        target.permissions[0].requested_tokens.insert(kind);
        target.permissions[0].delegation = Some(Box::new(Delegation {
            actor: ActorRule::Forbidden,
            issuers: listed(&[]),
            condition: None,
            without_may_act: false,
            depth: 1,
        }));
        let partner = "https://login.partner.example";
        for (own, iss, act) in
            [(true, ISSUER, json!({"sub": "a"})), (false, partner, json!({"sub": "a", "iss": partner}))]
        {
            claims.insert("iss".to_owned(), json!(iss));
            let minted = mint(&target, &Asked { own, kind, ..OWN }, &claims).unwrap();
            assert_eq!(minted.claims["act"], act, "{iss}");
            assert_eq!(minted.claims["may_act"], json!({"client_id": "front-end-app"}));
        }
    }
}

#[test]
fn whom_the_subject_becomes_brings_his_own_claims_and_no_session() {
    let mut claims = keycloak_claims();
    claims.extend(object(json!({"groups": ["support"], "auth_time": 5, "amr": ["pwd"], "act": {"sub": "a"}})));
    let person = object(json!({
        "sub": "user-2", "username": "customer-7", "preferred_username": "customer-7", "email": "c@example.org"
    }));
    let mut target = minting();
    target.token.claims = listed(&["department", "groups", "acr", "sid"]);
    let base = contract(&target, &OWN, &keycloak_claims()).unwrap();
    let contract = Contract {
        subject: Some("user-2".to_owned()),
        person: Some(person),
        from_directory: true,
        act: claims.get("act").cloned(),
        ..base
    };
    let held =
        RoleNames { clients: BTreeMap::from([("back-end-api".to_owned(), set(&["reader"]))]), ..RoleNames::default() };
    let from = Ingredients { directory: Some(&held), issuer: ISSUER, now: now(), jti: JTI };
    let minted = contract.mint(&claims, &from).unwrap();
    assert_eq!(
        Value::Object(minted.claims),
        json!({
            "iss": ISSUER, "sub": "user-2", "aud": "back-end-api", "iat": NOW, "exp": NOW + 120, "jti": JTI,
            "typ": "Bearer", "azp": "front-end-app", "scope": "email profile", "act": {"sub": "a"},
            "resource_access": {"back-end-api": {"roles": ["reader"]}},
            "email": "c@example.org", "preferred_username": "customer-7", "impersonated": true,
            "derived_from": {"iat": NOW, "sub": "user-1", "sid": "s"}
        })
    );
}

/// What a token says about its origin is believed if Cambio wrote it, and it is never later than the first token.
#[test]
fn where_a_token_comes_from_is_kept_from_hop_to_hop() {
    let mut target = minting();
    target.permissions[0].exchanged = true;
    let mut claims = keycloak_claims();
    claims.extend(object(json!({
        "derived_from": {"iat": NOW - 90, "sub": "somebody"}, "refresh_family": "f", "iat": NOW - 5
    })));
    let base = contract(&target, &OWN, &keycloak_claims()).unwrap();
    let from = Ingredients { directory: None, issuer: ISSUER, now: now(), jti: JTI };
    for (provenance, iat, family) in
        [(Provenance::Realm, NOW - 5, None), (Provenance::CambioForRealm, NOW - 90, Some(&json!("f")))]
    {
        let contract = Contract { provenance, ..base.clone() };
        let minted = contract.mint(&claims, &from).unwrap().claims;
        assert_eq!(minted["derived_from"], json!({"iat": iat}), "{provenance:?}");
        assert_eq!(minted.get("refresh_family"), family, "{provenance:?}");
    }
    let own = Contract { refresh_family: Some("g".to_owned()), ..base };
    assert_eq!(own.mint(&claims, &from).unwrap().claims["refresh_family"], "g");
}

#[test]
fn a_subject_that_has_its_name_keeps_it_and_whose_it_is() {
    let partner = "https://login.partner.example";
    let mut claims = keycloak_claims();
    claims.extend(object(json!({"sub": "partner#42", SUBJECT_ISSUER: partner, "scope": "email", "sid": "s"})));
    let (audiences, mut target) = ([String::from("back-end-api")], minting());
    target.permissions[0].exchanged = true;
    let request = ExchangeRequest {
        provenance: Provenance::CambioForForeign,
        issuer: "partner",
        subject: "partner#42",
        ..request(&audiences, &claims)
    };
    let decided = |target: Audience| decide(&policy([target]), "corp", &request, now());
    let contract = decided(target.clone()).unwrap().contract;
    let from = Ingredients { directory: None, issuer: ISSUER, now: now(), jti: JTI };
    let minted = contract.mint(&claims, &from).unwrap();
    assert_eq!((&minted.claims["sub"], &minted.claims[SUBJECT_ISSUER]), (&json!("partner#42"), &json!(partner)));
    assert_eq!((&minted.claims["iss"], minted.scope.to_string().as_str()), (&json!(ISSUER), "email"));
    assert!(!minted.claims.contains_key("sid") && minted.roles == RoleNames::default());

    let translating = Audience { issuance: Issuance::Translate, ..target };
    let refusal = decided(translating).unwrap_err();
    assert_eq!(refusal.reason, Reason::IssuerNotPermitted);
    assert!(refusal.detail.contains("which can't exchange a token that Cambio minted"), "{}", refusal.detail);
}

#[test]
fn a_dialect_carries_claims_over_and_has_defaults() {
    let mut claims = foreign_claims();
    claims.extend(object(json!({"locale": "fr", "email_verified": true})));
    let text = |name, text| DefaultClaim { name, value: DefaultValue::Text(text) };
    let audiences = [String::from("back-end-api")];
    let request = ExchangeRequest {
        provenance: Provenance::Foreign,
        issuer: "partner",
        carried: &["email", "locale", "acr", "act", "sid", "realm_access"],
        defaults: &[
            text("locale", "en"),
            text("zoneinfo", "Europe/Berlin"),
            text("sub", "x"),
            text("aud", "y"),
            text("sid", "z"),
            DefaultClaim { name: "email_verified", value: DefaultValue::Flag(false) },
        ],
        ..request(&audiences, &claims)
    };
    let mut target = minting();
    target.token.claims = Names::Any;
    let contract = decide(&policy([target]), "corp", &request, now()).unwrap().contract;
    let from = Ingredients { directory: None, issuer: ISSUER, now: now(), jti: JTI };
    let minted = contract.mint(&claims, &from).unwrap().claims;
    assert_eq!(minted["email_verified"], false, "the subject token says true, and nothing lets it speak");
    let text = |name: &str| minted.get(name).and_then(Value::as_str);
    assert_eq!((text("email"), text("locale"), text("acr")), (Some("u@example.org"), Some("fr"), Some("1")));
    assert_eq!(
        (text("zoneinfo"), text("sub"), text("aud")),
        (Some("Europe/Berlin"), Some("partner#user-1"), Some("back-end-api"))
    );
    assert!(["act", "sid", "realm_access"].iter().all(|name| !minted.contains_key(*name)));

    let own = ExchangeRequest { provenance: Provenance::Realm, issuer: "corp", ..request };
    let mut target = minting();
    target.permissions[0].scopes = listed(&[]);
    let contract = decide(&policy([target]), "corp", &own, now()).unwrap().contract;
    let minted = contract.mint(&claims, &from).unwrap().claims;
    assert_eq!(minted["zoneinfo"], "Europe/Berlin");
    assert!(!minted.contains_key("email_verified"), "what the realm says is not contradicted: {minted:?}");
}

#[test]
fn a_nonce_goes_into_id_tokens_where_the_page_has_it_so() {
    let mut claims = keycloak_claims();
    claims.extend(object(json!({"nonce": "n"})));
    let audiences = [String::from("back-end-api")];
    let nonce = &["nonce"][..];
    for (name, kind, carried, expected) in [
        ("promised", TokenType::IdToken, nonce, Some("n")),
        ("an access token", TokenType::AccessToken, nonce, None),
        ("not promised", TokenType::IdToken, &[], None),
    ] {
        let request = ExchangeRequest { requested_token: kind, carried, ..request(&audiences, &claims) };
        let mut target = minting();
        target.token.claims = Names::Any;
        target.permissions[0].requested_tokens = BTreeSet::from([kind]);
        let contract = decide(&policy([target]), "corp", &request, now()).unwrap().contract;
        let from = Ingredients { directory: None, issuer: ISSUER, now: now(), jti: JTI };
        let minted = contract.mint(&claims, &from).unwrap().claims;
        assert_eq!(minted.get("nonce").and_then(Value::as_str), expected, "{name}");
    }
}

#[test]
fn a_dialect_carries_over_no_identity_of_another_issuers_word() {
    let forged = json!({"auth_level": 99, "realm": "/", "subname": "amadmin", "user_id": "amadmin"});
    let mut claims = foreign_claims();
    claims.extend(object(forged.clone()));
    let audiences = [String::from("back-end-api")];
    let carried = crate::judgement::dialect::Dialect::Forgerock.rules().carried;
    let foreign =
        ExchangeRequest { provenance: Provenance::Foreign, issuer: "partner", carried, ..request(&audiences, &claims) };
    let from = Ingredients { directory: None, issuer: ISSUER, now: now(), jti: JTI };
    let mint = |request: ExchangeRequest<'_>, target: Audience| {
        let contract = decide(&policy([target]), "corp", &request, now()).unwrap().contract;
        contract.mint(&claims, &from).unwrap().claims
    };
    let had = |claims: &Map<String, Value>| {
        forged.as_object().unwrap().keys().filter(|name| claims.contains_key(*name)).count()
    };
    assert_eq!(had(&mint(foreign, minting())), 0);
    assert_eq!(
        had(&mint(ExchangeRequest { provenance: Provenance::Realm, issuer: "corp", ..foreign }, minting())),
        4,
        "the realm's own"
    );
    let mut listing = minting();
    listing.token.claims = listed(&["user_id"]);
    assert_eq!(had(&mint(foreign, listing)), 1, "the owner asks for it");
}

#[test]
fn the_expiry_is_the_earliest_of_contract_subject_and_cap() {
    for (name, lifetime, subject, now_after, expected) in [
        ("the contract's", 60, 120, 0, Some(60)),
        ("the subject token's", 300, 120, 0, Some(120)),
        ("the cap", 400_000, 500_000, 0, Some(86_400)),
        ("over", 300, 120, 120, None),
    ] {
        let base = contract(&minting(), &OWN, &keycloak_claims()).unwrap();
        let contract = Contract {
            lifetime: SignedDuration::from_secs(lifetime),
            expires_by: Some(Timestamp::from_second(NOW + subject).unwrap()),
            ..base
        };
        let now = Timestamp::from_second(NOW + now_after).unwrap();
        let from = Ingredients { directory: None, issuer: ISSUER, now, jti: JTI };
        let minted = contract.mint(&keycloak_claims(), &from);
        assert_eq!(minted.as_ref().ok().map(|minted| minted.expires - NOW), expected, "{name}");
        if let Err(refusal) = minted {
            assert_eq!(refusal.reason, Reason::SubjectTokenExpired);
        }
    }
}

#[test]
fn the_directory_is_asked_for_what_the_file_looks_at() {
    let mut target = minting();
    target.roles.directory = true;
    let line = |from: RoleSource| RoleMapping { from, to: "reader".to_owned(), issuers: None };
    target.roles.map = vec![
        line(RoleSource::Client { client: "other-app".to_owned(), role: "approver".to_owned() }),
        line(RoleSource::Realm("auditor".to_owned())),
    ];
    let contract = contract(&target, &OWN, &keycloak_claims()).unwrap();
    let expected = Question { subject: "user-1", realm: true, clients: BTreeSet::from(["back-end-api", "other-app"]) };
    assert_eq!(contract.directory(), Some(expected));
    assert_eq!(self::contract(&target, &FOREIGN, &keycloak_claims()).unwrap().directory(), None);
    assert_eq!(mint(&target, &OWN, &keycloak_claims()).unwrap_err().reason, Reason::Internal, "not asked");

    let held = RoleNames {
        realm: BTreeSet::new(),
        clients: BTreeMap::from([("other-app".to_owned(), set(&["approver"])), ("x".to_owned(), set(&["y"]))]),
    };
    let minted = mint(&target, &Asked { directory: Some(&held), ..OWN }, &keycloak_claims()).unwrap();
    let expected = BTreeMap::from([("back-end-api".to_owned(), set(&["reader"]))]);
    assert_eq!(minted.roles.clients, expected, "a role that was taken away is gone, whatever the token says");
}

#[test]
fn a_binding_is_kept() {
    let mut claims = keycloak_claims();
    claims.insert("cnf".to_owned(), json!({"jkt": "k"}));
    for profile in [Profile::Keycloak, Profile::Rfc9068] {
        let mut target = minting();
        target.token.profile = profile;
        assert_eq!(contract(&target, &OWN, &claims).unwrap().token_type(), "DPoP");
        assert_eq!(mint(&target, &OWN, &claims).unwrap().claims["cnf"], json!({"jkt": "k"}));
    }
}

#[test]
fn a_template_that_fails_refuses() {
    let mut target = minting();
    target.token.set = BTreeMap::from([("tenant".to_owned(), Expression::compile("claims.missing").unwrap())]);
    let refusal = mint(&target, &OWN, &keycloak_claims()).unwrap_err();
    assert_eq!(refusal.reason, Reason::ClaimTemplateFailed);
    assert!(refusal.detail.contains("token.set.tenant"), "{}", refusal.detail);
}
