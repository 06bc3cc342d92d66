//! Every method, right and wrong.

mod assertions;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, HeaderMap};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use rcgen::{CertificateParams, DnType};
use serde_json::{Value, json};

use super::*;
use crate::judgement::client::certificate::{CertificateName, DistinguishedName};
use crate::judgement::client::guess::is_guess;
use crate::judgement::client::registry::{Platform, Workloads};
use crate::judgement::client::secret::HashMemory;
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};
use crate::judgement::jose::checks::{KindRules, TokenChecks};
use crate::judgement::jose::issuer_claims::IssuerClaims;
use crate::words::oauth::form::Form;
use crate::words::oauth::urn::CLIENT_ASSERTION_JWT;

const NOW: i64 = 1_800_000_000;
const REALM: &str = "https://sso.example.org/realms/corp";
const ENDPOINT: &str = "https://sso.example.org/realms/corp/protocol/openid-connect/token";
const SHARED: &str = "0123456789abcdef0123456789abcdef";
const CLUSTER: &str = "https://cluster.example.org";
const ACCOUNT: &str = "system:serviceaccount:payments:batch";
const SPIRE: &str = "https://spire.example.org";
const WORKLOAD: &str = "spiffe://example.org/batch";

struct Signer {
    pem: Secret,
    key: SigningKey,
}

fn signer() -> Signer {
    let pem = generate(KeyKind::P256).unwrap();
    Signer { key: SigningKey::from_pem(pem.expose().as_bytes()).unwrap(), pem }
}

static OWN: LazyLock<Signer> = LazyLock::new(signer);
static OTHER: LazyLock<Signer> = LazyLock::new(signer);

fn set(signer: &Signer) -> Arc<KeySet> {
    Arc::new(KeySet::parse(json!({ "keys": [signer.key.jwk()] }).to_string().as_bytes()).unwrap())
}

fn workload(platform: Platform, url: &str, subject: &str) -> Method {
    Method::Workload(Workload {
        platform,
        issuer: "platform".to_owned(),
        url: url.to_owned(),
        subject: subject.to_owned(),
        tokens: Box::new(TokenChecks {
            claims: IssuerClaims::default(),
            algorithms: vec![Algorithm::ES256],
            leeway: SignedDuration::from_secs(10),
            rules: Vec::new(),
            kinds: KindRules::default(),
            may_lack: Vec::new(),
        }),
    })
}

/// One client for each method, named after it.
fn clients() -> Clients {
    let algorithms = vec![Algorithm::ES256];
    let registered = [
        ("sha256", vec![Method::Secret(SecretHash::parse(&SecretHash::sha256(&Secret::new("s3cret"))).unwrap())]),
        (
            "two",
            ["old", "new"]
                .map(|text| Method::Secret(SecretHash::parse(&SecretHash::sha256(&Secret::new(text))).unwrap()))
                .to_vec(),
        ),
        ("key", vec![Method::PrivateKeyJwt { keys: ClientKeys::Set(set(&OWN)), algorithms: algorithms.clone() }]),
        ("url", vec![Method::PrivateKeyJwt { keys: ClientKeys::Url("https://keys".to_owned()), algorithms }]),
        ("shared", vec![Method::SecretJwt { secret: Secret::new(SHARED), algorithms: vec![Algorithm::HS256] }]),
        ("tls", vec![Method::Tls(CertificateName::Subject(DistinguishedName::parse("CN=batch").unwrap()))]),
        ("thumb", vec![Method::SelfSignedTls(vec![*certificate("batch", true).thumbprint()])]),
        ("k8s", vec![workload(Platform::Kubernetes, CLUSTER, ACCOUNT)]),
        ("spiffe", vec![workload(Platform::Spiffe, SPIRE, WORKLOAD)]),
        ("public", vec![Method::Public]),
        (
            "keyboth",
            vec![
                Method::Public,
                Method::PrivateKeyJwt { keys: ClientKeys::Set(set(&OWN)), algorithms: vec![Algorithm::ES256] },
            ],
        ),
    ];
    let registered = registered.into_iter().map(|(id, methods)| (id.to_owned(), methods)).collect();
    Clients {
        workloads: Arc::new(Workloads::of(&registered)),
        registered,
        unregistered: Unregistered::Refused,
        audiences: vec![REALM.to_owned(), ENDPOINT.to_owned()],
        public_secrets_ignored: false,
    }
}

