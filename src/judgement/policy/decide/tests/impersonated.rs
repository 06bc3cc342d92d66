//! Who may become whom.

use serde_json::json;

use super::*;
use crate::judgement::policy::model::{Impersonation, Profile};
use crate::judgement::policy::request::Impersonated;

fn supporting() -> Permission {
    Permission {
        impersonation: Some(Box::new(Impersonation {
            who: cel("'support' in claims.groups"),
            whom: Expression::compile_about("requested.username.startsWith('customer-')", &[Other::Requested]).unwrap(),
        })),
        issuance: Some(Issuance::Mint),
        ..permission()
    }
}

fn target(permissions: Vec<Permission>) -> Audience {
    let mut target = audience("back-end-api", permissions);
    target.roles.directory = true;
    target
}

#[test]
fn every_reason_of_impersonation() {
    let customer = object(json!({"sub": "user-2", "username": "customer-7"}));
    let colleague = object(json!({"sub": "user-2", "username": "boss"}));
    let nobody = object(json!({"sub": "user-2"}));
    let (support, other) = (json!({"groups": ["support"]}), json!({"groups": []}));
    let by_token = audience("back-end-api", vec![supporting()]);
    let by_reissue = target(vec![Permission { issuance: Some(Issuance::Reissue), ..supporting() }]);
    let foreign = Permission { issuers: Names::Any, ..supporting() };
    let no = Reason::ImpersonationNotPermitted;
    for (name, target, claims, requested, expected) in [
        ("permitted", target(vec![supporting()]), &support, Some((&customer, false)), Ok(true)),
        ("not he", target(vec![supporting()]), &other, Some((&customer, false)), Err(no)),
        ("not whom", target(vec![supporting()]), &support, Some((&colleague, false)), Err(no)),
        (
            "who is unknown",
            target(vec![supporting()]),
            &json!({}),
            Some((&customer, false)),
            Err(Reason::ConditionFailed),
        ),
        ("whom is unknown", target(vec![supporting()]), &support, Some((&nobody, false)), Err(Reason::ConditionFailed)),
        (
            "an administrator",
            target(vec![supporting()]),
            &support,
            Some((&customer, true)),
            Err(Reason::ImpersonationProtected),
        ),
        ("not whom, and an administrator", target(vec![supporting()]), &support, Some((&colleague, true)), Err(no)),
        (
            "a permission about no impersonation",
            target(vec![permission()]),
            &support,
            Some((&customer, false)),
            Err(no),
        ),
        ("the roles of the subject token", by_token, &support, Some((&customer, false)), Err(no)),
        ("the identity provider's exchange", by_reissue, &support, Some((&customer, false)), Err(no)),
        (
            "a permission about nothing else",
            target(vec![supporting()]),
            &support,
            None,
            Err(Reason::ClientNotPermitted),
        ),
        ("each for its own", target(vec![supporting(), permission()]), &support, None, Ok(false)),
        (
            "each for its own, impersonating",
            target(vec![permission(), supporting()]),
            &support,
            Some((&customer, false)),
            Ok(true),
        ),
        ("foreign names are no matter", target(vec![foreign]), &support, Some((&customer, false)), Ok(true)),
    ] {
        let (claims, audiences) = (object(claims.clone()), names(&["back-end-api"]));
        let impersonate = requested.map(|(claims, protected)| Impersonated { subject: "user-2", claims, protected });
        let request = ExchangeRequest { impersonate, ..request(&audiences, &claims) };
        let decided = decide(&policy([target.clone()]), "corp", &request, now());
        assert_eq!(
            decided.as_ref().map(|one| one.contract.is_impersonation()).map_err(|refusal| refusal.reason),
            expected,
            "{name}: {decided:?}"
        );
        if let Ok(decision) = decided {
            let subject = if impersonate.is_some() { "user-2" } else { "user-1" };
            assert_eq!(decision.contract.subject.as_deref(), Some(subject), "{name}");
            let asked = decision.contract.directory().map(|question| question.subject);
            assert_eq!(asked, Some(subject), "{name}");
        }
        if let Some(impersonate) = impersonate {
            let foreign =
                ExchangeRequest { provenance: Provenance::Foreign, impersonate: Some(impersonate), ..request };
            assert!(decide(&policy([target]), "corp", &foreign, now()).is_err(), "{name}: a foreign subject");
        }
    }
}

#[test]
fn roles_and_claims_are_about_whom_the_subject_becomes() {
    let mut target = target(vec![supporting()]);
    target.token.profile = Profile::Rfc9068;
    target.token.set = [("tenant".to_owned(), cel("claims.tenant"))].into();
    let when = |source| RoleMapping { from: RoleSource::When(cel(source)), to: "reader".to_owned(), issuers: None };
    target.roles.map = vec![when("claims.tenant == 't'")];
    let claims = object(json!({"groups": ["support"], "tenant": "t", "scope": "email"}));
    let audiences = names(&["back-end-api"]);
    let decided = |tenant: &str| {
        let known = object(json!({"sub": "user-2", "username": "customer-7", "tenant": tenant}));
        let requested = Impersonated { subject: "user-2", claims: &known, protected: false };
        let request = ExchangeRequest { impersonate: Some(requested), ..request(&audiences, &claims) };
        decide(&policy([target.clone()]), "corp", &request, now()).unwrap().contract
    };
    assert_eq!(decided("other").set["tenant"], "other");
    assert_eq!(decided("other").roles[0].given, set(&[]));
    assert_eq!(decided("t").roles[0].given, set(&["reader"]));
}
