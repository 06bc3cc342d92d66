//! `cambio diff`: what a reviewer reads of two checkouts, without the platform's secrets.

use std::process::{Command, Stdio};

use cambio::tools::diff::{self, DiffArguments};
use clap::Parser as _;
use serde_json::Value;

use crate::support::files::Folder;
use crate::support::golden;

/// The key, the secrets and the variable are not there: a reviewer has none of them.
const MAIN: &str = "\
upstream: { url: 'https://sso.internal' }
listen: { address: '127.0.0.1:8080' }
realms:
  corp:
    issuer: https://sso.example.org/realms/corp
    subjectIssuers: [corp, partner]
    signingKeys: keys
    directory: { clientId: cambio, clientSecretFile: directory.secret }
    clients: { batch: [{ method: client_secret_jwt, secret: '${BATCH_SECRET}' }] }
issuers:
  partner:
    issuer: { url: https://login.partner.example, audiences: [https://sso.example.org] }
    claimValidationRules: [{ expression: claims.email_verified == true }]
";

const AUDIENCE: &str = "\
audience: back-end-api
owner: payments-team
permissions:
  - { clients: [front-end-app, mobile-app], scopes: [email, profile] }
  - { clients: [reporting], scopes: [email], oneTime: true }
  - clients: [gateway]
    issuance: mint
    issuers: [partner]
    condition: claims.level > 1
roles: { own: true, realm: [auditor] }
";

struct Compared {
    old: Folder,
    new: Folder,
}

impl Compared {
    fn new() -> Self {
        let folders = Self { old: Folder::new(), new: Folder::new() };
        for folder in [&folders.old, &folders.new] {
            folder.write("cambio.yaml", MAIN);
            folder.write("audiences/back-end-api.yaml", AUDIENCE);
        }
        folders
    }

    /// Replaces a text in a file of the new version.
    fn change(&self, file: &str, from: &str, to: &str) -> &Self {
        let text = self.new.read(file);
        assert!(text.contains(from), "{from}");
        self.new.write(file, &text.replace(from, to));
        self
    }

    fn text(&self) -> (bool, String) {
        said_by("text", [&self.old, &self.new]).unwrap()
    }
}

/// What is printed, and whether the versions differ, or the failure.
fn said_by(output: &str, folders: [&Folder; 2]) -> Result<(bool, String), String> {
    let [old, new] = folders.map(|folder| folder.path("cambio.yaml").display().to_string());
    let arguments = DiffArguments::try_parse_from(["diff", &old, &new, "--output", output]).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let today = "2026-11-25".parse().unwrap();
    let differ = diff::run_at(&arguments, &(), today, &mut out, &mut err).map_err(|failure| failure.to_string())?;
    Ok((differ, String::from_utf8(out).unwrap()))
}

#[test]
fn equal_files_are_no_difference() {
    let compared = Compared::new();
    assert_eq!(compared.text(), (false, "no difference\n".to_owned()));
    // Other words, and the same meaning.
    compared
        .change("audiences/back-end-api.yaml", "  - { clients: [front-end-app, mobile-app], scopes: [email, profile] }\n", "")
        .change(
            "audiences/back-end-api.yaml",
            "roles:",
            "  - { clients: [mobile-app], scopes: [profile], lifetime: 5m }\n  - { clients: [front-end-app], issuers: [corp], \
             scopes: [profile, email] }\n  - { clients: [mobile-app], scopes: [email, profile], lifetime: 300s }\nroles:",
        )
        .change("cambio.yaml", "    signingKeys: keys\n", "    signingKeys: keys\n    leeway: 10000ms\n");
    assert_eq!(compared.text(), (false, "no difference\n".to_owned()));
}

#[test]
fn a_reviewer_reads_who_gains_and_who_loses_what() {
    let compared = Compared::new();
    compared
        .change("audiences/back-end-api.yaml", "mobile-app], scopes: [email, profile]", "mobile-app, desktop-app], scopes: [email]")
        .change("audiences/back-end-api.yaml", "oneTime: true", "expires: 2027-06-30, lifetime: 10m")
        .change("audiences/back-end-api.yaml", "claims.level > 1", "claims.level > 2")
        .change(
            "audiences/back-end-api.yaml",
            "roles: { own: true, realm: [auditor] }",
            "  - clients: ['*']\n    issuance: mint\n    scopes: ['*']\n    subjectClients: [front-end-app]\n    delegation: { \
             actor: required, depth: 2 }\nroles: { own: true, map: [{ from: 'group:/staff', to: payer }] }\ntoken: { claims: \
             [department] }",
        )
        .change("cambio.yaml", "subjectIssuers: [corp, partner]", "subjectIssuers: [corp, partner, hub]\n    doors: { ciba: open }")
        .change("cambio.yaml", "https://sso.example.org] }\n", "https://sso.example.org, hub] }\n    algorithms: [ES256]\n")
        .change("cambio.yaml", "claims.email_verified == true", "claims.email_verified == true || has(claims.staff)")
        .change("cambio.yaml", "issuers:\n  partner", "issuers:\n  hub:\n    issuer: { url: https://hub.example, audiences: [corp] }\n  partner");
    compared
        .old
        .write("audiences/gone.yaml", "audience: gone\nowner: a-team\npermissions: [{ clients: [front-end-app] }]\n");
    compared.new.write("audiences/new.yaml", "audience: new\nowner: b-team\nresources: ['https://new.example']\npermissions: [{ clients: [batch], scopes: [email] }]\n");
    let (differ, text) = compared.text();
    assert!(differ);
    golden::check("diff/review.txt", &text);
    let (_, json) = said_by("json", [&compared.old, &compared.new]).unwrap();
    golden::check("diff/review.json", &json);
    let (_, back) = said_by("text", [&compared.new, &compared.old]).unwrap();
    golden::check("diff/review_back.txt", &back);
    // What wins in one direction loses in the other.
    let signs = |text: &str, sign: &str| text.lines().filter(|line| line.starts_with(sign)).count();
    assert_eq!(signs(&text, "  + "), signs(&back, "  - "));
    assert_eq!(signs(&text, "  - "), signs(&back, "  + "));
    assert_eq!(signs(&text, "  ? "), signs(&back, "  ? "));
}

#[test]
fn every_kind_of_right_is_named() {
    let permission = "  - { clients: [reporting], scopes: [email], oneTime: true }\n";
    for (name, from, to, expected) in [
        (
            "impersonation",
            permission,
            "  - { clients: [reporting], scopes: [email], oneTime: true }\n  - { clients: [support], issuance: mint, \
             impersonation: { who: 'claims.support', whom: '!requested.admin' } }\n",
            "+ client support may exchange access tokens of corp to become another user: issuance [mint], lifetime 5m, if \
             !requested.admin and claims.support (permissions[2], line 6)",
        ),
        (
            "tokens of Cambio, and other types",
            permission,
            "  - { clients: [reporting], scopes: [email], oneTime: true }\n  - { clients: [hub], issuance: mint, exchangedTokens: \
             true, subjectTokens: [access_token, id_token], requestedTokens: [id_token] }\n",
            "+ client hub may exchange access tokens and ID tokens of corp for ID tokens, also those that Cambio signed for \
             other audiences: issuance [mint], lifetime 5m (permissions[2], line 6)",
        ),
        (
            "earlier actors",
            permission,
            "  - { clients: [reporting], scopes: [email], oneTime: true, delegation: { actor: forbidden, depth: 2 } }\n",
            "+ client reporting may exchange access tokens of corp, with 1 to 2 earlier actors: scopes [email], issuance \
             [reissue], lifetime 5m, with oneTime (permissions[1], line 5)",
        ),
        (
            "sessions",
            permission,
            "  - { clients: [reporting], scopes: [email], oneTime: true, impersonationSessions: true }\n",
            "+ client reporting may exchange access tokens of corp, in impersonation sessions: scopes [email], issuance \
             [reissue], lifetime 5m, with oneTime (permissions[1], line 5)",
        ),
        (
            "demands",
            "oneTime: true",
            "stillActive: false",
            "+ client reporting exchanges access tokens of corp: scopes [email], issuance [reissue], lifetime 5m: with oneTime → \
             always (permissions[1], line 5)",
        ),
        (
            "a condition",
            "oneTime: true",
            "oneTime: true, condition: claims.staff",
            "- client reporting exchanges access tokens of corp: scopes [email], issuance [reissue], lifetime 5m: with oneTime → \
             with oneTime, if claims.staff (old permissions[1], line 5)",
        ),
        (
            "an issuer",
            "    issuers: [partner]\n",
            "    issuers: [partner, corp]\n",
            "+ client gateway may exchange access tokens of corp: issuance [mint], lifetime 5m, if claims.level > 1 \
             (permissions[2], line 6)",
        ),
        (
            "the order of conditions about scopes",
            "    condition: claims.level > 1\n",
            "    condition: claims.level > 1\n  - { clients: [reporting], scopes: [x], condition: '\"x\" in scopes' }\n",
            "? client reporting: conditions look at the granted scope, and the permissions are listed in another way: which scope \
             a request without scope gets can't be compared",
        ),
        (
            "a lifetime",
            "roles:",
            "token: { lifetime: 2m }\nroles:",
            "- clients front-end-app, mobile-app exchange access tokens of corp: lifetime 5m → 2m (old permissions[0], line 4)",
        ),
    ] {
        let compared = Compared::new();
        compared.change("audiences/back-end-api.yaml", from, to);
        if name == "impersonation" {
            compared.change(
                "cambio.yaml",
                "    signingKeys",
                "    doors: { requestedSubject: judged }\n    signingKeys",
            );
            compared.change("audiences/back-end-api.yaml", "own: true", "source: directory, own: true");
        }
        let (differ, text) = compared.text();
        assert!(differ && text.contains(&format!("  {expected}\n")), "{name}: {text}");
    }
}

/// ForgeRock's dialect needs `may_act`: a change of the dialect changes what equal permissions give.
#[test]
fn a_dialect_changes_what_permissions_give() {
    let compared = Compared::new();
    compared.change("cambio.yaml", "    signingKeys", "    dialect: forgerock\n    signingKeys");
    let (_, text) = compared.text();
    assert!(
        text.contains(
            "  - client reporting may no longer exchange access tokens of corp, without may_act: scopes [email]"
        ),
        "{text}"
    );
    assert!(text.contains("  ? realms.corp.dialect: keycloak → forgerock: can't be compared"), "{text}");
}

#[test]
fn what_is_wrong_or_missing_is_named() {
    let compared = Compared::new();
    let [old, new] = [&compared.old, &compared.new].map(|folder| folder.path("cambio.yaml"));
    let cambio = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cambio"));
        let output = command.arg("diff").args([&old, &new]).stdin(Stdio::null()).env_clear().output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (status, out, err) = cambio();
    assert_eq!((status, out.as_str()), (0, "no difference\n"));
    for missing in ["directory.secret", "has no keys.yaml", "BATCH_SECRET is not set"] {
        assert_eq!(err.matches(missing).count(), 2, "{missing}: {err}");
    }
    compared.change("audiences/back-end-api.yaml", "clients: [reporting]", "clients: [reporting, batch]");
    assert_eq!(cambio().0, 1);
    compared.change("audiences/back-end-api.yaml", "oneTime", "onceTime");
    let (status, out, err) = cambio();
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("back-end-api.yaml:5:53: permissions[1].onceTime: unknown key"), "{err}");
    compared.new.write("cambio.yaml", &MAIN.replace("sso.internal", "${UPSTREAM"));
    assert_eq!(cambio().0, 2);
    compared.new.remove("cambio.yaml");
    let (status, _, err) = cambio();
    assert!(status == 2 && err.contains("can't be read"), "{err}");
}

