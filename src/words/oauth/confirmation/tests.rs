use serde_json::json;

use super::*;

const ONE: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
const OTHER: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

fn claims(cnf: &Value) -> Map<String, Value> {
    Map::from_iter([("cnf".to_owned(), cnf.clone())])
}

#[test]
fn a_binding_that_is_not_understood_is_none_that_is_met() {
    for (name, cnf, understood) in [
        ("a key", json!({"jkt": ONE}), true),
        ("a certificate", json!({"x5t#S256": ONE}), true),
        ("both", json!({"jkt": ONE, "x5t#S256": OTHER}), true),
        ("empty", json!({}), false),
        ("Keycloak's note alone", json!({"kc-jkt-type": "DPoP"}), false),
        ("Keycloak's note of another kind", json!({"jkt": ONE, "kc-jkt-type": "x"}), false),
        ("null", Value::Null, false),
        ("a text", json!(ONE), false),
        ("a list", json!([{"jkt": ONE}]), false),
        ("jwk", json!({"jwk": {"kty": "EC"}}), false),
        ("kid", json!({"kid": "x"}), false),
        ("jku", json!({"jku": "https://a"}), false),
        ("a key and more", json!({"jkt": ONE, "kid": "x"}), false),
        ("jkt null", json!({"jkt": null}), false),
        ("jkt empty", json!({"jkt": ""}), false),
        ("jkt no thumbprint", json!({"jkt": "AAAA"}), false),
        ("jkt with padding", json!({"jkt": format!("{ONE}=")}), false),
        ("jkt a list", json!({"jkt": [ONE]}), false),
        ("x5t of SHA-1", json!({"x5t": ONE}), false),
        ("another case", json!({"JKT": ONE}), false),
    ] {
        let read = Binding::read(&claims(&cnf));
        match read {
            Ok(binding) => assert_eq!(binding.claim(), understood.then_some(cnf), "{name}"),
            Err(refusal) => {
                assert!(!understood, "{name}: {}", refusal.detail);
                assert_eq!(refusal.reason, Reason::SubjectTokenBound, "{name}");
            }
        }
    }
    assert_eq!(Binding::read(&Map::new()), Ok(Binding::default()));
    let keycloaks = claims(&json!({"jkt": ONE, "kc-jkt-type": "DPoP"}));
    assert_eq!(Binding::read(&keycloaks), Binding::read(&claims(&json!({"jkt": ONE}))));
}

#[test]
fn who_proves_what() {
    let (key, certificate) = (json!({"jkt": ONE}), json!({"x5t#S256": ONE}));
    let both = json!({"jkt": ONE, "x5t#S256": OTHER});
    for (name, cnf, jkt, certificate_thumbprint, proved) in [
        ("the key", &key, Some(ONE), None, true),
        ("another key", &key, Some(OTHER), None, false),
        ("no proof", &key, None, None, false),
        ("a certificate for a key", &key, None, Some(ONE), false),
        ("the certificate", &certificate, None, Some(ONE), true),
        ("another certificate", &certificate, None, Some(OTHER), false),
        ("no certificate", &certificate, None, None, false),
        ("a key for a certificate", &certificate, Some(ONE), None, false),
        ("both", &both, Some(ONE), Some(OTHER), true),
        ("both, crossed", &both, Some(OTHER), Some(ONE), false),
        ("of both, the key", &both, Some(ONE), None, false),
        ("of both, the certificate", &both, None, Some(OTHER), false),
    ] {
        let evidence = Evidence { jkt, certificate_thumbprint };
        let binding = Binding::read(&claims(cnf)).unwrap();
        let found = binding.proved_by(evidence).map_err(|refusal| refusal.reason);
        assert_eq!(found, if proved { Ok(()) } else { Err(Reason::SubjectTokenBound) }, "{name}");
    }
    let evidence = Evidence { jkt: None, certificate_thumbprint: None };
    assert_eq!(Binding::default().proved_by(evidence), Ok(()));
}

#[test]
fn a_binding_only_ever_grows() {
    for (name, cnf, jkt, expected) in [
        ("none", None, None, None),
        ("none, and a proof", None, Some(ONE), Some(json!({"jkt": ONE}))),
        ("a key and its proof", Some(json!({"jkt": ONE})), Some(ONE), Some(json!({"jkt": ONE}))),
        ("a certificate", Some(json!({"x5t#S256": OTHER})), None, Some(json!({"x5t#S256": OTHER}))),
        (
            "a certificate, and a proof",
            Some(json!({"x5t#S256": OTHER})),
            Some(ONE),
            Some(json!({"jkt": ONE, "x5t#S256": OTHER})),
        ),
    ] {
        let binding = cnf.map_or_else(Binding::default, |cnf| Binding::read(&claims(&cnf)).unwrap());
        // A certificate that nothing asks for binds nothing: it may be there for another reason.
        let evidence = Evidence { jkt, certificate_thumbprint: Some(OTHER) };
        assert_eq!(binding.strengthened(evidence).claim(), expected, "{name}");
    }
}
