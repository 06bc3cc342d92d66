use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::adapters::config::load::load;
use crate::judgement::issue::key::{KeyKind, generate};

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("cambio-migrate-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// The output of a run. The export is in `export.json`, the files go to `audiences`.
    fn migrate(&self, more: &[&str]) -> Result<String, String> {
        let (export, out) = (self.path("export.json"), self.path("audiences"));
        let line = ["migrate", "keycloak", &export, "--out", &out].into_iter().chain(more.iter().copied());
        let arguments = MigrateArguments::try_parse_from(line).unwrap();
        let mut output = Vec::new();
        run_with(&arguments, &mut output).map_err(|error| error.0)?;
        Ok(String::from_utf8(output).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const MAIN: &str = "\
upstream: { url: 'http://127.0.0.1:8180' }
listen: { address: '127.0.0.1:8080' }
realms:
  corp: { issuer: https://sso.example.org/realms/corp, subjectIssuers: [corp], signingKey: realm.pem }
  other: { issuer: https://sso.example.org/realms/other, subjectIssuers: [other] }
";

/// A realm in which every client except the audience `api` may exchange for that audience.
fn export(audience: &str, callers: &[&str]) -> Value {
    let client = |name: &str, id: &str| json!({"id": id, "clientId": name, "secret": "s3cret"});
    let mut clients: Vec<_> = callers.iter().enumerate().map(|(at, name)| client(name, &format!("c{at}"))).collect();
    clients.push(client(audience, "api"));
    let scope = json!({
        "name": "token-exchange.permission.client.api", "type": "scope", "logic": "POSITIVE",
        "decisionStrategy": "UNANIMOUS", "config": {
            "resources": "[\"client.resource.api\"]", "scopes": "[\"token-exchange\"]", "applyPolicies": "[\"all\"]",
        },
    });
    let all = json!({
        "name": "all", "type": "client", "logic": "NEGATIVE", "decisionStrategy": "UNANIMOUS",
        "config": {"clients": "[\"api\"]"},
    });
    clients.push(json!({"id": "rm", "clientId": "realm-management", "bearerOnly": true, "authorizationSettings": {
        "policyEnforcementMode": "ENFORCING", "resources": [{"name": "client.resource.api"}], "policies": [all, scope],
    }}));
    json!({"realm": "corp", "clients": clients})
}

fn prepared(export: &Value) -> Folder {
    let folder = Folder::new();
    fs::write(folder.path("export.json"), export.to_string()).unwrap();
    fs::write(folder.path("cambio.yaml"), MAIN).unwrap();
    fs::write(folder.path("realm.pem"), generate(KeyKind::P256).unwrap().expose()).unwrap();
    folder
}

#[test]
fn the_files_pass_the_loader_and_mean_what_the_export_said() {
    let folder = prepared(&export("back-end-api", &["front-end", "batch"]));
    let output = folder.migrate(&["--owner", "platform: team"]).unwrap();
    assert!(output.contains("for \"back-end-api\": \"batch\", \"front-end\""), "{output}");
    assert!(output.contains("1 audience file in"), "{output}");
    let config = load(Path::new(&folder.path("cambio.yaml")), &()).unwrap();
    let audience = &config.policy.realms["corp"]["back-end-api"];
    assert_eq!(audience.owner, "platform: team");
    let permission = &audience.permissions[0];
    assert!(["batch", "front-end"].iter().all(|name| permission.clients.contains(name)));
    assert!(!permission.clients.contains("back-end-api"));
}

#[test]
fn nothing_is_overwritten_unless_forced() {
    let folder = prepared(&export("back-end-api", &["front-end"]));
    let (file, report) = (folder.path("audiences/back-end-api.yaml"), folder.path("report.txt"));
    fs::write(&report, "mine").unwrap();
    let error = folder.migrate(&["--report", &report]).unwrap_err();
    assert!(error.contains("not overwritten without --force") && error.contains("report.txt"), "{error}");
    assert!(!Path::new(&file).exists(), "all or nothing");
    folder.migrate(&[]).unwrap();
    let first = fs::read_to_string(&file).unwrap();
    fs::write(&file, "changed").unwrap();
    assert!(folder.migrate(&[]).unwrap_err().contains("back-end-api.yaml"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "changed");
    let output = folder.migrate(&["--force", "--report", &report]).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), first);
    assert!(output.starts_with(&fs::read_to_string(&report).unwrap()));
}

/// A folder of `kc.sh export --dir`: every realm, and users in files of their own. Other files are not looked at.
#[test]
fn a_folder_is_one_export() {
    let folder = prepared(&json!({}));
    let export = folder.path("export.json");
    fs::remove_file(&export).unwrap();
    fs::create_dir(&export).unwrap();
    let inside = |name: &str| format!("{export}/{name}");
    fs::write(inside("corp-realm.json"), self::export("back-end-api", &["front-end"]).to_string()).unwrap();
    fs::write(inside("corp-users-0.json"), r#"{"realm": "corp", "users": [{"username": "alice"}]}"#).unwrap();
    fs::write(inside("master-realm.JSON"), r#"{"realm": "master", "clients": [{"clientId": "admin-cli"}]}"#).unwrap();
    fs::write(inside("notes.txt"), "s3cret").unwrap();
    fs::create_dir(inside("deeper.json")).unwrap();
    let output = folder.migrate(&["--force"]).unwrap();
    assert!(
        output.contains("for \"back-end-api\": \"front-end\"") && output.contains("realm \"master\": is in"),
        "{output}"
    );
    fs::write(inside("broken.yaml"), "a: [").unwrap();
    let error = folder.migrate(&["--force"]).unwrap_err();
    assert!(error.contains("broken.yaml: line "), "{error}");
    // The same files by name.
    let line =
        ["migrate", "keycloak", &inside("corp-realm.json"), &inside("corp-users-0.json"), "--out", &folder.path("b")];
    let mut output = Vec::new();
    run_with(&MigrateArguments::try_parse_from(line).unwrap(), &mut output).unwrap();
    assert!(String::from_utf8(output).unwrap().contains("for \"back-end-api\": \"front-end\""));
    assert!(MigrateArguments::try_parse_from(["migrate", "keycloak"]).is_err());
    let empty = Folder::new();
    fs::create_dir(empty.path("export.json")).unwrap();
    assert!(empty.migrate(&[]).unwrap_err().ends_with("export.json: no .json, .yaml or .yml file is in the folder"));
}

/// Public clients of V1 are listed with `mint`, and the loader takes the file.
#[test]
fn public_clients_are_in_a_file_that_loads() {
    let mut document = export("back-end-api", &["front-end", "spa"]);
    document["clients"][1]["publicClient"] = true.into();
    let folder = prepared(&document);
    let output = folder.migrate(&[]).unwrap();
    assert!(output.contains("client \"spa\": is public"), "{output}");
    let config = load(Path::new(&folder.path("cambio.yaml")), &()).unwrap();
    let permissions = &config.policy.realms["corp"]["back-end-api"].permissions;
    let of = |name: &str| permissions.iter().find(|one| one.clients.contains(name)).unwrap();
    assert_eq!(of("spa").issuance, Some(crate::judgement::policy::model::Issuance::Mint));
    assert!(!of("front-end").clients.contains("spa"));
}

#[test]
fn an_export_that_is_not_there_is_named() {
    let arguments = MigrateArguments::parse_from(["migrate", "keycloak", "/nonexistent/a.json"]);
    let error = run_with(&arguments, &mut Vec::new()).unwrap_err();
    assert!(error.0.starts_with("/nonexistent/a.json: "), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever clients are called, the written files load and name no other client.
    #[test]
    fn any_name_is_written_so_that_it_means_itself(
        audience in "[a-z.$%{}*: #'\"\\\\/\u{e9}\u{2028}\u{feff}\u{10ffff}~\u{7f}-]{1,12}",
        caller in "\\PC{1,12}",
    ) {
        prop_assume!(audience != caller);
        let folder = prepared(&export(&audience, &[&caller]));
        folder.migrate(&[]).unwrap();
        let config = load(Path::new(&folder.path("cambio.yaml")), &()).map_err(|problems| {
            TestCaseError::fail(format!("{problems:?}"))
        })?;
        for found in config.policy.realms.values().flatten() {
            prop_assert_eq!(found.0, &audience);
            for permission in &found.1.permissions {
                prop_assert!(permission.clients.contains(&caller));
            }
        }
        // A plain name is not left out.
        if [&audience, &caller].iter().all(|name| name.chars().all(|c| c.is_ascii_alphanumeric())) {
            prop_assert!(config.policy.realms.contains_key("corp"));
        }
    }
}
