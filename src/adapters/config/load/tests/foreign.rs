//! How foreign issuers are reached, and the secrets that they share.

use super::*;

/// A row: name, lines of the issuer, lines of its section `issuer`, and the problems, each with a key and a part.
type IssuerRow = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const KEYS: &str = "jwksURL: https://p.example/keys";
const SHARED: &str = "hmacSecretFile: secret\n    algorithms: [HS256]";
const HTTP_TOKEN: &str = "bearerTokenFile: token";
const SECRET: &str = "hmacSecretFile";
const BEARER: &str = "issuer.bearerTokenFile";

const ROWS: &[IssuerRow] = &[
    ("nothing special", KEYS, "", &[]),
    ("a secret", SHARED, "", &[]),
    ("longer hashes", "hmacSecretFile: long\n    algorithms: [HS384, HS512]", "", &[]),
    ("a secret without its algorithm", "hmacSecretFile: secret", "", &[("algorithms[0]", "write algorithms: [HS256]")]),
    (
        "a secret for keys",
        "hmacSecretFile: secret\n    algorithms: [HS256, RS256]",
        "",
        &[("algorithms[1]", "a secret verifies HS256")],
    ),
    (
        "keys for a secret",
        "jwksURL: https://p.example/k\n    algorithms: [RS256, HS256]",
        "",
        &[("algorithms[1]", "which hmacSecretFile names")],
    ),
    ("no such algorithm", "hmacSecretFile: secret\n    algorithms: [HS1]", "", &[("algorithms[0]", "is not one of")]),
    ("no signature", "hmacSecretFile: secret\n    algorithms: [none]", "", &[("algorithms[0]", "means no signature")]),
    (
        "a secret and a key URL",
        "hmacSecretFile: secret\n    algorithms: [HS256]\n    jwksURL: https://p.example/k",
        "",
        &[("", "has hmacSecretFile together")],
    ),
    (
        "a secret and a key file",
        "hmacSecretFile: secret\n    algorithms: [HS256]\n    jwksFile: secret",
        "",
        &[("", "has hmacSecretFile together")],
    ),
    ("a secret and discovery", SHARED, "discoveryURL: https://p.example/d", &[("", "has hmacSecretFile together")]),
    ("a short secret", "hmacSecretFile: short\n    algorithms: [HS256]", "", &[(SECRET, "shorter than 32 bytes")]),
    (
        "a secret that is short for the hash",
        "hmacSecretFile: secret\n    algorithms: [HS256, HS512]",
        "",
        &[(SECRET, "shorter than 64 bytes")],
    ),
    ("an empty secret", "hmacSecretFile: empty\n    algorithms: [HS256]", "", &[(SECRET, "one line of text")]),
    ("a secret of two lines", "hmacSecretFile: lines\n    algorithms: [HS256]", "", &[(SECRET, "one line of text")]),
    ("a secret that is a key", "hmacSecretFile: key\n    algorithms: [HS256]", "", &[(SECRET, "one line of text")]),
    ("a secret that is a JWK", "hmacSecretFile: jwk\n    algorithms: [HS256]", "", &[(SECRET, "which others know")]),
    (
        "a secret that is not there",
        "hmacSecretFile: nowhere\n    algorithms: [HS256]",
        "",
        &[(SECRET, "can't be read")],
    ),
    ("a bearer token", KEYS, HTTP_TOKEN, &[]),
    ("a bearer token for discovery", "{}", HTTP_TOKEN, &[]),
    ("a bearer token to loopback", "jwksURL: http://127.0.0.1/k", HTTP_TOKEN, &[]),
    ("a bearer token over plain http", "jwksURL: http://p.example/k", HTTP_TOKEN, &[(BEARER, "over plain http")]),
    (
        "a bearer token over a proxy",
        "jwksURL: http://127.0.0.1/k",
        "bearerTokenFile: token\n      proxyURL: http://q",
        &[(BEARER, "would see the token")],
    ),
    ("a bearer token in a tunnel", KEYS, "bearerTokenFile: token\n      proxyURL: http://q", &[]),
    ("a bearer token for a key file", "jwksFile: jwk", HTTP_TOKEN, &[(BEARER, "has no effect")]),
    ("a bearer token beside a secret", SHARED, HTTP_TOKEN, &[(BEARER, "has no effect")]),
    ("a bearer token that is not there", KEYS, "bearerTokenFile: nowhere", &[(BEARER, "can't be read")]),
    ("no proxy", KEYS, "proxyURL: none", &[]),
    ("a proxy", KEYS, "proxyURL: https://proxy.example:3128", &[]),
    (
        "a proxy with a path",
        KEYS,
        "proxyURL: http://q/path",
        &[("issuer.proxyURL", "must be the URL of an HTTP proxy")],
    ),
    (
        "a proxy of another kind",
        KEYS,
        "proxyURL: socks5://u:hunter2@q",
        &[("issuer.proxyURL", "must be the URL of an HTTP proxy")],
    ),
    (
        "a password in the file",
        KEYS,
        "proxyURL: http://u:hunter2@q",
        &[("issuer.proxyURL", "a password does not belong")],
    ),
    ("a password from the environment", KEYS, "proxyURL: \"http://u:${PASSWORD}@q\"", &[]),
];

