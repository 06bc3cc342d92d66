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
    let [delegation, main, impersonation] = blocks[..] else { panic!("{} blocks", blocks.len()) };
    let own = "    issuer: https://sso.example.org/realms/corp\n    subjectIssuers: [corp]\n    signingKey: corp.pem\n";
    let head = "upstream: { url: 'http://127.0.0.1:8180' }\nlisten: { address: '127.0.0.1:8080' }\n";
    let main = format!("{head}{}", main.replace("  corp:\n", &format!("  corp:\n{own}")));
    for example in [delegation, impersonation] {
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
