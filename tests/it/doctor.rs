//! What `cambio check --online`, which is `cambio doctor`, finds at the identity provider and at the issuers.

mod objects;

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;

use cambio::adapters::config::load::load;
use cambio::adapters::config::problem::Problem;
use cambio::tools::check::{self, OnlineFindings};
use cambio::words::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::faults::{Endpoint, Fault};
use crate::support::files::{BACK_END_API, Folder};
use crate::support::golden;
use crate::support::world::{DISCOVERY_PATH, Plan, World};

const DIRECTORY: &str = "    signingKey: corp.pem
    directory: { clientId: cambio, clientSecretFile: cambio.secret }
    refreshTokens: { keyFiles: [seal.key] }
";

/// What is found with the files of a folder.
pub async fn found_online(folder: &Folder) -> OnlineFindings {
    found_at(folder, &Clock::System).await
}

async fn found_at(folder: &Folder, clock: &Clock) -> OnlineFindings {
    let path = folder.path("cambio.yaml");
    let config = load(&path, &()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let broken = config.audience_files.problems();
    assert!(broken.is_empty(), "{broken:?}");
    check::ask(&Arc::new(config), &path, clock).await.unwrap_or_else(|failure| panic!("{failure}"))
}

/// The usual files with a directory, for callers who find the realm at this address. No name is looked up.
async fn plan_at(public: impl FnOnce(&Plan) -> SocketAddr) -> Plan {
    let plan = Plan::new().await;
    let address = public(&plan);
    plan.folder.write("cambio.secret", "cambio-secret");
    plan.folder.write("seal.key", "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8=");
    plan.configure("http://sso.example.org/realms/corp", &format!("http://{address}/realms/corp"))
        .configure("http://sso.example.org/realms/partner", "http://127.0.0.1:1/realms/partner")
        .configure("    signingKey: corp.pem\n", DIRECTORY)
}

/// A realm that nobody reaches as callers do, which is a note.
async fn plan() -> Plan {
    plan_at(|_| SocketAddr::from(([127, 0, 0, 1], 1))).await
}

/// Cambio runs where the issuer's URL leads.
async fn world(audience: &str) -> World {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let plan = plan_at(|_| free).await.configure("  address: 127.0.0.1:0\n", &format!("  address: {free}\n"));
    plan.audience("back-end-api", &format!("{BACK_END_API}{audience}")).start().await
}

fn said(list: &[Problem]) -> Vec<String> {
    list.iter().map(|one| format!("{}: {}", one.key, one.message)).collect()
}

/// All findings, as `check` prints them.
fn text(found: &OnlineFindings, world: &[(String, &str)]) -> String {
    let lines = |kind: &str, list: &[Problem]| list.iter().map(|one| format!("{kind:<8} {one}\n")).collect::<Vec<_>>();
    let seen = found.seen.iter().map(|line| format!("keys     {line}\n")).collect();
    let all = [lines("problem", &found.problems), lines("warning", &found.warnings), lines("note", &found.notes), seen]
        .concat()
        .concat();
    world.iter().fold(all, |text, (old, new)| text.replace(old.as_str(), new))
}

const USUAL: &str = "permissions:
  - { clients: [front-end-app], scopes: [openid, email, profile], requestedTokens: [access_token, refresh_token] }
  - { clients: [reporting-app], issuance: mint, subjectClients: [front-end-app] }
";

#[tokio::test]
async fn an_installation_in_order_has_no_finding() {
    let world = world(USUAL).await;
    world.idp.faults().forget();
    let found = found_online(&world.folder).await;
    assert_eq!(text(&found, &[]).lines().filter(|line| !line.starts_with("keys ")).collect::<Vec<_>>(), [""; 0]);
    let keys: Vec<_> = found.seen.iter().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect();
    assert_eq!(keys, ["issuer partner: 1 key for signatures", "realm corp: 1 key for signatures"]);
    // Credentials go to the directory's login alone, and nothing but that login is a POST with them.
    let received = world.idp.faults().received();
    let with_secret = received.iter().filter(|one| one.body.windows(13).any(|part| part == b"cambio-secret"));
    assert_eq!(with_secret.count(), 1);
    let writes = received.iter().filter(|one| one.method != http::Method::GET && one.method != http::Method::HEAD);
    let mut bodies: Vec<_> = writes.map(|one| String::from_utf8(one.body.to_vec()).unwrap()).collect();
    bodies.retain(|body| !body.contains("cambio-secret"));
    assert_eq!(
        bodies,
        ["grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange", "grant_type=client_credentials"]
    );
}

/// The identity provider itself is where the issuer's URL leads, and every file asks for something that is not there.
#[tokio::test]
async fn everything_that_is_wrong_is_named_once_and_with_its_place() {
    let plan = plan_at(|plan| plan.idp.address()).await;
    let partner = format!("jwksURL: http://{}/realms/partner/protocol/openid-connect/certs", plan.idp.address());
    let plan = plan
        .configure(&partner, "jwksURL: http://127.0.0.1:1/keys")
        .configure(DIRECTORY, &format!("{DIRECTORY}    doors: {{ ciba: open, brokerToken: open }}\n"))
        .audience(
            "back-end-api",
            "audience: back-end-api
owner: payments-team
permissions:
  - { clients: [front-end-app], scopes: [email, profil, openid, 'organization:*'] }
  - { clients: [legacy-app, fornt-end-app], scopes: [email] }
  - { clients: [other-api], issuance: forward, scopes: [email], requestedTokens: [access_token] }
  - { clients: [other-api], requestedTokens: [access_token, refresh_token] }
  - { clients: [legacy-app], issuance: translate, issuers: [partner] }
  - { clients: [single-page-app], issuance: mint }
roles:
  realm: [auditer, offline_access]
  map:
    - { from: backend_usr, to: reader }
    - { from: 'client:other-api/other_user', to: backend_usr }
    - { from: 'client:nobody/x', to: reader }
    - { from: 'realm:x', to: reader, issuers: [partner] }
",
        )
        .audience("other", "audience: other-app\nowner: o\npermissions: [{ clients: [front-end-app] }]\n")
        .audience("minted", "audience: unknown\nowner: o\npermissions: [{ clients: [other-api], issuance: mint }]\n");
    let found = found_online(&plan.folder).await;
    let kid = found.problems.iter().find_map(|one| one.message.split("missing: ").nth(1)?.split(' ').next());
    let kid = kid.expect("Cambio's key is missing").to_owned();
    let names = [
        (plan.folder.path("").display().to_string(), "/"),
        (plan.idp.address().to_string(), "IDP"),
        (kid, "KID"),
        ("127.0.0.1:1/".to_owned(), "AWAY/"),
    ];
    let keys = found.seen.len();
    assert_eq!(keys, 1);
    let found = OnlineFindings { seen: Vec::new(), ..found };
    golden::check("check/online.txt", &text(&found, &names));
}

#[tokio::test]
async fn one_unreachable_thing_is_one_finding() {
    let world = world(USUAL).await;
    // The issuer is away.
    let text = world.folder.read("cambio.yaml");
    let away = text.replace(&format!("jwksURL: http://{}/", world.idp.address()), "jwksURL: http://127.0.0.1:1/");
    world.folder.write("cambio.yaml", &away);
    let found = found_online(&world.folder).await;
    assert_eq!((found.problems.len(), found.warnings.len(), found.notes.len()), (1, 0, 0), "{found:?}");
    assert_eq!(found.problems[0].key, "issuers.partner");
    assert!(found.problems[0].line > 0);
    world.folder.write("cambio.yaml", &text);

    // The directory does not answer.
    world.idp.faults().set(Endpoint::Admin, Fault::CloseAtOnce);
    let found = found_online(&world.folder).await;
    assert_eq!(found.problems.len(), 1, "{found:?}");
    assert!(found.problems[0].message.starts_with("the directory of the realm corp can't be asked: "), "{found:?}");
    world.idp.faults().clear();

    // The identity provider is away as a whole, and the issuer with it.
    let address = world.idp.address();
    let World { idp, cambio: _cambio, folder, .. } = world;
    idp.stop().await;
    let found = found_online(&folder).await;
    let keys: Vec<_> = found.problems.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["upstream.url", "issuers.partner"], "{address}: {found:?}");
}

