use proptest::prelude::*;

use super::*;

fn read(authorization: &[&str], body: &str) -> Result<Credentials, Refusal> {
    let mut headers = HeaderMap::new();
    for value in authorization {
        headers.append(AUTHORIZATION, HeaderValue::try_from(*value).unwrap());
    }
    Credentials::read(&headers, &Form::parse(body.as_bytes()).unwrap(), &Workloads::default())
}

fn base64(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

fn assertion(payload: &str) -> String {
    let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
    format!("client_assertion={token}&client_assertion_type={CLIENT_ASSERTION_JWT}")
}

#[test]
fn reads_each_way_to_authenticate() {
    let jwt = assertion(r#"{"iss":"app","sub":"app","aud":"x"}"#);
    for (name, header, body, expected) in [
        ("basic", Some(base64("app:s3cret")), String::new(), CredentialsMethod::Basic),
        (
            "basic, scheme in another case",
            Some(base64("app:s").replace("Basic", "bAsIc ")),
            String::new(),
            CredentialsMethod::Basic,
        ),
        ("basic, encoded", Some(base64("%61pp:s%3A")), String::new(), CredentialsMethod::Basic),
        ("basic, colon in the secret", Some(base64("app:a:b")), String::new(), CredentialsMethod::Basic),
        ("basic, empty secret", Some(base64("app:")), String::new(), CredentialsMethod::Basic),
        ("basic and the same client_id", Some(base64("app:s")), "client_id=app".into(), CredentialsMethod::Basic),
        ("basic and an empty secret", Some(base64("app:s")), "client_secret=".into(), CredentialsMethod::Basic),
        ("post", None, "client_id=app&client_secret=s".into(), CredentialsMethod::Post),
        ("public", None, "client_id=app".into(), CredentialsMethod::None),
        ("bearer and post", Some("Bearer x".into()), "client_id=app&client_secret=s".into(), CredentialsMethod::Post),
        ("bearer and public", Some("bearer x".into()), "client_id=app".into(), CredentialsMethod::None),
        ("bearer and assertion", Some("Bearer x".into()), jwt.clone(), CredentialsMethod::Assertion),
        ("DPoP and post", Some("DPoP x".into()), "client_id=app&client_secret=s".into(), CredentialsMethod::Post),
        (
            "negotiate and post",
            Some("Negotiate Y=".into()),
            "client_id=app&client_secret=s".into(),
            CredentialsMethod::Post,
        ),
        (
            "a token without a scheme",
            Some("e30.e30.x".into()),
            "client_id=app&client_secret=s".into(),
            CredentialsMethod::Post,
        ),
        ("an empty header", Some(String::new()), "client_id=app&client_secret=s".into(), CredentialsMethod::Post),
        ("a scheme that begins alike", Some("Basic-x y".into()), "client_id=app".into(), CredentialsMethod::None),
        ("empty secret is omitted", None, "client_id=app&client_secret=".into(), CredentialsMethod::None),
        ("assertion", None, jwt.clone(), CredentialsMethod::Assertion),
        ("assertion and the same client_id", None, format!("{jwt}&client_id=app"), CredentialsMethod::Assertion),
    ] {
        let header: Vec<&str> = header.as_deref().into_iter().collect();
        let credentials = read(&header, &body).unwrap();
        assert_eq!((credentials.client_id(), credentials.method()), ("app", expected), "{name}");
    }
}

#[test]
fn refuses_everything_else() {
    use Reason::{ClientMissing, CredentialsAmbiguous, CredentialsMalformed};
    let basic = base64("app:s");
    let jwt = assertion(r#"{"iss":"app","sub":"app"}"#);
    for (name, headers, body, expected) in [
        ("nothing", vec![], String::new(), ClientMissing),
        ("secret without a client", vec![], "client_secret=s".into(), ClientMissing),
        ("two headers", vec![basic.clone(), basic.clone()], String::new(), CredentialsAmbiguous),
        ("basic and post", vec![basic.clone()], "client_id=app&client_secret=s".into(), CredentialsAmbiguous),
        ("basic and assertion", vec![basic.clone()], jwt.clone(), CredentialsAmbiguous),
        ("basic and half an assertion", vec![basic.clone()], "client_assertion=x".into(), CredentialsAmbiguous),
        ("post and assertion", vec![], format!("{jwt}&client_id=app&client_secret=s"), CredentialsAmbiguous),
        ("basic and another client_id", vec![basic.clone()], "client_id=other".into(), CredentialsAmbiguous),
        ("assertion and another client_id", vec![], format!("{jwt}&client_id=other"), CredentialsAmbiguous),
        ("bearer alone", vec!["Bearer x".into()], String::new(), ClientMissing),
        ("negotiate alone", vec!["Negotiate YII=".into()], String::new(), ClientMissing),
        ("bearer and basic", vec!["Bearer x".into(), basic.clone()], String::new(), CredentialsAmbiguous),
        ("two bearers", vec!["Bearer x".into(), "Bearer x".into()], "client_id=app".into(), CredentialsAmbiguous),
        ("basic after a tab", vec![basic.replace(' ', "\t")], "client_id=app".into(), CredentialsMalformed),
        ("basic in a list", vec![format!("Basic,{basic}")], "client_id=app".into(), CredentialsMalformed),
        ("no credentials", vec!["Basic".into()], String::new(), CredentialsMalformed),
        ("no base64", vec!["Basic !!".into()], String::new(), CredentialsMalformed),
        ("no padding", vec!["Basic YTpi Yg".into()], String::new(), CredentialsMalformed),
        ("no colon", vec![base64("app")], String::new(), CredentialsMalformed),
        ("no id", vec![base64(":s")], String::new(), CredentialsMalformed),
        ("bad escape", vec![base64("app:100%")], String::new(), CredentialsMalformed),
        ("Latin-1", vec![format!("Basic {}", STANDARD.encode(b"app:\xe9"))], String::new(), CredentialsMalformed),
        ("raw UTF-8", vec![base64("app:é")], String::new(), CredentialsMalformed),
        ("NUL in the id", vec![base64("app%00x:s")], String::new(), CredentialsMalformed),
        ("NUL in client_id", vec![], "client_id=app%00".into(), CredentialsMalformed),
        ("assertion without a type", vec![], "client_assertion=a.b.c".into(), CredentialsMalformed),
        (
            "type without an assertion",
            vec![],
            format!("client_assertion_type={CLIENT_ASSERTION_JWT}"),
            CredentialsMalformed,
        ),
        ("SAML assertion", vec![], jwt.replace("jwt-bearer", "saml2-bearer"), CredentialsMalformed),
        ("assertion of two parts", vec![], jwt.replace(".c2ln", ""), CredentialsMalformed),
        ("assertion of five parts", vec![], jwt.replace(".c2ln", ".a.b.c2ln"), CredentialsMalformed),
        ("issuer is another", vec![], assertion(r#"{"iss":"a","sub":"app"}"#), CredentialsMalformed),
        ("no issuer", vec![], assertion(r#"{"sub":"app"}"#), CredentialsMalformed),
        ("two subjects", vec![], assertion(r#"{"iss":"app","sub":"a","sub":"app"}"#), CredentialsMalformed),
        ("subject is no text", vec![], assertion(r#"{"iss":1,"sub":1}"#), CredentialsMalformed),
        ("empty subject", vec![], assertion(r#"{"iss":"","sub":""}"#), CredentialsMalformed),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        assert_eq!(read(&headers, &body).unwrap_err().reason, expected, "{name}");
    }
}

#[test]
fn basic_is_written_anew_from_what_was_read() {
    for (name, sent, expected) in [
        ("plain", "app:s3cret", "app:s3cret"),
        ("unencoded characters stay", "app:a!b/c:d", "app:a!b/c:d"),
        ("needlessly encoded", "%61pp:s%33cret", "app:s%33cret"),
        ("secret as it is", "app:a+b/c==", "app:a+b/c=="),
        ("plus is a space", "my+app:x", "my+app:x"),
        ("%20 is a space", "my%20app:x", "my+app:x"),
        ("needed encoding", "a%3Ab:%2B", "a%3Ab:%2B"),
        ("lower case", "a%3ab:x", "a%3Ab:x"),
    ] {
        let credentials = read(&[&base64(sent)], "").unwrap();
        assert_eq!(credentials.authorization().unwrap().to_str().unwrap(), base64(expected), "{name}");
    }
}

#[test]
fn debug_shows_no_proof() {
    let jwt = assertion(r#"{"iss":"app","sub":"app"}"#);
    for (headers, body) in
        [(vec![base64("app:s3cret")], ""), (vec![], "client_id=app&client_secret=s3cret"), (vec![], jwt.as_str())]
    {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let shown = format!("{:?}", read(&headers, body).unwrap());
        assert!(shown.contains("app") && !shown.contains("s3cret") && !shown.contains("e30."), "{shown}");
        assert!(!shown.contains(&STANDARD.encode("app:s3cret")), "{shown}");
    }
}

#[test]
fn an_assertion_of_a_platform_is_sent_with_the_client_that_was_judged() {
    let jwt = assertion(r#"{"iss":"https://k8s","sub":"system:serviceaccount:a:b"}"#);
    for (name, body, expected) in [
        ("named by the caller", format!("{jwt}&client_id=app"), "client_id=app&client_assertion_type="),
        (
            "named by the registry",
            format!("{}&client_id=", assertion(r#"{"iss":"https://k8s","sub":"known"}"#)),
            "client_id=batch&",
        ),
        ("a client's own", assertion(r#"{"iss":"app","sub":"app"}"#), "client_assertion_type="),
        (
            "a JWT-SVID",
            format!("{}&client_id=app", jwt.replace(CLIENT_ASSERTION_JWT, CLIENT_ASSERTION_SPIFFE)),
            "client_id=app&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-spiffe&",
        ),
    ] {
        let form = Form::parse(body.as_bytes()).unwrap();
        let read = Credentials::read(&HeaderMap::new(), &form, &known()).unwrap();
        let mut sent = Form::new();
        read.write(&mut sent);
        assert!(sent.encode().starts_with(expected), "{name}: {}", sent.encode());
    }
    assert_eq!(read(&[], &jwt).unwrap_err().reason, Reason::CredentialsMalformed, "named by nobody");
}

/// One workload of a cluster is the client batch.
fn known() -> Workloads {
    use crate::judgement::client::registry::{Method as Registered, Platform, Workload};
    use crate::judgement::jose::checks::{KindRules, TokenChecks};
    use crate::judgement::jose::issuer_claims::IssuerClaims;
    let method = Registered::Workload(Workload {
        platform: Platform::Kubernetes,
        issuer: "k8s".to_owned(),
        url: "https://k8s".to_owned(),
        subject: "known".to_owned(),
        tokens: Box::new(TokenChecks {
            claims: IssuerClaims::default(),
            algorithms: Vec::new(),
            leeway: jiff::SignedDuration::ZERO,
            rules: Vec::new(),
            kinds: KindRules::default(),
            may_lack: Vec::new(),
        }),
    });
    Workloads::of(&std::collections::BTreeMap::from([("batch".to_owned(), vec![method])]))
}

proptest! {
    #[test]
    fn reading_never_panics(header in "(?i:basic|bearer) [A-Za-z0-9+/=]{0,40}", body in "[a-z_=&%0-9]{0,60}") {
        if let Ok(form) = Form::parse(body.as_bytes()) {
            let mut headers = HeaderMap::new();
            headers.append(AUTHORIZATION, HeaderValue::try_from(header).unwrap());
            let _ = Credentials::read(&headers, &form, &Workloads::default());
        }
    }

    #[test]
    fn what_is_sent_names_the_client_that_was_read(id in "[ -~é]{1,12}", secret in "[ -~é]{0,12}") {
        let sent = format!("{}:{}", form::encode(&id), form::encode(&secret));
        let first = read(&[&base64(&sent)], "").unwrap();
        prop_assert_eq!(first.client_id(), &id);
        let second = read(&[first.authorization().unwrap().to_str().unwrap()], "").unwrap();
        prop_assert_eq!(second.client_id(), &id);
        prop_assert_eq!(second.authorization(), first.authorization());
    }
}