/// Hashes and values of the environment are compared, and not printed.
#[test]
fn no_secret_is_printed() {
    let compared = Compared::new();
    let clients = "clients: { batch: [{ method: client_secret_jwt, secret: '${BATCH_SECRET}' }] }";
    let hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    compared.change(
        "cambio.yaml",
        clients,
        &format!("clients: {{ batch: [{{ method: client_secret, secretHash: '{hash}' }}] }}"),
    );
    for output in ["text", "json"] {
        let (differ, said) = said_by(output, [&compared.old, &compared.new]).unwrap();
        assert!(differ && said.contains("realms.corp.clients.batch") && !said.contains("9f86d081"), "{said}");
    }
}

/// Many audiences of which a few change: only these are told.
#[test]
fn few_changes_of_many_audiences_are_found() {
    const FILES: usize = 400;
    let folders = Compared::new();
    let file = |number: usize, client: &str| {
        format!(
            "audience: api-{number}\nowner: team-{number}\npermissions:\n  - {{ clients: [{client}, client-{number}], scopes: [email] }}\n  \
             - {{ clients: [c], condition: claims.a == {number} }}\n"
        )
    };
    for folder in [&folders.old, &folders.new] {
        for number in 0..FILES {
            std::fs::write(folder.path(&format!("audiences/api-{number}.yaml")), file(number, "a")).unwrap();
        }
    }
    for number in [0, 250, 399] {
        folders.new.write(&format!("audiences/api-{number}.yaml"), &file(number, "b"));
    }
    let (_, json) = said_by("json", [&folders.old, &folders.new]).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let names: Vec<_> =
        json["audiences"].as_array().unwrap().iter().map(|one| one["audience"].as_str().unwrap()).collect();
    assert_eq!(names, ["api-0", "api-250", "api-399"]);
}
