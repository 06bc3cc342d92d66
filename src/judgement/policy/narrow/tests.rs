use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use super::*;
use crate::judgement::policy::model::Issuance;
use crate::judgement::policy::roles::terms::RoleTerms;
use crate::judgement::policy::samples::{
    NOW, audience, contract, issued, keycloak_claims, listed, now, object, permission, set,
};

#[test]
fn keycloaks_default_roles_do_not_survive() {
    let narrowed = contract(audience("back-end-api", vec![permission()])).narrow(&issued(&keycloak_claims()), now());
    let narrowed = narrowed.unwrap();
    assert_eq!(
        Value::Object(narrowed.claims),
        json!({
            "exp": NOW + 300, "iat": NOW, "jti": "onrtte:1", "iss": crate::judgement::policy::samples::ISSUER,
            "aud": "back-end-api", "sub": "user-1", "typ": "Bearer", "azp": "front-end-app", "sid": "s", "acr": "1",
            "allowed-origins": ["https://app.example.org"],
            "resource_access": {"back-end-api": {"roles": ["backend_user"]}},
            "scope": "email profile", "email_verified": true, "email": "u@example.org", "name": "U",
            "preferred_username": "u", "department": "IT"
        })
    );
    assert_eq!(narrowed.dropped, ["custom", "realm_access"]);
}

#[test]
fn claims_follow_the_scope() {
    let base = contract(audience("back-end-api", vec![permission()]));
    let scope = |text: &str| Some(Scope::parse(text).unwrap());
    for (name, requested, permitted, listed_claims, expected, personal) in [
        (
            "nothing asked: all that is permitted",
            None,
            listed(&["email", "profile"]),
            listed(&[]),
            "email profile",
            &["email", "email_verified", "name", "preferred_username"][..],
        ),
        (
            "what was asked",
            scope("email"),
            listed(&["email", "profile"]),
            listed(&[]),
            "email",
            &["email", "email_verified"],
        ),
        ("what is permitted", None, listed(&["email"]), listed(&[]), "email", &["email", "email_verified"]),
        ("asked but not granted", scope("email phone"), Names::Any, listed(&[]), "email", &["email", "email_verified"]),
        (
            "a claim of a dropped scope, listed",
            None,
            listed(&[]),
            listed(&["preferred_username"]),
            "",
            &["preferred_username"],
        ),
        ("* lists no claim of a dropped scope", None, listed(&[]), Names::Any, "", &["custom", "department"]),
    ] {
        let contract = Contract {
            scope_requested: requested,
            scope_permitted: permitted.into(),
            claims: listed_claims,
            ..base.clone()
        };
        let narrowed = contract.narrow(&issued(&keycloak_claims()), now()).unwrap();
        assert_eq!(narrowed.scope.to_string(), expected, "{name}");
        assert_eq!(narrowed.claims.contains_key("scope"), !expected.is_empty(), "{name}");
        let all = ["custom", "department", "email", "email_verified", "name", "preferred_username"];
        let kept: Vec<_> = all.into_iter().filter(|claim| narrowed.claims.contains_key(*claim)).collect();
        assert_eq!(kept, personal, "{name}");
    }
}

#[test]
fn the_expiry_is_the_earliest_of_all() {
    let base = contract(audience("back-end-api", vec![permission()]));
    let at = |seconds: i64| Some(Timestamp::from_second(NOW + seconds).unwrap());
    for (name, lifetime, by, now, expected) in [
        ("the provider's", 3600, None, 0, Some(300)),
        ("the contract's", 60, None, 0, Some(60)),
        ("the subject token's", 3600, at(30), 0, Some(30)),
        ("already over", 60, None, 60, None),
        ("the subject token is over", 3600, at(-1), 0, None),
    ] {
        let contract = Contract { lifetime: SignedDuration::from_secs(lifetime), expires_by: by, ..base.clone() };
        let narrowed = contract.narrow(&issued(&keycloak_claims()), Timestamp::from_second(NOW + now).unwrap());
        let reason = if by.is_some() { Reason::SubjectTokenExpired } else { Reason::AnswerLifetime };
        let expires = narrowed.map(|narrowed| narrowed.expires - NOW).map_err(|refusal| refusal.reason);
        assert_eq!(expires, expected.ok_or(reason), "{name}");
    }
}

