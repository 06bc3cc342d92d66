//! What `cambio check` says of audiences that have tokens made by Cambio, and that the examples of docs/ load.

use std::path::Path;

use cambio::judgement::issue::key::{KeyKind, generate};
use cambio::tools::check;
use cambio::tools::keys::{self, KeysArguments};
use clap::Parser as _;

use crate::support::files::Folder;
use crate::support::golden;

const MAIN: &str = "\
upstream: { url: 'http://127.0.0.1:8180' }
listen: { address: '127.0.0.1:8080' }
realms:
  corp: { issuer: 'https://sso.example.org/realms/corp', subjectIssuers: [corp, partner], signingKey: corp.pem }
issuers:
  partner: { issuer: { url: 'https://login.partner.example', audiences: ['https://sso.example.org'] } }
";

/// The output for this one audience file.
fn checked(audience: &str) -> (bool, String) {
    checked_with(MAIN, audience)
}

fn checked_with(main: &str, audience: &str) -> (bool, String) {
    let folder = Folder::new();
    folder.write("cambio.yaml", main);
    folder.write("cambio.secret", "s3cret");
    folder.write("corp.pem", generate(KeyKind::P256).unwrap().expose());
    std::fs::set_permissions(folder.path("corp.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    folder.write("audiences/back-end-api.yaml", audience);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let today = "2026-11-25".parse().unwrap();
    let good = check::run_at(&folder.path("cambio.yaml"), &(), today, &mut out, &mut err).unwrap();
    let text = String::from_utf8([out, err].concat()).unwrap();
    (good, text.replace(&folder.path("").display().to_string(), "/"))
}

/// The hash of a policy is not what a reader looks at.
fn without_hashes(text: &str) -> String {
    text.split(", config ").next().unwrap().to_owned() + "\n"
}

#[test]
fn check_says_what_it_means_to_mint() {
    let (good, text) = checked(
        "audience: back-end-api\nowner: payments-team\npermissions:\n  - { clients: [front-end-app], scopes: [email] }\n  \
         - { clients: [a], issuance: mint, issuers: ['*'], oneTime: true }\n  - { clients: [b], issuance: translate, \
         issuers: [partner] }\ntoken: { subject: keep }\n",
    );
    assert!(good, "{text}");
    golden::check("check/mint.txt", &without_hashes(&text));
}

#[test]
fn check_names_what_an_issuance_can_not_do() {
    let (good, text) = checked(
        "audience: back-end-api\nowner: payments-team\npermissions:\n  - { clients: [a], issuers: [partner], \
         subjectTokens: [jwt] }\n  - { clients: [b], issuance: translate, issuers: [corp] }\n  - { clients: [c], issuance: \
         mint, requestedTokens: [refresh_token] }\nroles: { map: [{ from: 'client:x', to: a }, { from: clerk, to: b, \
         issuers: [partner] }] }\ntoken: { subject: mapped, set: { sub: claims.sub } }\n",
    );
    assert!(!good, "{text}");
    golden::check("check/refused.txt", &text);
}

/// The exit status is for the pipeline that checks a change; the last lines say what `serve` makes of the files.
#[test]
fn check_says_what_serve_makes_of_broken_audience_files() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN);
    folder.write("corp.pem", generate(KeyKind::P256).unwrap().expose());
    let permissions = "permissions: [{ clients: [front-end-app] }]\n";
    folder.write("audiences/good.yaml", &format!("audience: good\nowner: a-team\n{permissions}"));
    folder
        .write("audiences/key.yaml", &format!("audience: key\nowner: b-team\n{permissions}surprise: 1\nsurprice: 2\n"));
    folder.write("audiences/one.yaml", &format!("audience: shared\nowner: c-team\n{permissions}"));
    folder.write("audiences/two.yaml", &format!("audience: shared\nowner: \"d\\e[31m\"\n{permissions}"));
    folder.write("audiences/yaml.yaml", "permissions: [\n");
    let checked = || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let today = "2026-11-25".parse().unwrap();
        let good = check::run_at(&folder.path("cambio.yaml"), &(), today, &mut out, &mut err).unwrap();
        assert!(!good && out.is_empty());
        String::from_utf8(err).unwrap().replace(&folder.path("").display().to_string(), "/")
    };
    golden::check("check/broken_audiences.txt", &checked());
    folder.write("cambio.yaml", &format!("{MAIN}surprise: 1\n"));
    golden::check("check/broken_platform.txt", &checked());
}

