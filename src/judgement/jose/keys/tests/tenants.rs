//! Keys that are published for one tenant (the member `issuer` of Microsoft's JWKs).

use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::judgement::jose::issuer_claims::{IssuerClaims, Tenant};
use crate::judgement::jose::tests::now;
use crate::judgement::jose::verify::{Expectations, TokenError, peek};

const PATTERN: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

#[test]
fn a_key_for_one_tenant_signs_for_no_other() {
    let key = SigningKey::from_pem(generate(KeyKind::P256).unwrap().expose().as_bytes()).unwrap();
    let tenants = ["t-1", "t-2"].map(|id| Tenant::of(PATTERN, id));
    let claims = json!({"iss": tenants[0].iss, "sub": "u", "tid": "t-1", "exp": now().as_second() + 60});
    let token = key.sign(claims.as_object().unwrap(), "JWT").unwrap();
    let of_tenants = IssuerClaims { tenants: tenants.to_vec(), ..IssuerClaims::default() };
    let expect =
        Expectations { issuer: &tenants[0].iss, algorithms: &[Algorithm::ES256], leeway: SignedDuration::ZERO };
    let said = |issuer: Value| with(key.jwk(), "issuer", issuer);
    let (v2, v1) = (|id: &str| json!(PATTERN.replace("{tenantid}", id)), json!("https://sts.windows.net/t-1/"));
    for (name, set, signs) in [
        ("nothing said", vec![key.jwk().clone()], true),
        ("null", vec![said(json!(null))], true),
        ("all tenants", vec![said(json!(PATTERN))], true),
        ("this tenant", vec![said(v2("t-1"))], true),
        ("this tenant, for version 1", vec![said(v1)], true),
        ("another tenant", vec![said(v2("t-2"))], false),
        ("a tenant with a longer id", vec![said(v2("t-11"))], false),
        ("no text", vec![said(json!(["t-1"]))], false),
        ("no tenant", vec![said(json!("https://login.microsoftonline.com/"))], false),
        ("an entry for each of two tenants", vec![said(v2("t-2")), said(v2("t-1"))], true),
        ("an entry for another tenant, and one that says nothing", vec![said(v2("t-2")), key.jwk().clone()], true),
    ] {
        let keys = parse(&set).unwrap();
        let verified = peek(&token).unwrap().of_issuer(&of_tenants).verify(&keys, &expect, now());
        assert_eq!(verified.map(|_| ()), if signs { Ok(()) } else { Err(TokenError::KeyUnknown) }, "{name}");
        // An issuer without tenants has one `iss`, and its keys are its own.
        let verified = peek(&token).unwrap().of_issuer(&IssuerClaims::default()).verify(&keys, &expect, now());
        assert!(verified.is_ok(), "{name}");
    }
}