#[test]
fn narrowing_never_widens() {
    let contract = contract(audience("back-end-api", vec![permission()]));
    for (name, claim, value, expected) in [
        ("an audience that was not granted", "aud", json!("account"), Reason::AnswerAudience),
        ("another subject", "sub", json!("user-2"), Reason::AnswerSubject),
        ("another client", "azp", json!("other"), Reason::AnswerAudience),
        ("another kind", "typ", json!("ID"), Reason::AnswerTokenType),
        ("a delegation", "act", json!({"sub": "x"}), Reason::AnswerSubject),
        ("roles that can't be read", "resource_access", json!([]), Reason::AnswerRoles),
    ] {
        let mut claims = keycloak_claims();
        claims.insert(claim.to_owned(), value);
        assert_eq!(contract.narrow(&issued(&claims), now()).unwrap_err().reason, expected, "{name}");
    }
    let mut claims = keycloak_claims();
    claims.insert("aud".to_owned(), json!(["account", "back-end-api"]));
    assert_eq!(contract.narrow(&issued(&claims), now()).unwrap().claims["aud"], json!("back-end-api"));
}

#[test]
fn an_id_token_has_no_roles() {
    let mut contract = contract(audience("back-end-api", vec![permission()]));
    contract.requested = TokenType::IdToken;
    contract.roles[0].given = set(&["reader"]);
    let mut claims = keycloak_claims();
    claims.extend(object(json!({"typ": "ID", "aud": ["front-end-app", "x"], "at_hash": "h"})));
    claims.remove("scope");
    let answer = Issued {
        issued_token_type: Some(TokenType::IdToken.urn()),
        token_type: Some("N_A"),
        scope: Some("openid email"),
        ..issued(&claims)
    };
    let narrowed = contract.narrow(&answer, now()).unwrap();
    assert_eq!(narrowed.claims["aud"], json!("front-end-app"));
    assert_eq!(narrowed.scope.to_string(), "email");
    assert_eq!(narrowed.roles, RoleNames::default());
    assert_eq!(
        narrowed.dropped,
        ["at_hash", "custom", "name", "preferred_username", "realm_access", "resource_access"]
    );
}

const ROLES: [&str; 4] = ["a", "b", "c", "d"];
const SCOPES: [&str; 4] = ["email", "profile", "phone", "x"];

fn some_roles() -> impl Strategy<Value = BTreeSet<String>> {
    subsequence(ROLES.to_vec(), 0..=4).prop_map(|roles| set(&roles))
}

fn some_map() -> impl Strategy<Value = BTreeMap<String, BTreeSet<String>>> {
    proptest::collection::btree_map(select(ROLES.to_vec()).prop_map(str::to_owned), some_roles(), 0..3)
}

prop_compose! {
    fn some_contract()(
        own: bool,
        renamed in some_map(),
        from_realm in some_map(),
        given in some_roles(),
        realm_roles in some_roles(),
        permitted in subsequence(SCOPES.to_vec(), 0..=4),
        requested in proptest::option::of(subsequence(SCOPES.to_vec(), 0..=4)),
        lifetime in 1..400i64,
        by in proptest::option::of(1..400i64),
        any_claim: bool,
    ) -> Contract {
        let base = contract(audience("back-end-api", vec![permission()]));
        Contract {
            roles: vec![RoleTerms {
                audience: "back-end-api".to_owned(),
                own,
                renamed,
                from_realm,
                given,
                ..RoleTerms::default()
            }],
            realm_roles,
            scope_permitted: listed(&permitted).into(),
            scope_requested: requested.map(|tokens| tokens.into_iter().map(str::to_owned).collect()),
            lifetime: SignedDuration::from_secs(lifetime),
            expires_by: by.map(|seconds| Timestamp::from_second(NOW + seconds).unwrap()),
            claims: if any_claim { Names::Any } else { base.claims.clone() },
            issuance: Issuance::Reissue,
            ..base
        }
    }
}

prop_compose! {
    fn some_claims()(
        realm in some_roles(),
        own in some_roles(),
        others in some_roles(),
        scope in subsequence(SCOPES.to_vec(), 0..=4),
        lifetime in 1..400i64,
        account: bool,
    ) -> Map<String, Value> {
        let mut claims = keycloak_claims();
        let audience = if account { json!(["account", "back-end-api"]) } else { json!("back-end-api") };
        claims.extend(object(json!({
            "realm_access": {"roles": realm}, "aud": audience, "scope": scope.join(" "), "exp": NOW + lifetime,
            "resource_access": {"back-end-api": {"roles": own}, "account": {"roles": others}}
        })));
        claims
    }
}