#[test]
fn check_warns_of_wide_networks_and_of_a_shared_certificate() {
    let audience = "audience: back-end-api\nowner: payments-team\npermissions: [{ clients: [a] }]\n";
    let with = |upstream: &str, listen: &str| {
        let main = MAIN.replace("url: 'http://127.0.0.1:8180'", upstream);
        checked_with(
            &main.replace("address: '127.0.0.1:8080'", &format!("address: '127.0.0.1:8080', {listen}")),
            audience,
        )
    };
    let plain = "url: 'http://127.0.0.1:8180'";
    let wide = "has more than 256 addresses";
    for (networks, header, warned) in [
        ("['10.0.0.0/8']", true, true),
        ("['10.0.0.1', '10.1.0.0/23']", true, true),
        ("['fd00::/64']", true, true),
        ("['10.0.0.0/8']", false, false),
        ("['10.0.0.0/24', '10.0.0.1', 'fd00::1/128']", true, false),
    ] {
        let header = if header { ", clientCertificateHeader: { name: Client-Cert }" } else { "" };
        let (good, text) = with(plain, &format!("trustedProxies: {networks}{header}"));
        assert!(good, "{text}");
        assert_eq!(text.contains(wide), warned, "{networks}: {text}");
    }
    let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    let folder = Folder::new();
    folder.write("own.crt", &made.cert.pem());
    folder.write("own.key", &made.signing_key.serialize_pem());
    let path = |name: &str| folder.path(name).display().to_string();
    let pair = format!("clientCertificate: {{ certificate: '{}', key: '{}' }}", path("own.crt"), path("own.key"));
    for (own_calls_only, warned) in [("", false), (", certificateForOwnCallsOnly: false", true)] {
        let (good, text) = with(&format!("url: 'https://sso.internal', {pair}{own_calls_only}"), "trustedProxies: []");
        assert!(good, "{text}");
        assert_eq!(text.contains("every caller's request arrives with Cambio's certificate"), warned, "{text}");
    }
    let (good, text) = with("url: 'https://sso.internal', certificateForOwnCallsOnly: false", "trustedProxies: []");
    assert!(!good && text.contains("has no effect without clientCertificate"), "{text}");
}

#[test]
fn the_examples_of_the_documentation_load() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/roles-and-claims.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples: Vec<&str> = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 3);
    for example in examples {
        let (good, text) = checked(example);
        assert!(good, "{example}\n{text}");
    }
}

/// Delegation's page has audience files, and what the realm needs for the last one of them.
#[test]
fn the_examples_about_delegation_load() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/delegation.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [delegation, next, main, impersonation] = blocks[..] else { panic!("{} blocks", blocks.len()) };
    let own = "    issuer: https://sso.example.org/realms/corp\n    subjectIssuers: [corp]\n    signingKey: corp.pem\n";
    let head = "upstream: { url: 'http://127.0.0.1:8180' }\nlisten: { address: '127.0.0.1:8080' }\n";
    let main = format!("{head}{}", main.replace("  corp:\n", &format!("  corp:\n{own}")));
    for example in [delegation, next, impersonation] {
        let (good, text) = checked_with(&main, example);
        assert!(good, "{example}\n{text}");
    }
    let (good, _) = checked(impersonation);
    assert!(!good, "it needs what the page writes into cambio.yaml");
}

/// The files of the README, in the order that a newcomer makes them: two, then the additions for a partner's tokens.
#[test]
fn the_files_of_the_readme_load() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [main, audience, trusted, permitted] = blocks[..] else { panic!("{} blocks", blocks.len()) };
    let folder = Folder::new();
    let keys = folder.path("keys").display().to_string();
    let arguments = KeysArguments::parse_from(["keys", "generate", "--type", "p256", "--dir", &keys]);
    let now = jiff::Timestamp::UNIX_EPOCH;
    assert!(keys::run_at(&arguments, now, &mut Vec::new(), &mut Vec::new()).is_ok());
    let expect = |end: &str| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let today = "2026-11-25".parse().unwrap();
        let good = check::run_at(&folder.path("cambio.yaml"), &(), today, &mut out, &mut err).unwrap();
        let text = String::from_utf8([out, err].concat()).unwrap();
        assert!(good && text.contains(end), "{text}");
    };
    folder.write("cambio.yaml", main);
    folder.write("audiences/back-end-api.yaml", audience);
    expect("audience back-end-api in corp: owner payments-team, 1 permission, reissue\n");

    let own = trusted.lines().find(|line| line.contains("subjectIssuers")).unwrap().trim();
    let (_, issuers) = trusted.split_once("issuers:\n").unwrap();
    let main = main.replace("subjectIssuers: [corp]", own.split("  ").next().unwrap());
    folder.write("cambio.yaml", &format!("{main}issuers:\n{issuers}"));
    let (head, _) = audience.split_once("permissions:\n").unwrap();
    folder.write("audiences/back-end-api.yaml", &format!("{head}{permitted}token: {{ lifetime: 5m }}\n"));
    expect("audience back-end-api in corp: owner payments-team, 2 permissions, reissue and mint\n");
}

#[test]
fn check_names_an_upstream_that_leads_back() {
    let audience = "audience: back-end-api\nowner: x\npermissions: [{ clients: [a] }]\n";
    let upstream =
        |url: &str, listen: &str| MAIN.replace("http://127.0.0.1:8180", url).replace("127.0.0.1:8080", listen);
    let warning = "upstream.url: leads back to listen.address: every request goes in a loop, and is answered with 508";
    for (url, listen, expected) in [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
        ("http://localhost:8080", "127.0.0.1:8080", true),
        ("https://127.0.0.1:8443", "0.0.0.0:8443", true),
        ("http://0.0.0.0:8080", "0.0.0.0:8080", true),
        ("http://[::1]:8080", "[::]:8080", true),
        ("http://localhost:8180", "127.0.0.1:8080", false),
        ("http://192.0.2.7:8080", "0.0.0.0:8080", false),
    ] {
        let (good, text) = checked_with(&upstream(url, listen), audience);
        assert!(good, "{url}: {text}");
        assert_eq!(text.contains(warning), expected, "{url} and {listen}: {text}");
    }
    let (good, text) = checked_with(&upstream("http://localhost:9090", "0.0.0.0:8080"), audience);
    assert!(!good && text.contains("upstream.url: leads to admin.address"), "{text}");
}