#[tokio::test]
async fn a_question_that_keycloak_refuses_stops_no_other() {
    let world = world(&USUAL.replace("email, profile", "emial")).await;
    world.folder.write(
        "audiences/back-end-api.yaml",
        &world.folder.read("audiences/back-end-api.yaml").replace("{ own: true }", "{ realm: [auditor, auditer] }"),
    );
    for role in ["auditor", "auditer"] {
        let target = format!("/admin/realms/corp/roles/{role}");
        world.idp.faults().answer_at(&target, 403, "{}");
    }
    let found = found_online(&world.folder).await;
    let expected = "realms.corp.directory: Keycloak refuses a question for roles (status 403): give the service account of cambio the \
                    role view-realm of realm-management (realm corp), if this is to be compared";
    assert_eq!(said(&found.warnings), [expected]);
    let expected = "permissions[0].scopes[1]: the realm corp has no client scope \"emial\", so that Keycloak refuses a request for \
                    it; did you mean email?";
    assert_eq!(said(&found.problems), [expected]);

    // Neither clients nor users.
    world.idp.faults().clear();
    world.idp.faults().answer_at("/admin/realms/corp/clients?clientId=cambio", 200, "[]");
    world.idp.faults().answer_at("/admin/realms/corp/users?username=service-account-cambio&exact=true", 403, "{}");
    let found = found_online(&world.folder).await;
    assert_eq!(found.problems.len(), 2, "{found:?}");
    for (one, role) in found.problems.iter().zip(["view-clients", "view-users"]) {
        assert!(one.message.contains(role), "{found:?}");
    }
}

