mod customs;
mod delegated;
mod expressions;
mod impersonated;
mod keycloak_26_8;
mod scopes;
mod ways;

use serde_json::json;

use super::*;
use crate::judgement::expression::{Expression, Other};
use crate::judgement::policy::model::{Issuance, Permission, RoleMapping, RoleSource};
use crate::judgement::policy::permissions::Permissions;
use crate::judgement::policy::samples::{audience, listed, now, object, permission, policy, request, set};
use crate::judgement::policy::scopes::Scopes;

fn cel(source: &str) -> Expression {
    Expression::compile(source).unwrap()
}

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The reason, or allowed, for front-end-app's request with a scope.
fn judge(permissions: Vec<Permission>, asked: &str) -> Result<Decision, Refusal> {
    let (claims, audiences, asked) =
        (object(json!({"acr": "1", "scope": "openid email"})), names(&["back-end-api"]), scope(asked));
    let request = ExchangeRequest { scope: WantedScope::Exactly(&asked), ..request(&audiences, &claims) };
    decide(&policy([audience("back-end-api", permissions)]), "corp", &request, now())
}

#[test]
fn every_reason_of_policy_and_the_entry_that_is_missing() {
    let yesterday = (now() - SignedDuration::from_hours(24)).to_zoned_datetime(TimeZone::UTC).date();
    let today = now().to_zoned_datetime(TimeZone::UTC).date();
    let other_client = Permission { clients: listed(&["x"]), ..permission() };
    let no_client = Permission { clients: listed(&[]), ..permission() };
    let other_issuer = Permission { issuers: listed(&["partner"]), ..permission() };
    let id_subject = Permission { subject_tokens: BTreeSet::from([TokenType::IdToken]), ..permission() };
    let id_requested = Permission { requested_tokens: BTreeSet::from([TokenType::IdToken]), ..permission() };
    let expired = Permission { expires: Some(yesterday), ..permission() };
    let renew = format!("renew expires of permissions[0], which is {yesterday}");
    let last_day = Permission { expires: Some(today), ..permission() };
    let unmet = Permission { condition: Some(cel("claims.acr == '2'")), ..permission() };
    let failing = Permission { condition: Some(cel("claims.missing == '2'")), ..permission() };
    let met = Permission { condition: Some(cel("claims.acr == '1'")), ..permission() };
    let any = Permission { clients: Names::Any, issuers: Names::Any, scopes: Names::Any, ..permission() };
    let wide_unmet = Permission { scopes: listed(&["email", "payments"]), ..unmet.clone() };
    let refused = |reason: Reason, text: &str| Err((reason, text.to_owned()));
    for (name, permissions, asked, expected) in [
        ("permitted", vec![permission()], "email", Ok(())),
        ("permitted without scope", vec![permission()], "", Ok(())),
        ("permitted by *", vec![any.clone()], "openid", Ok(())),
        ("* is what the subject token has", vec![any], "payments", refused(Reason::ScopeNotPermitted, "payments")),
        ("permitted on the last day", vec![last_day], "email", Ok(())),
        ("permitted by condition", vec![met], "email", Ok(())),
        (
            "no permission",
            vec![],
            "",
            refused(Reason::ClientNotPermitted, "add a permission with clients: [front-end-app]"),
        ),
        (
            "another client",
            vec![other_client.clone()],
            "",
            refused(Reason::ClientNotPermitted, "clients: [front-end-app]"),
        ),
        (
            "an empty list is nobody",
            vec![no_client],
            "",
            refused(Reason::ClientNotPermitted, "clients: [front-end-app]"),
        ),
        (
            "issuer",
            vec![other_client, other_issuer],
            "",
            refused(Reason::IssuerNotPermitted, "add corp to issuers of permissions[1]"),
        ),
        (
            "subject token type",
            vec![id_subject],
            "",
            refused(Reason::SubjectTokenTypeNotPermitted, "add access_token to subjectTokens of permissions[0]"),
        ),
        (
            "requested token type",
            vec![id_requested],
            "",
            refused(Reason::RequestedTokenTypeNotPermitted, "add access_token to requestedTokens of permissions[0]"),
        ),
        ("expired", vec![expired], "", refused(Reason::PermissionExpired, &renew)),
        (
            "scope",
            vec![permission()],
            "email payments",
            refused(Reason::ScopeNotPermitted, "add [payments] to scopes of permissions[0]"),
        ),
        ("condition", vec![unmet.clone()], "email", refused(Reason::ConditionNotMet, "claims.acr == '2'")),
        ("condition fails", vec![failing.clone()], "email", refused(Reason::ConditionFailed, "there is no missing")),
        (
            "an unmet condition says more than a failing one",
            vec![failing.clone(), unmet.clone()],
            "email",
            refused(Reason::ConditionNotMet, "permissions[1]"),
        ),
        ("scope before condition", vec![unmet], "payments", refused(Reason::ScopeNotPermitted, "payments")),
        (
            "a condition is all that is between",
            vec![permission(), wide_unmet],
            "payments",
            refused(Reason::ConditionNotMet, "permissions[1]"),
        ),
        ("a failing condition harms no other permission", vec![failing, permission()], "email", Ok(())),
    ] {
        match (judge(permissions, asked), expected) {
            (Ok(_), Ok(())) => {}
            (Err(refusal), Err((reason, text))) => {
                assert_eq!(refusal.reason, reason, "{name}: {}", refusal.detail);
                assert!(refusal.detail.contains(&text), "{name}: {}", refusal.detail);
                assert!(refusal.detail.starts_with("audiences file of back-end-api (owner payments-team): "), "{name}");
            }
            (judged, _) => panic!("{name}: {judged:?}"),
        }
    }
}

