//! What the command prints about tokens that are made here, and the status with which it ends.

use std::path::PathBuf;

use clap::Parser as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};

const NOW: i64 = 1_800_000_000;
const PARTNER: &str = "https://login.partner.example";

/// A folder with a key set, a configuration that trusts it, and the key.
struct Scene {
    folder: PathBuf,
    key: SigningKey,
}

impl Scene {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("cambio-verify-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("audiences")).unwrap();
        let key = SigningKey::from_pem(generate(KeyKind::P256).unwrap().expose().as_bytes()).unwrap();
        std::fs::write(folder.join("jwks.json"), json!({ "keys": [key.jwk()] }).to_string()).unwrap();
        let config = format!(
            "upstream: {{ url: \"http://127.0.0.1:9\" }}\n\
             listen: {{ address: \"127.0.0.1:0\" }}\n\
             admin: {{ address: \"127.0.0.1:0\" }}\n\
             realms:\n  corp:\n    issuer: https://sso.example.org/realms/corp\n    dialect: keycloak\n    \
             subjectIssuers: [corp, partner]\n\
             issuers:\n  partner:\n    issuer: {{ url: {PARTNER}, audiences: [https://sso.example.org] }}\n    \
             jwksFile: jwks.json\n    algorithms: [ES256]\n    claimValidationRules:\n      - \
             {{ expression: claims.email_verified == true, message: e-mail address not verified }}\n\
             audiences: ./audiences\n"
        );
        std::fs::write(folder.join("cambio.yaml"), config).unwrap();
        Self { folder, key }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    fn token(&self, claims: &Value) -> String {
        self.key.sign(claims.as_object().unwrap(), "JWT").unwrap()
    }

    fn call(&self, arguments: &[&str], token: &str) -> (Result<bool, String>, String) {
        let (clock, _) = Clock::manual(Timestamp::from_second(NOW).unwrap());
        let arguments = arguments.iter().map(|argument| match argument.strip_prefix('@') {
            Some(file) => self.path(file),
            None => (*argument).to_owned(),
        });
        let line = std::iter::once("verify".to_owned()).chain(arguments);
        let arguments = VerifyArguments::try_parse_from(line).unwrap();
        let mut out = Vec::new();
        let mut input = token.as_bytes();
        let ended = run_with(&arguments, &(), &clock, &mut input, &mut out);
        (ended.map_err(|failure| failure.to_string()), String::from_utf8(out).unwrap())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn claims() -> Value {
    json!({
        "iss": PARTNER, "sub": "alice", "aud": "https://sso.example.org", "exp": NOW + 60, "iat": NOW - 60,
        "email": "alice@partner.example", "email_verified": true,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

/// Name, arguments, token, and the check that fails.
type Case<'a> = (&'a str, &'a [&'a str], String, Result<(), &'a str>);

#[test]
fn by_a_key_set() {
    let scene = Scene::new("jwks");
    let other = Scene::new("other");
    let later = "2027-01-15T08:02:00Z";
    let cases: [Case<'_>; 12] = [
        ("keys alone", &["--jwks", "@jwks.json"], scene.token(&claims()), Ok(())),
        ("a line's end", &["--jwks", "@jwks.json"], format!("{}\r\n", scene.token(&claims())), Ok(())),
        ("iss", &["--jwks", "@jwks.json", "--iss", PARTNER], scene.token(&claims()), Ok(())),
        ("another iss", &["--jwks", "@jwks.json", "--iss", "x"], scene.token(&claims()), Err("iss")),
        (
            "one of two audiences",
            &["--jwks", "@jwks.json", "--aud", "x", "--aud", "https://sso.example.org"],
            scene.token(&claims()),
            Ok(()),
        ),
        ("another aud", &["--jwks", "@jwks.json", "--aud", "x"], scene.token(&claims()), Err("aud")),
        ("an alg", &["--jwks", "@jwks.json", "--alg", "RS256,ES256"], scene.token(&claims()), Ok(())),
        ("another alg", &["--jwks", "@jwks.json", "--alg", "RS256"], scene.token(&claims()), Err("alg")),
        ("later", &["--jwks", "@jwks.json", "--at", later], scene.token(&claims()), Err("times")),
        ("a space behind", &["--jwks", "@jwks.json"], format!("{} ", scene.token(&claims())), Err("signature")),
        ("another key", &["--jwks", "@jwks.json"], other.token(&claims()), Err("key")),
        ("nothing", &["--jwks", "@jwks.json"], String::new(), Err("form")),
    ];
    for (name, arguments, token, expected) in cases {
        let (ended, out) = scene.call(arguments, &token);
        assert_eq!(ended, Ok(expected.is_ok()), "{name}: {out}");
        assert!(out.ends_with(if expected.is_ok() { "valid\n" } else { "invalid\n" }), "{name}: {out}");
        let failed = out.lines().find_map(|line| line.strip_prefix("failed   "));
        let failed = failed.and_then(|line| line.split(' ').next());
        assert_eq!(failed, expected.err(), "{name}: {out}");
        assert!(!out.contains("alice"), "{name}: {out}");
    }
}

#[test]
fn a_failure_follows_what_was_passed_and_what_was_not_checked_is_said() {
    let scene = Scene::new("order");
    let (_, out) = scene.call(&["--jwks", "@jwks.json"], &scene.token(&with("exp", json!(NOW - 1))));
    let checks: Vec<_> =
        out.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(checks, ["ok keys", "ok form", "ok alg", "ok key", "ok signature", "ok iss", "failed times", "invalid"]);
    assert!(out.contains("the token expired 1 s ago (subject_token_expired)"), "{out}");
    let (_, out) = scene.call(&["--jwks", "@jwks.json"], &scene.token(&claims()));
    assert!(out.contains("skipped  iss") && out.contains("skipped  aud"), "{out}");
}

#[test]
fn a_signature_alone() {
    let scene = Scene::new("jws");
    let expired = scene.token(&with("exp", json!(1)));
    let (ended, out) = scene.call(&["--jwks", "@jwks.json", "--jws"], &expired);
    assert_eq!(ended, Ok(true), "{out}");
    let (ended, out) = scene.call(&["--jwks", "@jwks.json", "--jws"], &expired.replacen('.', ".AAAA", 1));
    assert_eq!(ended, Ok(false), "{out}");
}

#[test]
fn by_a_configuration() {
    let scene = Scene::new("config");
    let cases = [
        ("as it should be", claims(), Ok(())),
        ("for another", with("aud", json!("x")), Err("aud")),
        ("a rule does not hold", with("email_verified", json!(false)), Err("rules")),
        ("bound", with("cnf", json!({"jkt": "x"})), Err("bound")),
        ("a security event", with("events", json!({})), Err("kind")),
        ("nobody's", with("iss", json!("https://nobody.example")), Err("iss")),
    ];
    for (name, claims, expected) in cases {
        let token = scene.token(&claims);
        let (ended, out) = scene.call(&["--config", "@cambio.yaml"], &token);
        assert_eq!(ended, Ok(expected.is_ok()), "{name}: {out}");
        let failed = out.lines().find_map(|line| line.strip_prefix("failed   "));
        assert_eq!(failed.and_then(|line| line.split(' ').next()), expected.err(), "{name}: {out}");
        let named = scene.call(&["-c", "@cambio.yaml", "--issuer", "partner"], &token);
        assert_eq!(named.0, ended, "{name}, by name");
    }
}

#[test]
fn claims_are_shown_when_asked_for_and_only_the_usual_ones() {
    let scene = Scene::new("claims");
    let (_, out) = scene.call(&["--config", "@cambio.yaml", "--claims"], &scene.token(&claims()));
    assert!(out.contains("ok       alg        ES256\n"), "{out}");
    assert!(out.contains("claim    sub        \"alice\""), "{out}");
    assert!(out.contains("claim    exp        1800000060 (2027-01-15T08:01:00Z)"), "{out}");
    assert!(!out.contains("alice@"), "{out}");
    let expired = scene.token(&with("exp", json!(1)));
    let (_, out) = scene.call(&["--config", "@cambio.yaml", "--claims"], &expired);
    assert!(!out.contains("alice"), "{out}");
}

#[test]
fn a_failure_is_no_verdict() {
    let scene = Scene::new("failure");
    let cases: [(&str, &[&str], &str); 5] = [
        ("no such file", &["--jwks", "@none.json"], "entity not found"),
        ("no key set", &["--jwks", "@cambio.yaml"], "the key set is no JSON object"),
        ("a configuration that can't be loaded", &["--config", "@jwks.json"], "can't be loaded"),
        ("no such issuer", &["--config", "@cambio.yaml", "--issuer", "x"], "there are corp, partner"),
        ("keys that can't be had", &["--config", "@cambio.yaml", "--issuer", "corp"], "no connection"),
    ];
    for (name, arguments, expected) in cases {
        let (ended, out) = scene.call(arguments, &scene.token(&claims()));
        let failure = ended.expect_err(name);
        assert!(failure.contains(expected), "{name}: {failure}");
        assert!(out.is_empty(), "{name}: {out}");
    }
}

#[test]
fn what_is_left_out_is_said() {
    let scene = Scene::new("left-out");
    let odd = json!({"kty": "EC", "crv": "P-521", "kid": "odd", "use": "sig"});
    let encryption = json!({"kty": "RSA", "use": "enc", "kid": "e"});
    let text = json!({ "keys": [odd, encryption, scene.key.jwk(), null] }).to_string();
    std::fs::write(scene.folder.join("odd.json"), text).unwrap();
    let (ended, out) = scene.call(&["--jwks", "@odd.json"], &scene.token(&claims()));
    assert_eq!(ended, Ok(true), "{out}");
    let lines: Vec<_> = out.lines().filter(|line| line.contains(" keys ")).collect();
    assert!(lines[0].starts_with("ok       keys       1 usable key of "), "{out}");
    assert_eq!(
        lines[1..],
        [
            "skipped  keys       key 1 \"odd\": crv \"P-521\" is not supported",
            "skipped  keys       key 4: it is no JSON object",
        ]
    );
    std::fs::write(scene.folder.join("odd.json"), json!({ "keys": [odd] }).to_string()).unwrap();
    let error = scene.call(&["--jwks", "@odd.json"], &scene.token(&claims())).0.unwrap_err();
    let expected = "the key set has no usable signing key: key 1 \"odd\": crv \"P-521\" is not supported";
    assert!(error.ends_with(expected), "{error}");
}
