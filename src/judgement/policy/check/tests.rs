mod shapes;

use serde_json::json;

use super::*;
use crate::judgement::policy::model::Issuance;
use crate::judgement::policy::model::{Audience, RoleMapping, RoleSource};
use crate::judgement::policy::samples::{
    ISSUER, NOW, audience, contract, issued, keycloak_claims, listed, now, permission, set,
};

fn forwarding() -> Audience {
    let mut target = audience("back-end-api", vec![permission()]);
    target.issuance = Issuance::Forward;
    target.roles.realm = set(&["default-roles-corp", "offline_access", "uma_authorization"]);
    target.token.claims = listed(&["custom", "department"]);
    target
}

fn check_with(target: Audience, change: &[(&str, Value)]) -> Result<(), Refusal> {
    let mut claims = keycloak_claims();
    for (name, value) in change {
        match value {
            Value::Null => claims.remove(*name),
            value => claims.insert((*name).to_owned(), value.clone()),
        };
    }
    contract(target).check(&issued(&claims))
}

#[test]
fn every_reason_of_the_answer() {
    let roles = |roles: Value| json!({"roles": roles});
    for (name, change, expected) in [
        ("as it is", vec![], None),
        ("aud as a list", vec![("aud", json!(["back-end-api"]))], None),
        ("another aud", vec![("aud", json!("account"))], Some(Reason::AnswerAudience)),
        ("an aud more", vec![("aud", json!(["back-end-api", "account"]))], Some(Reason::AnswerAudience)),
        ("no aud", vec![("aud", Value::Null)], Some(Reason::AnswerLightweight)),
        ("an aud that is a number", vec![("aud", json!([1]))], Some(Reason::AnswerAudience)),
        ("another azp", vec![("azp", json!("other"))], Some(Reason::AnswerAudience)),
        ("no azp", vec![("azp", Value::Null)], Some(Reason::AnswerAudience)),
        ("a realm role", vec![("realm_access", roles(json!(["admin"])))], Some(Reason::AnswerRoles)),
        (
            "another client's role",
            vec![("resource_access", json!({"account": {"roles": ["x"]}}))],
            Some(Reason::AnswerRoles),
        ),
        ("roles that can't be read", vec![("realm_access", json!(["admin"]))], Some(Reason::AnswerRoles)),
        ("no roles", vec![("realm_access", Value::Null), ("resource_access", Value::Null)], None),
        ("a scope", vec![("scope", json!("email payments"))], Some(Reason::AnswerScope)),
        ("a scope that is no scope", vec![("scope", json!("email\tprofile"))], Some(Reason::AnswerScope)),
        ("two spaces in a scope", vec![("scope", json!("email  profile"))], None),
        ("a scope that is a list", vec![("scope", json!(["email"]))], Some(Reason::AnswerScope)),
        ("a lifetime", vec![("exp", json!(NOW + 301))], Some(Reason::AnswerLifetime)),
        ("no exp", vec![("exp", Value::Null)], Some(Reason::AnswerLifetime)),
        ("no iat", vec![("iat", Value::Null)], Some(Reason::AnswerLifetime)),
        ("iat before the epoch", vec![("iat", json!(i64::MIN))], Some(Reason::AnswerLifetime)),
        ("an exp that is a text", vec![("exp", json!("1"))], Some(Reason::AnswerLifetime)),
        ("another sub", vec![("sub", json!("user-2"))], Some(Reason::AnswerSubject)),
        ("no sub", vec![("sub", Value::Null)], Some(Reason::AnswerWithoutSub)),
        ("a sub that is a number", vec![("sub", json!(1))], Some(Reason::AnswerSubject)),
        ("another iss", vec![("iss", json!("https://evil.example"))], Some(Reason::AnswerSubject)),
        ("act", vec![("act", json!({"sub": "x"}))], Some(Reason::AnswerSubject)),
        ("may_act, which only takes away", vec![("may_act", json!({"sub": "x"}))], None),
        ("an ID token", vec![("typ", json!("ID"))], Some(Reason::AnswerTokenType)),
        ("a refresh token", vec![("typ", json!("Refresh"))], Some(Reason::AnswerTokenType)),
        ("typ DPoP without a key", vec![("typ", json!("DPoP"))], Some(Reason::AnswerTokenType)),
        ("bound more strongly", vec![("cnf", json!({"x5t#S256": "c"}))], None),
    ] {
        assert_eq!(check_with(forwarding(), &change).err().map(|refusal| refusal.reason), expected, "{name}");
    }
}