#[test]
fn a_token_is_bound_where_the_identity_provider_did_not() {
    let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let (key, noted) = (json!({"jkt": jkt}), json!({"jkt": jkt, "kc-jkt-type": "DPoP"}));
    let certificate = json!({"x5t#S256": jkt});
    let other = Err(Reason::AnswerBinding);
    for (name, binding, cnf, expected) in [
        ("nothing asked", None, None, Ok((None, "Bearer"))),
        ("nothing asked, bound all the same", None, Some(&certificate), Ok((Some(&certificate), "Bearer"))),
        ("a key", Some(&key), None, Ok((Some(&key), "DPoP"))),
        ("a key, bound already", Some(&key), Some(&noted), Ok((Some(&noted), "DPoP"))),
        ("a key, bound to another", Some(&key), Some(&certificate), other),
        ("a certificate", Some(&certificate), None, Ok((Some(&certificate), "Bearer"))),
        ("a certificate, bound to a key", Some(&certificate), Some(&key), other),
    ] {
        let mut contract = contract(audience("back-end-api", vec![permission()]));
        contract.binding = binding.cloned();
        let mut claims = keycloak_claims();
        claims.extend(cnf.map(|cnf| ("cnf".to_owned(), cnf.clone())));
        let token_type = if cnf.is_some_and(|cnf| cnf.get("jkt").is_some()) { "DPoP" } else { "Bearer" };
        let found = contract.narrow(&Issued { token_type: Some(token_type), ..issued(&claims) }, now());
        match (found, expected) {
            (Ok(narrowed), Ok((cnf, typ))) => {
                assert_eq!(narrowed.claims.get("cnf"), cnf, "{name}");
                assert_eq!(narrowed.claims["typ"], typ, "{name}");
            }
            (Err(refusal), Err(reason)) => assert_eq!(refusal.reason, reason, "{name}"),
            (found, expected) => panic!("{name}: {found:?} for {expected:?}"),
        }
    }
}

fn again<'a>(narrowed: &'a Narrowed, scope: &'a str) -> Issued<'a> {
    Issued { scope: Some(scope), ..issued(&narrowed.claims) }
}

proptest! {
    #[test]
    fn what_is_narrowed_meets_the_contract_and_stays_within_both_sides(contract in some_contract(), claims in some_claims()) {
        let before = RoleNames::read(&claims).unwrap();
        let narrowed = contract.narrow(&issued(&claims), now()).unwrap();
        let scope = narrowed.scope.to_string();
        prop_assert_eq!(contract.check(&again(&narrowed, &scope)), Ok(()));
        let granted_before = Scope::parse(claims["scope"].as_str().unwrap()).unwrap();
        prop_assert!(narrowed.scope.is_subset(&granted_before));
        prop_assert!(narrowed.scope.iter().all(|token| contract.scope_permitted.contains(token)));
        prop_assert!(contract.scope_requested.as_ref().is_none_or(|asked| narrowed.scope.is_subset(asked)));
        prop_assert!(narrowed.roles.realm.is_subset(&contract.realm_roles));
        prop_assert!(narrowed.roles.realm.is_subset(&before.realm));
        let terms = &contract.roles[0];
        for (client, roles) in &narrowed.roles.clients {
            prop_assert_eq!(client, "back-end-api");
            for role in roles {
                let named = terms.given.contains(role)
                    || terms.renamed.values().chain(terms.from_realm.values()).any(|to| to.contains(role));
                let owned = terms.own && before.clients.get(client).is_some_and(|own| own.contains(role));
                prop_assert!(named || owned, "{}", role);
            }
        }
    }

    /// A mapping is applied once, to what was issued; without one, narrowing what is narrow changes nothing.
    #[test]
    fn narrowing_twice_is_narrowing_once(contract in some_contract(), claims in some_claims()) {
        let mut contract = contract;
        contract.roles[0].renamed.clear();
        contract.roles[0].from_realm.clear();
        let once = contract.narrow(&issued(&claims), now()).unwrap();
        let scope = once.scope.to_string();
        let twice = contract.narrow(&again(&once, &scope), now()).unwrap();
        prop_assert_eq!(&twice.claims, &once.claims);
        prop_assert_eq!(twice.scope, once.scope);
        prop_assert_eq!(twice.dropped, Vec::<String>::new());
    }
}