/// Always the same certificate for a name.
fn certificate(name: &str, trusted: bool) -> ClientCertificate {
    static KEY: LazyLock<rcgen::KeyPair> =
        LazyLock::new(|| rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2030, 1, 1);
    parameters.serial_number = Some(1_u64.into());
    ClientCertificate::read(parameters.self_signed(&*KEY).unwrap().der(), trusted).unwrap()
}

fn claims(of: &str, changes: &Value) -> Value {
    let mut claims = json!({ "iss": of, "sub": of, "aud": REALM, "exp": NOW + 60, "iat": NOW, "jti": "j1" });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn jws(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    format!("{message}.{}", crypto::sign(message.as_bytes(), key, algorithm).unwrap())
}

fn signed(by: &Signer, claims: &Value) -> String {
    typed(by, claims, "JWT")
}

fn typed(by: &Signer, claims: &Value, typ: &str) -> String {
    let key = EncodingKey::from_ec_pem(by.pem.expose().as_bytes()).unwrap();
    jws(&json!({ "alg": "ES256", "typ": typ, "kid": by.key.kid() }), claims, &key, Algorithm::ES256)
}

fn authenticated(secret: &[u8], algorithm: Algorithm, claims: &Value) -> String {
    let header = json!({ "alg": format!("{algorithm:?}"), "typ": "JWT" });
    jws(&header, claims, &EncodingKey::from_secret(secret), algorithm)
}

enum Shown {
    Basic(&'static str),
    Form(String),
    Assertion(String),
    Spiffe(String),
}

fn judge(
    shown: &Shown,
    seen: Option<&ClientCertificate>,
    keys: &[(usize, Arc<KeySet>)],
) -> Result<ClientVerdict, Refusal> {
    judge_for(&clients(), shown, seen, keys)
}

fn judge_for(
    clients: &Clients,
    shown: &Shown,
    seen: Option<&ClientCertificate>,
    keys: &[(usize, Arc<KeySet>)],
) -> Result<ClientVerdict, Refusal> {
    let mut headers = HeaderMap::new();
    let assertion = |kind: &str, jwt: &str| format!("client_assertion_type={kind}&client_assertion={jwt}");
    let form = match shown {
        Shown::Basic(text) => {
            headers.insert(AUTHORIZATION, format!("Basic {}", STANDARD.encode(text)).parse().unwrap());
            String::new()
        }
        Shown::Form(text) => text.clone(),
        Shown::Assertion(jwt) => assertion(CLIENT_ASSERTION_JWT, jwt),
        Shown::Spiffe(jwt) => assertion(CLIENT_ASSERTION_SPIFFE, jwt),
    };
    let form = Form::parse(form.as_bytes()).unwrap();
    let credentials = Credentials::read(&headers, &form, &clients.workloads)?;
    let evidence = ClientEvidence { certificate: seen, keys, leeway: SignedDuration::from_secs(10) };
    authenticate(&credentials, clients, &evidence, Timestamp::from_second(NOW).unwrap())
}

/// Client and method, the `jti` where it must be unused, or the reason.
fn told(judged: Result<ClientVerdict, Refusal>) -> String {
    match judged {
        Ok(ClientVerdict::Authenticated(proven)) => format!("{} {}", proven.client_id(), proven.by()),
        Ok(ClientVerdict::UnspentAssertion(once)) => {
            let (jti, until) = (once.jti().to_owned(), once.until().as_second() - NOW);
            let proven = once.claimed(true).unwrap();
            format!("{} {} {jti} {until}", proven.client_id(), proven.by())
        }
        Ok(ClientVerdict::SlowSecret(_)) => "slow".to_owned(),
        Ok(ClientVerdict::ByUpstream) => "upstream".to_owned(),
        Err(refusal) => refusal.reason.to_string(),
    }
}

const NO: &str = "client_unauthenticated";

#[test]
fn secrets_and_public_clients() {
    for (name, shown, expected) in [
        ("Basic", Shown::Basic("sha256:s3cret"), "sha256 client_secret"),
        ("post", Shown::Form("client_id=sha256&client_secret=s3cret".into()), "sha256 client_secret"),
        ("Basic, encoded as RFC 6749 2.3.1 says", Shown::Basic("sha256:%733cret"), "sha256 client_secret"),
        ("post, encoded twice", Shown::Form("client_id=sha256&client_secret=%25733cret".into()), NO),
        ("the first of two", Shown::Basic("two:old"), "two client_secret"),
        ("the second of two", Shown::Basic("two:new"), "two client_secret"),
        ("neither of two", Shown::Basic("two:s3cret"), NO),
        ("another secret", Shown::Basic("sha256:S3cret"), NO),
        ("a beginning", Shown::Basic("sha256:s3cre"), NO),
        ("none, in Basic", Shown::Basic("sha256:"), NO),
        ("none", Shown::Form("client_id=sha256".into()), NO),
        (
            "the hash itself",
            Shown::Form(format!("client_id=sha256&client_secret={}", SecretHash::sha256(&Secret::new("s3cret")))),
            NO,
        ),
        ("another's secret", Shown::Basic("two:s3cret"), NO),
        ("unknown client", Shown::Basic("nobody:s3cret"), NO),
        ("another case of the id", Shown::Basic("SHA256:s3cret"), NO),
        ("public", Shown::Form("client_id=public".into()), "public none"),
        ("public, with a secret", Shown::Form("client_id=public&client_secret=x".into()), NO),
        ("public beside a key", Shown::Form("client_id=keyboth".into()), "keyboth none"),
        ("a client of assertions with a secret", Shown::Basic("key:s3cret"), NO),
        (
            "a client of shared secrets with the secret",
            Shown::Form(format!("client_id=shared&client_secret={SHARED}")),
            NO,
        ),
    ] {
        assert_eq!(told(judge(&shown, None, &[])), expected, "{name}");
    }
}

#[test]
fn certificates() {
    let named = |client: &str| Shown::Form(format!("client_id={client}"));
    let (right, other) = (certificate("batch", true), certificate("other", true));
    let (strange, old) = (certificate("batch", false), {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "batch");
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let der = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        ClientCertificate::read(der.der(), true).unwrap()
    });
    for (name, client, seen, expected) in [
        ("right", "tls", Some(&right), "tls tls_client_auth"),
        ("another name", "tls", Some(&other), NO),
        ("nobody vouches for it", "tls", Some(&strange), NO),
        ("expired since", "tls", Some(&old), NO),
        ("none", "tls", None, NO),
        ("thumbprint", "thumb", Some(&right), "thumb self_signed_tls_client_auth"),
        ("thumbprint, whoever vouches", "thumb", Some(&strange), "thumb self_signed_tls_client_auth"),
        ("another thumbprint", "thumb", Some(&other), NO),
        ("no thumbprint", "thumb", None, NO),
        ("a certificate for a client of secrets", "sha256", Some(&right), NO),
        ("a certificate beside a public client", "public", Some(&right), "public none"),
    ] {
        assert_eq!(told(judge(&named(client), seen, &[])), expected, "{name}");
    }
    assert_eq!(told(judge(&Shown::Basic("tls:x"), Some(&right), &[])), NO, "a secret beside the certificate");
}

#[test]
fn slow_hashes_are_left_to_the_adapter() {
    let mut clients = clients();
    let hash = SecretHash::argon2id(&Secret::new("s3cret"), b"0123456789abcdef").unwrap();
    clients.registered.insert("slow".to_owned(), vec![Method::Secret(SecretHash::parse(&hash).unwrap())]);
    let run = |secret: &str| {
        let form = Form::parse(format!("client_id=slow&client_secret={secret}").as_bytes()).unwrap();
        let credentials = Credentials::read(&HeaderMap::new(), &form, &clients.workloads).unwrap();
        let evidence = ClientEvidence { certificate: None, keys: &[], leeway: SignedDuration::ZERO };
        match authenticate(&credentials, &clients, &evidence, Timestamp::from_second(NOW).unwrap()) {
            Ok(ClientVerdict::SlowSecret(slow)) => slow.run(&mut HashMemory::default()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(run("s3cret").unwrap().client_id(), "slow");
    assert_eq!(run("wrong").unwrap_err().reason, Reason::ClientUnauthenticated);
}

#[test]
fn the_identity_providers_word() {
    let form = Form::parse(b"client_id=app&client_secret=s").unwrap();
    let credentials = Credentials::read(&HeaderMap::new(), &form, &Workloads::default()).unwrap();
    let unavailable = "client_authentication_unavailable";
    for (name, status, active, error, expected) in [
        ("right", 200, Some(false), None, "app upstream"),
        ("a page of something else", 200, None, None, unavailable),
        ("the token that is none is active", 200, Some(true), None, unavailable),
        ("wrong secret", 401, None, Some("invalid_client"), NO),
        ("wrong, without words", 401, None, None, NO),
        ("wrong, as for assertions", 400, None, Some("invalid_client"), NO),
        ("another complaint", 400, None, Some("invalid_request"), unavailable),
        ("public", 403, None, Some("invalid_request"), NO),
        ("not found", 404, None, None, unavailable),
        ("redirected", 302, None, None, unavailable),
        ("broken", 500, None, None, unavailable),
        ("created", 201, Some(false), None, unavailable),
    ] {
        let body = match (active, error) {
            (Some(active), _) => json!({ "active": active }).to_string(),
            (_, Some(error)) => json!({ "error": error }).to_string(),
            _ => "<html>".to_owned(),
        };
        let got = authenticate_by_introspection(&credentials, status, body.as_bytes());
        let got = got.map_or_else(
            |refusal| refusal.reason.to_string(),
            |proven| format!("{} {}", proven.client_id(), proven.by()),
        );
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn a_secret_of_a_client_without_any_other_method_is_ignored_on_demand() {
    for (ignored, client, shown, expected) in [
        (true, "public", Shown::Form("client_id=public&client_secret=x".to_owned()), "public none"),
        (true, "public", Shown::Basic("public:x"), "public none"),
        (true, "public", Shown::Basic("public:"), "public none"),
        (false, "public", Shown::Form("client_id=public&client_secret=x".to_owned()), "client_unauthenticated"),
        (false, "public", Shown::Basic("public:x"), "client_unauthenticated"),
        (true, "keyboth", Shown::Basic("keyboth:x"), "client_unauthenticated"),
        (true, "sha256", Shown::Basic("sha256:wrong"), "client_unauthenticated"),
        (true, "sha256", Shown::Basic("sha256:s3cret"), "sha256 client_secret"),
        (true, "tls", Shown::Basic("tls:x"), "client_unauthenticated"),
        (true, "nobody", Shown::Basic("nobody:x"), "client_unauthenticated"),
    ] {
        let clients = Clients { public_secrets_ignored: ignored, ..clients() };
        assert_eq!(told(judge_for(&clients, &shown, None, &[])), expected, "{client}, {ignored}");
    }
}

#[test]
fn guesses_rest_on_a_secret_that_there_is() {
    let by_key = signed(&OWN, &claims("key", &json!({})));
    let by_secret = authenticated(b"guessed", Algorithm::HS256, &claims("shared", &json!({})));
    let of_key = authenticated(b"guessed", Algorithm::HS256, &claims("key", &json!({})));
    let of_stranger = authenticated(b"guessed", Algorithm::HS512, &claims("nobody", &json!({})));
    let strangers_key = signed(&OWN, &claims("nobody", &json!({})));
    let assertion = |jwt: &str| format!("client_assertion_type={CLIENT_ASSERTION_JWT}&client_assertion={jwt}");
    let upstream = Unregistered::Upstream { cache_for: std::time::Duration::ZERO };
    for (name, form, unregistered, expected) in [
        ("a secret", "client_id=sha256&client_secret=x".to_owned(), Unregistered::Refused, true),
        ("no secret", "client_id=sha256".to_owned(), Unregistered::Refused, false),
        ("a secret for a client of keys", "client_id=key&client_secret=x".to_owned(), Unregistered::Refused, false),
        ("a secret for a public client", "client_id=public&client_secret=x".to_owned(), Unregistered::Refused, false),
        ("an assertion with a secret", assertion(&by_secret), Unregistered::Refused, true),
        ("the same for a client of keys", assertion(&of_key), Unregistered::Refused, false),
        ("an assertion with a key", assertion(&by_key), Unregistered::Refused, false),
        ("a stranger's secret", "client_id=nobody&client_secret=x".to_owned(), upstream, true),
        (
            "a stranger's secret, refused anyway",
            "client_id=nobody&client_secret=x".to_owned(),
            Unregistered::Refused,
            false,
        ),
        ("a stranger without a secret", "client_id=nobody".to_owned(), upstream, false),
        ("a stranger's assertion with a secret", assertion(&of_stranger), upstream, true),
        ("a stranger's assertion with a key", assertion(&strangers_key), upstream, false),
    ] {
        let clients = Clients { unregistered, ..clients() };
        let form = Form::parse(form.as_bytes()).unwrap();
        let credentials = Credentials::read(&HeaderMap::new(), &form, &clients.workloads).unwrap();
        assert_eq!(is_guess(&credentials, &clients), expected, "{name}");
    }
}