#[test]
fn permissions_add_up() {
    let email = Permission { scopes: listed(&["email"]), ..permission() };
    let profile = Permission { scopes: listed(&["profile"]), ..permission() };
    let decision = judge(vec![email, profile], "email profile").unwrap();
    assert_eq!(decision.contract.scope_permitted, Scopes::from(listed(&["email", "profile"])));
    assert_eq!(decision.permissions, [("back-end-api".to_owned(), 1), ("back-end-api".to_owned(), 2)]);
}

#[test]
fn audiences_and_resources_are_found_or_refused() {
    let claims = object(json!({}));
    let policy = policy([audience("a", vec![permission()]), audience("b", vec![permission()])]);
    for (name, realm, audiences, resources, expected) in [
        ("one", "corp", &["a"][..], &[][..], Ok(&["a"][..])),
        ("one twice", "corp", &["b", "b"], &[], Ok(&["b"])),
        ("a resource", "corp", &[], &["https://a.example.org"], Ok(&["a"])),
        ("a resource of the same audience", "corp", &["a"], &["https://a.example.org"], Ok(&["a"])),
        ("both", "corp", &["b"], &["https://a.example.org"], Ok(&["b", "a"])),
        ("none", "corp", &[], &[], Err(Reason::AudienceMissing)),
        ("unknown", "corp", &["a", "c"], &[], Err(Reason::AudienceUnknown)),
        ("another realm's", "partner", &["a"], &[], Err(Reason::AudienceUnknown)),
        ("an unknown resource", "corp", &["a"], &["https://c.example.org"], Err(Reason::ResourceUnknown)),
        ("a resource is not a prefix", "corp", &[], &["https://a.example.org/"], Err(Reason::ResourceUnknown)),
    ] {
        let (audiences, resources) = (names(audiences), names(resources));
        let request = ExchangeRequest { resources: &resources, ..request(&audiences, &claims) };
        let decided = decide(&policy, realm, &request, now()).map(|d| d.audiences).map_err(|refusal| refusal.reason);
        assert_eq!(decided, expected.map(names), "{name}");
    }
}