#[tokio::test]
async fn the_issuer_of_the_document_is_the_configured_one() {
    let world = world(USUAL).await;
    let issuer = format!("http://{}/realms/corp", world.address());
    let document = |issuer: &str, grants: Value| {
        let document = json!({"issuer": issuer, "token_endpoint": format!("http://{}{}", world.address(), crate::support::world::TOKEN_PATH),
            "grant_types_supported": grants});
        world.idp.faults().answer_at(DISCOVERY_PATH, 200, &document.to_string());
    };
    document("https://sso.example.org/realms/corp", json!(null));
    let found = found_online(&world.folder).await;
    let expected = format!(
        "realms.corp.issuer: the discovery document has the issuer https://sso.example.org/realms/corp instead of {issuer}: set \
         realms.corp.issuer to it"
    );
    assert_eq!(said(&found.problems), [expected]);
    document(&issuer, json!(["authorization_code"]));
    let found = found_online(&world.folder).await;
    assert_eq!(found.problems.len(), 1, "{found:?}");
    assert!(
        found.problems[0].message.contains("does not offer the grant urn:ietf:params:oauth:grant-type:token-exchange")
    );
}

#[tokio::test]
async fn a_clock_that_differs_by_more_than_the_leeway_is_named() {
    let world = world(USUAL).await;
    let now: Timestamp = Clock::System.now();
    let (clock, _hand) = Clock::manual(now + SignedDuration::from_mins(10));
    let found = found_at(&world.folder, &clock).await;
    assert!(found.problems.is_empty(), "{found:?}");
    let keys: Vec<_> = found.warnings.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["realms.corp", "issuers.partner"]);
    for one in &found.warnings {
        assert!(one.message.contains(" s behind of the clock here, and the leeway is "), "{found:?}");
    }
}

/// The command itself, and its other name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_prints_every_form_and_its_status() {
    let world = world(&USUAL.replace("email, profile", "emial")).await;
    let run = async |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cambio"));
        command.args(line.split_whitespace()).arg("--config").arg(world.folder.path("cambio.yaml"));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (status, out, err) = run("check --online").await;
    assert_eq!(status, 1, "{out}{err}");
    assert!(out.contains("keys     realm corp: 1 key for signatures") && !out.contains("\nok "), "{out}");
    assert!(
        err.contains("back-end-api.yaml:7:50: permissions[0].scopes[1]: the realm corp has no client scope"),
        "{err}"
    );
    assert!(err.ends_with("1 problem in 1 file\n"), "{err}");
    assert_eq!(run("doctor").await, (status, out, err), "one command");

    let (status, out, _) = run("doctor --output json").await;
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &document["ok"]), (1, &json!(false)), "{out}");
    assert_eq!(document["problems"][0]["key"], "permissions[0].scopes[1]");
    assert_eq!(document["keys"].as_array().unwrap().len(), 2);
    let (status, out, _) = run("doctor --output sarif").await;
    let run_of = serde_json::from_str::<Value>(&out).unwrap()["runs"][0].clone();
    assert_eq!(status, 1);
    let result = run_of["results"].as_array().unwrap().iter().find(|one| one["level"] == "error").unwrap();
    assert_eq!(result["ruleId"], "exchange-fails");
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 7);

    let file = world.folder.read("audiences/back-end-api.yaml").replace("emial", "email");
    world.folder.write("audiences/back-end-api.yaml", &file);
    let (status, out, err) = run("doctor").await;
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("\nok "), "{out}");
}