#[test]
fn act_and_may_act_are_exactly_those_of_the_contract() {
    let (earlier, other) = (json!({"sub": "a"}), json!({"sub": "b"}));
    let act = json!({"sub": "gateway", "act": earlier});
    let answer = Some(Reason::AnswerSubject);
    for (name, expected_act, expected_may_act, written, narrow, check) in [
        ("nothing", None, None, json!({}), None, None),
        ("an act that nobody asked for", None, None, json!({"act": act}), answer, answer),
        ("no act", Some(&act), None, json!({}), None, answer),
        ("the act", Some(&act), None, json!({"act": act}), None, None),
        ("the earlier one only", Some(&act), None, json!({"act": earlier}), None, answer),
        ("another act", Some(&act), None, json!({"act": other}), answer, answer),
        ("null", Some(&act), None, json!({"act": null}), answer, answer),
        ("no may_act", None, Some(&other), json!({}), None, answer),
        ("the may_act", None, Some(&other), json!({"may_act": other}), None, None),
        ("another may_act", None, Some(&other), json!({"may_act": act}), answer, answer),
        ("a may_act of the identity provider's", None, None, json!({"may_act": other}), None, None),
    ] {
        let contract = Contract {
            act: expected_act.cloned(),
            may_act: expected_may_act.cloned(),
            ..contract(audience("back-end-api", vec![permission()]))
        };
        let mut claims = keycloak_claims();
        claims["realm_access"] = json!({"roles": []});
        claims.extend(written.as_object().unwrap().clone());
        let reason = |refusal: Refusal| refusal.reason;
        assert_eq!(contract.check(&issued(&claims)).err().map(reason), check, "{name}");
        let narrowed = contract.narrow(&issued(&claims), now());
        assert_eq!(narrowed.as_ref().err().map(|refusal| refusal.reason), narrow, "{name}");
        if let Ok(narrowed) = narrowed {
            assert_eq!(contract.check(&issued(&narrowed.claims)), Ok(()), "{name}");
            let may_act = expected_may_act.or(written.get("may_act"));
            assert_eq!(narrowed.claims.get("may_act"), may_act, "{name}: a restriction stays");
        }
    }
}

#[test]
fn a_jwt_is_an_access_token_by_another_name() {
    let mut contract = contract(audience("back-end-api", vec![permission()]));
    contract.requested = TokenType::Jwt;
    let mut claims = keycloak_claims();
    claims.remove("realm_access");
    let answer = issued(&claims);
    assert_eq!((contract.upstream_type(), contract.audience()), (TokenType::AccessToken, set(&["back-end-api"])));
    assert_eq!(contract.check(&answer).unwrap_err().reason, Reason::AnswerTokenType, "the caller is told otherwise");
    assert_eq!(contract.check(&contract.renamed(answer)), Ok(()));
    assert!(contract.narrow(&answer, now()).is_ok());
    let id_token = Issued { issued_token_type: Some(TokenType::IdToken.urn()), ..answer };
    assert_eq!(contract.narrow(&id_token, now()).unwrap_err().reason, Reason::AnswerTokenType);
    assert_eq!(contract.check(&contract.renamed(id_token)).unwrap_err().reason, Reason::AnswerTokenType);
}

#[test]
fn the_role_refusal_names_the_roles_and_the_ways_out() {
    let mut target = forwarding();
    target.roles.realm = set(&["offline_access"]);
    target.roles.own = false;
    let refusal = check_with(target, &[]).unwrap_err();
    assert_eq!(
        refusal.detail,
        "the issued token has realm role default-roles-corp, realm role uma_authorization, role backend_user of \
         back-end-api: use issuance: reissue, or list the role under roles.realm, or trim the client's scope mappings \
         in Keycloak"
    );
}

#[test]
fn a_mapping_gives_no_room_to_a_forwarded_token() {
    let mut target = forwarding();
    target.roles.own = false;
    target.roles.map =
        vec![RoleMapping { from: RoleSource::Own("x".to_owned()), to: "backend_user".to_owned(), issuers: None }];
    assert_eq!(check_with(target, &[]).unwrap_err().reason, Reason::AnswerRoles);
}

#[test]
fn the_answer_around_the_token_counts_too() {
    let claims = keycloak_claims();
    let contract = contract(forwarding());
    let plain = issued(&claims);
    for (name, answer, expected) in [
        ("as it is", plain, None),
        ("no scope member", Issued { scope: None, ..plain }, None),
        ("bearer in lower case", Issued { token_type: Some("bearer"), ..plain }, None),
        ("no issued_token_type", Issued { issued_token_type: None, ..plain }, Some(Reason::AnswerTokenType)),
        (
            "another type",
            Issued { issued_token_type: Some(TokenType::Jwt.urn()), ..plain },
            Some(Reason::AnswerTokenType),
        ),
        ("N_A for an access token", Issued { token_type: Some("N_A"), ..plain }, Some(Reason::AnswerTokenType)),
        ("DPoP without a key", Issued { token_type: Some("DPoP"), ..plain }, Some(Reason::AnswerTokenType)),
        ("a wider scope", Issued { scope: Some("email payments"), ..plain }, Some(Reason::AnswerScope)),
    ] {
        assert_eq!(contract.check(&answer).err().map(|refusal| refusal.reason), expected, "{name}");
    }
}