#[test]
fn several_audiences_all_agree_and_the_contract_suits_each() {
    let (claims, binding) = (object(json!({})), json!({"jkt": "k"}));
    let mut a = audience("a", vec![Permission { scopes: listed(&["email", "x"]), ..permission() }]);
    a.roles.realm = set(&["auditor", "staff"]);
    a.token.claims = Names::Any;
    a.issuance = Issuance::Forward;
    let mut b = audience("b", vec![permission()]);
    b.roles.realm = set(&["auditor"]);
    b.token.lifetime = SignedDuration::from_secs(60);
    b.token.within_subject = true;
    let audiences = names(&["a", "b"]);
    let request = ExchangeRequest { binding: Some(&binding), ..request(&audiences, &claims) };
    let contract = decide(&policy([a.clone(), b.clone()]), "corp", &request, now()).unwrap().contract;
    assert_eq!(contract.audiences, set(&["a", "b"]));
    assert_eq!(contract.realm_roles, set(&["auditor"]));
    assert_eq!(contract.scope_permitted, Scopes::from(listed(&["email"])));
    assert_eq!(contract.claims, listed(&["department"]));
    assert_eq!(contract.lifetime, SignedDuration::from_secs(60));
    assert_eq!(contract.expires_by, Some(request.subject_expires));
    assert_eq!(contract.issuance, Issuance::Reissue);
    assert_eq!(contract.binding, Some(binding.clone()));
    assert_eq!(contract.roles.iter().map(|terms| terms.audience.as_str()).collect::<Vec<_>>(), ["a", "b"]);

    b.permissions = Permissions::default();
    let refusal = decide(&policy([a, b]), "corp", &request, now()).unwrap_err();
    assert_eq!(refusal.reason, Reason::ClientNotPermitted);
    assert!(refusal.detail.starts_with("audiences file of b "), "{}", refusal.detail);
}

#[test]
fn role_expressions_are_decided_with_the_request() {
    let claims = object(json!({"groups": ["staff"]}));
    let audiences = names(&["back-end-api"]);
    let judged = |source: &str, issuance: Issuance| {
        let mut target = audience("back-end-api", vec![permission()]);
        let from = RoleSource::When(cel(source));
        target.roles.map = vec![RoleMapping { from, to: "reader".to_owned(), issuers: None }];
        target.issuance = issuance;
        decide(&policy([target]), "corp", &request(&audiences, &claims), now())
            .map(|decision| decision.contract.roles.into_iter().flat_map(|terms| terms.given).collect::<Vec<_>>())
            .map_err(|refusal| refusal.reason)
    };
    assert_eq!(judged("'staff' in claims.groups", Issuance::Reissue), Ok(names(&["reader"])));
    assert_eq!(judged("'ops' in claims.groups", Issuance::Reissue), Ok(vec![]));
    assert_eq!(judged("claims.missing == 1", Issuance::Reissue), Err(Reason::RoleMappingFailed));
    assert_eq!(judged("claims.groups", Issuance::Reissue), Err(Reason::RoleMappingFailed));
    assert_eq!(judged("'staff' in claims.groups", Issuance::Forward), Ok(vec![]), "what is forwarded can't be mapped");
}

#[test]
fn a_star_gives_an_id_token_no_scope() {
    let (claims, audiences, asked) = (object(json!({"typ": "ID"})), names(&["back-end-api"]), scope("payments"));
    let kinds = BTreeSet::from([TokenType::AccessToken, TokenType::IdToken, TokenType::Jwt]);
    let any = Permission { scopes: Names::Any, subject_tokens: kinds, ..permission() };
    let policy = policy([Audience { issuance: Issuance::Mint, ..audience("back-end-api", vec![any]) }]);
    for subject_token in [TokenType::IdToken, TokenType::Jwt] {
        let request =
            ExchangeRequest { subject_token, scope: WantedScope::Exactly(&asked), ..request(&audiences, &claims) };
        let refusal = decide(&policy, "corp", &request, now()).unwrap_err();
        assert_eq!(refusal.reason, Reason::ScopeNotPermitted, "{subject_token:?}");
        let plain = ExchangeRequest { scope: WantedScope::Any, ..request };
        assert!(decide(&policy, "corp", &plain, now()).is_ok(), "{subject_token:?}: without a scope");
    }
}