#[tokio::test]
async fn a_client_that_nobody_has_registered_is_a_problem() {
    let permissions = "permissions:
  - { clients: [front-end-app, ghost] }
  - { clients: [reporting-app], issuance: mint, subjectClients: [ghost] }
  - { clients: [workload], issuance: mint }
";
    let client = "    clients: { workload: [{ method: none }] }\n";
    let plan = plan().await.audience("back-end-api", &format!("{BACK_END_API}{permissions}"));
    let plan = plan.configure(DIRECTORY, &format!("{DIRECTORY}{client}"));
    let found = found_online(&plan.folder).await;
    let audience = plan.folder.path("audiences/back-end-api.yaml");
    let expected = format!(
        "permissions[0].clients[1]: the realm corp has no client \"ghost\": whoever registers one gets what is permitted to it (also \
         {}:8 permissions[1].subjectClients[0])",
        audience.display()
    );
    assert_eq!(said(&found.problems), [expected]);

    plan.folder.write("cambio.secret", "wrong");
    let found = found_online(&plan.folder).await;
    assert_eq!(found.problems.len(), 1, "{found:?}");
    assert!(found.problems[0].message.contains("the login of realms.*.directory.clientId"), "{found:?}");

    plan.folder.write("cambio.yaml", &plan.folder.read("cambio.yaml").replace(DIRECTORY, "    signingKey: corp.pem\n"));
    let found = found_online(&plan.folder).await;
    assert!(found.problems.is_empty(), "{found:?}");
    assert!(said(&found.notes)[0].starts_with("realms.corp: the realm corp has no directory"), "{found:?}");
}

/// What is found if callers reach `server` through a gateway that replaces `x-correlation-id` in each answer to a POST by this.
async fn found_behind_a_gateway(correlation: String, leads_to_cambio: bool) -> OnlineFindings {
    let gateway = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gateway.local_addr().unwrap();
    let plan = plan_at(|_| address).await.audience("back-end-api", &format!("{BACK_END_API}{USUAL}"));
    let world = plan.start().await;
    let server = if leads_to_cambio { world.address() } else { world.idp.address() };
    let passing = tokio::spawn(async move {
        while let Ok((caller, _)) = gateway.accept().await {
            let _ = pass(caller, server, &correlation).await;
        }
    });
    let found = found_online(&world.folder).await;
    passing.abort();
    found
}

/// Passes one request on, and the answer back.
async fn pass(mut caller: TcpStream, server: SocketAddr, correlation: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    loop {
        caller.read_buf(&mut request).await?;
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        if body.len() >= length.parse::<usize>().unwrap() {
            break;
        }
    }
    let request = String::from_utf8(request).unwrap().replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let mut server = TcpStream::connect(server).await?;
    server.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    server.read_to_string(&mut answer).await?;
    if request.starts_with("POST ") {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let kept = head.split("\r\n").filter(|line| !line.to_lowercase().starts_with("x-correlation-id:"));
        let head = kept.collect::<Vec<_>>().join("\r\n");
        answer = format!("{head}\r\nx-correlation-id: {correlation}\r\n\r\n{body}");
    }
    caller.write_all(answer.as_bytes()).await
}

#[tokio::test]
async fn a_gateway_that_writes_correlation_ids_hides_who_answered() {
    for (correlation, leads_to_cambio) in
        [(uuid::Uuid::now_v7(), false), (uuid::Uuid::new_v4(), true), (uuid::Uuid::new_v4(), false)]
    {
        let found = found_behind_a_gateway(correlation.to_string(), leads_to_cambio).await;
        let says = |list: &[Problem], part: &str| list.iter().any(|one| one.message.contains(part));
        assert!(says(&found.notes, "doctor can't tell whether exchanges arrive at Cambio"), "{correlation}: {found:?}");
        assert!(!says(&found.problems, "by the identity provider and not by Cambio"), "{correlation}: {found:?}");
    }
}