struct Password;

impl Environment for Password {
    fn var(&self, name: &str) -> Option<String> {
        (name == "PASSWORD").then(|| "hunter2".to_owned())
    }
}

#[test]
fn every_slip_is_named_at_its_place() {
    let mut wrong = Vec::new();
    for (name, lines, identity, expected) in ROWS {
        let folder = Folder::new();
        folder.write("secret", "0123456789abcdef0123456789abcdef\n").write("long", "0123456789abcdef".repeat(4));
        folder.write("short", "0123456789abcdef0123456789abcde\n").write("empty", "\n").write("key", pem());
        folder.write("lines", "0123456789abcdef\n0123456789abcdef").write("token", "t");
        folder.write("jwk", r#"{"kty":"RSA","n":"AQABAQABAQABAQABAQAB","e":"AQAB"}"#);
        let (lines, identity) = (lines.replace("{}", "leeway: 10s"), format!("      {identity}\n"));
        let issuer = format!(
            "issuers:\n  p:\n    issuer:\n      url: https://p.example\n      audiences: [a]\n{identity}    {lines}\n"
        );
        folder.write("cambio.yaml", format!("{MAIN}{issuer}"));
        let problems = load(&folder.path("cambio.yaml"), &Password).err().unwrap_or_default();
        let fits = |(got, (key, part)): (&Problem, &(&str, &str))| {
            let key = if key.is_empty() { "issuers.p".to_owned() } else { format!("issuers.p.{key}") };
            got.key == key && got.message.contains(part)
        };
        let all_fit = problems.len() == expected.len() && problems.iter().zip(*expected).all(fits);
        if !all_fit || problems.iter().any(|problem| problem.to_string().contains("hunter2")) {
            wrong.push(format!("{name}: got {problems:#?}, not {expected:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_secret_that_everybody_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    folder.write("secret", "0123456789abcdef0123456789abcdef");
    let issuer = "issuers:\n  p:\n    issuer: { url: https://p.example, audiences: [a] }\n    hmacSecretFile: secret\n    algorithms: [HS256]\n";
    folder.write("cambio.yaml", format!("{MAIN}{issuer}"));
    for (mode, warns) in [(0o644, true), (0o640, false)] {
        fs::set_permissions(folder.path("secret"), fs::Permissions::from_mode(mode)).unwrap();
        let config = load(&folder.path("cambio.yaml"), &()).unwrap();
        let named = config.warnings.iter().any(|one| one.key == "issuers.p.hmacSecretFile");
        assert_eq!(named, warns, "{mode:o}: {:?}", config.warnings);
        assert!(!format!("{config:?}").contains("0123456789abcdef"), "a secret in Debug");
    }
}

/// The file of a bearer token changes every hour, which is no change of the configuration.
#[test]
fn a_bearer_token_is_watched_only_while_it_is_missing() {
    let folder = Folder::new();
    let issuer = "issuers:\n  p:\n    issuer: { url: https://p.example, audiences: [a], bearerTokenFile: token }\n";
    folder.write("cambio.yaml", format!("{MAIN}{issuer}"));
    let before = Before { files: &AudienceFiles::default(), unsettled: &BTreeSet::new(), look: None, serving: false };
    let (missing, sources) = attempt(&folder.path("cambio.yaml"), &(), before);
    assert!(missing.is_err() && sources.files.contains_key(&folder.path("token")));
    folder.write("token", "t");
    let (there, sources) = attempt(&folder.path("cambio.yaml"), &(), before);
    assert!(there.is_ok() && !sources.files.contains_key(&folder.path("token")));
}

#[test]
fn a_platform_does_not_share_a_secret() {
    let folder = Folder::new();
    folder.write("secret", "0123456789abcdef0123456789abcdef");
    let client = "    clients: { job: [{ method: kubernetes, issuer: p, subject: 'system:serviceaccount:a:b' }] }\n";
    let issuer = "issuers:\n  p:\n    issuer: { url: https://p.example, audiences: [a] }\n    hmacSecretFile: secret\n    algorithms: [HS256]\n";
    folder.write("cambio.yaml", format!("{MAIN}{client}{issuer}"));
    let problems = load(&folder.path("cambio.yaml"), &()).unwrap_err();
    assert!(problems.iter().any(|one| one.message.contains("a platform signs with a private key")), "{problems:?}");
}