#[test]
fn bindings_and_the_subjects_expiry() {
    let mut bound = contract(forwarding());
    bound.binding = Some(json!({"jkt": "k"}));
    let claims = keycloak_claims();
    assert_eq!(bound.check(&issued(&claims)).unwrap_err().reason, Reason::AnswerBinding);
    let mut with_key = claims.clone();
    with_key.insert("cnf".to_owned(), json!({"jkt": "k"}));
    assert_eq!(bound.check(&Issued { token_type: Some("DPoP"), ..issued(&with_key) }), Ok(()));
    let bearer = bound.check(&issued(&with_key)).unwrap_err();
    assert_eq!(bearer.reason, Reason::AnswerTokenType, "a bound token is no Bearer token");

    // Keycloak's note beside the key changes nothing; another key, or one confirmation more, is another binding.
    let (one, other) = ("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    bound.binding = Some(json!({"jkt": one}));
    for (name, cnf, expected) in [
        ("with Keycloak's note", json!({"jkt": one, "kc-jkt-type": "DPoP"}), None),
        ("another key", json!({"jkt": other}), Some(Reason::AnswerBinding)),
        ("a certificate besides", json!({"jkt": one, "x5t#S256": other}), Some(Reason::AnswerBinding)),
        ("something unknown besides", json!({"jkt": one, "kid": "x"}), Some(Reason::AnswerBinding)),
    ] {
        with_key.insert("cnf".to_owned(), cnf);
        let found = bound.check(&Issued { token_type: Some("DPoP"), ..issued(&with_key) });
        assert_eq!(found.err().map(|refusal| refusal.reason), expected, "{name}");
    }

    let mut target = forwarding();
    target.token.within_subject = true;
    assert_eq!(check_with(target, &[]).unwrap_err().reason, Reason::AnswerLifetime);
}

#[test]
fn an_id_token_is_for_the_client() {
    let mut contract = contract(forwarding());
    contract.requested = TokenType::IdToken;
    let mut claims = keycloak_claims();
    claims.insert("typ".to_owned(), json!("ID"));
    claims.insert("aud".to_owned(), json!("front-end-app"));
    claims.remove("scope");
    assert_eq!(contract.check(&answer(&claims)), Ok(()));
    claims.insert("aud".to_owned(), json!("back-end-api"));
    assert_eq!(contract.check(&answer(&claims)).unwrap_err().reason, Reason::AnswerAudience);
}

/// Keycloak's answer around an ID token.
fn answer(claims: &Map<String, Value>) -> Issued<'_> {
    let issued_token_type = Some(TokenType::IdToken.urn());
    Issued { issued_token_type, token_type: Some("N_A"), scope: Some("email profile"), ..issued(claims) }
}

#[test]
fn nobody_becomes_the_local_user_who_acts() {
    let translated = |act: Value| Contract {
        subject: None,
        act: Some(act),
        ..contract(audience("back-end-api", vec![permission()]))
    };
    let nested = json!({"sub": "gateway", "iss": ISSUER, "act": {"sub": "local-1", "iss": ISSUER}});
    for (name, act, expected) in [
        ("somebody else", json!({"sub": "gateway", "iss": ISSUER}), Ok(())),
        ("himself", json!({"sub": "local-1", "iss": ISSUER}), Err(Reason::DelegationCycle)),
        ("himself, earlier", nested, Err(Reason::DelegationCycle)),
        ("of no issuer", json!({"sub": "local-1"}), Err(Reason::DelegationCycle)),
        ("of another issuer", json!({"sub": "local-1", "iss": "https://p.example"}), Ok(())),
    ] {
        let about = translated(act).for_local_subject("local-1", ISSUER);
        assert_eq!(about.map(|_| ()).map_err(|refusal| refusal.reason), expected, "{name}");
    }
}

#[test]
fn the_may_act_of_the_audiences_file_counts_whatever_the_identity_provider_writes() {
    let (said, other) = (json!({"client_id": "a"}), json!({"client_id": "b"}));
    for (name, may_act, written) in [
        ("another", Some(&said), Some(&other)),
        ("none", Some(&said), None),
        ("nobody may act", None, Some(&other)),
        ("nobody may act, and none", None, None),
    ] {
        let contract = Contract {
            may_act: may_act.cloned(),
            may_act_source: MayActSource::AudienceFile,
            ..contract(audience("back-end-api", vec![permission()]))
        };
        let mut claims = keycloak_claims();
        claims.extend(written.map(|written| ("may_act".to_owned(), written.clone())));
        let narrowed = contract.narrow(&issued(&claims), now()).unwrap();
        assert_eq!(narrowed.claims.get("may_act"), may_act, "{name}");
        assert_eq!(contract.check(&issued(&narrowed.claims)), Ok(()), "{name}");
        let mut changed = narrowed.claims.clone();
        changed.insert("may_act".to_owned(), other.clone());
        let refused = contract.check(&issued(&changed)).unwrap_err();
        assert_eq!(refused.reason, Reason::AnswerSubject, "{name}: the last lock");
    }
}
