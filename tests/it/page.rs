//! The page on the admin listener: its files, what it shows, and who may read it.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::support::client::{self, Answer};
use crate::support::files::{BACK_END_API, PERMITTED};
use crate::support::golden;
use crate::support::world::{Plan, World, until};

const TOKEN: &str = "Zm9yIG9wZXJhdG9ycyBvbmx5LCBhbmQgbG9uZyBlbm91Z2g";
const FILES: [&str; 4] = ["/", "/page.css", "/page.js", "/icon.svg"];

/// What shows the policy, each with its method.
const SHOWS_POLICY: [(&str, &str); 3] = [("GET", "/page.json"), ("GET", "/config"), ("POST", "/explain")];

async fn ask(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = if method == "POST" { r#"{"client": "front-end-app"}"# } else { "" };
    client::send(world.cambio.admin, request.body(Bytes::from(body)).unwrap()).await
}

async fn shown(world: &World, query: &str) -> Value {
    let answer = client::get_by_address(world.cambio.admin, &format!("/page.json?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn the_files_are_served_with_a_strict_policy() {
    let world = World::start().await;
    for path in FILES {
        let answer = client::get_by_address(world.cambio.admin, path).await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split("; ").any(|one| one == part), "{path}: {part} in {policy}");
        }
        for allowed in ["unsafe", "http", "data:", "*"] {
            assert!(!policy.contains(allowed), "{path}: {allowed} in {policy}");
        }
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("cache-control", "no-store")]
        {
            assert_eq!(answer.header(name), value, "{path}: {name}");
        }
        // The policy would stop it, and a browser would show half of the page.
        let text = answer.text();
        for outside in ["https://", "//cdn", "@import", "style=\"", " onclick=\"", "<script>", "innerHTML", "eval("] {
            assert!(!text.contains(outside), "{path} contains {outside}");
        }
    }
    let listed = client::get_by_address(world.cambio.admin, "/page.json").await;
    assert_eq!(
        (listed.header("content-type"), listed.header("x-content-type-options")),
        ("application/json", "nosniff")
    );
    assert_eq!(client::post(world.cambio.admin, "/metrics", &[]).await.status, 405);
    assert_eq!(ask(&world, "POST", "/page.json", &[("host", "localhost")]).await.status, 405);
}

#[tokio::test]
async fn the_page_shows_permissions_decisions_keys_and_ends() {
    let permissions = "permissions:
  - { clients: [front-end-app], scopes: [email, profile], expires: 2026-11-30 }
  - { clients: ['*'], issuers: [partner], issuance: mint, condition: '\"auditors\" in claims.groups' }
";
    let world = Plan::new().await.audience("back-end-api", &format!("{BACK_END_API}{permissions}")).start().await;
    until("the keys", async || {
        let ready = client::get(world.cambio.admin, "/readyz?include=jwks").await;
        (ready.status == 200).then_some(())
    })
    .await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    world.exchange(&alice, &[("audience", "other-api")]).await;
    world.audit(2).await;
    let mut shown = shown(&world, "").await;
    for line in shown["decisions"].as_array_mut().unwrap() {
        line["duration_ms"] = 0.into();
    }
    for issuer in shown["issuers"].as_array_mut().unwrap() {
        assert!(issuer["ageSeconds"].as_i64().is_some_and(|age| age < 60), "{issuer}");
        issuer["ageSeconds"] = 0.into();
    }
    let folder = world.folder.path("").display().to_string();
    let text = serde_json::to_string_pretty(&shown).unwrap().replace(folder.trim_end_matches('/'), "[folder]");
    golden::check("page.json", &format!("{}\n", golden::mask(&text)));
    let written: Vec<_> = world.audit(2).await.into_iter().rev().map(|line| line["id"].clone()).collect();
    let ids: Vec<_> = shown["decisions"].as_array().unwrap().iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, written, "the audit lines, the newest first");
}

#[tokio::test]
async fn nobody_reads_it_through_a_browser_of_the_machine() {
    let world = World::start().await;
    let here = world.cambio.admin.to_string();
    let own = format!("http://{here}");
    let here = here.as_str();
    for (name, headers, status) in [
        ("its own page", &[("host", here), ("origin", own.as_str()), ("sec-fetch-site", "same-origin")][..], 200),
        ("a program", &[("host", "localhost")], 200),
        ("a page of another site", &[("host", here), ("sec-fetch-site", "cross-site")], 403),
        ("a page of another port", &[("host", here), ("origin", "http://127.0.0.1:1")], 403),
        ("a name that was made to lead here", &[("host", "evil.example")], 421),
    ] {
        for (method, path) in SHOWS_POLICY {
            let answer = ask(&world, method, path, headers).await;
            assert_eq!(answer.status, status, "{name}, {path}: {}", answer.text());
            assert!(status == 200 || !answer.text().contains("front-end-app"), "{name}, {path}");
        }
    }
    for path in FILES {
        assert_eq!(ask(&world, "GET", path, &[("host", "evil.example")]).await.status, 421, "{path}");
    }
    // Probes and scrapers come by other names.
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(&world, "GET", path, &[("host", "evil.example")]).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn with_a_token_nobody_reads_it_without() {
    let plan = Plan::new().await;
    plan.folder.write("admin.token", &format!("{TOKEN}\n"));
    let plan = plan.configure("address: \"127.0.0.1:0\" }", "address: \"127.0.0.1:0\", tokenFile: admin.token }");
    let world = plan.start().await;
    let bearer = format!("Bearer {TOKEN}");
    let with = ("authorization", bearer.as_str());
    let host = ("host", "cambio-admin.keycloak.svc.cluster.local");
    for (method, path) in SHOWS_POLICY {
        for (name, headers) in [("without", &[host][..]), ("wrong", &[host, ("authorization", "Bearer x")])] {
            let answer = ask(&world, method, path, headers).await;
            assert_eq!(answer.status, 401, "{name}, {path}");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"cambio admin\"");
        }
        let answer = ask(&world, method, path, &[host, with]).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(!answer.text().contains(TOKEN), "{path}");
        let other = ask(&world, method, path, &[host, with, ("origin", "https://evil.example")]).await;
        assert_eq!(other.status, 403, "{path}");
    }
    for path in FILES.into_iter().chain(["/metrics", "/livez"]) {
        assert_eq!(ask(&world, "GET", path, &[host]).await.status, 200, "{path}");
    }
    // Like everything under `admin`, another token waits for the next start.
    let other = TOKEN.replace('Z', "z");
    world.rewrite("admin.token", &format!("{other}\n")).await;
    let answer = ask(&world, "GET", "/page.json", &[host, ("authorization", &format!("Bearer {other}"))]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(ask(&world, "GET", "/page.json", &[host, with]).await.status, 200);
}

#[tokio::test]
async fn the_page_says_what_a_reload_refused_and_whose_it_is() {
    let world = World::start().await;
    let load = async || shown(&world, "").await["load"].clone();
    let (at, good) = (load().await["at"].clone(), load().await);
    assert_eq!(good["outcome"], "ok", "{good}");
    assert!(at.is_string(), "{good}");

    world.rewrite("audiences/back-end-api.yaml", &format!("{BACK_END_API}{PERMITTED}  - {{ client: [x] }}\n")).await;
    let partial = load().await;
    assert_eq!(partial["outcome"], "partial", "{partial}");
    let file = &partial["files"][0];
    assert_eq!((&file["audience"], &file["owner"]), (&json!("back-end-api"), &json!("payments-team")), "{file}");
    assert_eq!(file["inForce"], "its last good version");
    assert_eq!(file["problems"][0]["line"], 8, "{file}");
    world.permit(true).await;

    let main = world.folder.read("cambio.yaml");
    world.rewrite("cambio.yaml", &format!("banana: 1\n{main}")).await;
    let refused = load().await;
    assert_eq!(refused["outcome"], "error", "{refused}");
    assert!(refused["error"].as_str().is_some_and(|text| text.contains("banana: unknown key")), "{refused}");
}

#[tokio::test]
async fn many_audiences_are_filtered_and_counted() {
    let mut plan = Plan::new().await;
    for index in 0..60 {
        let clients = if index == 59 { "special-app" } else { "front-end-app, other-app" };
        let text =
            format!("audience: api-{index:02}\nowner: team-{index}\npermissions: [{{ clients: [{clients}] }}]\n");
        plan = plan.audience(&format!("api-{index:02}"), &text);
    }
    let world = plan.start().await;
    for (query, found, rows, first) in [
        ("", 61, 50, "api-00"),
        ("audience=API-1", 10, 10, "api-10"),
        ("audience=team-7", 1, 1, "api-07"),
        ("client=special", 1, 1, "api-59"),
        ("client=special&audience=api-1", 0, 0, ""),
        ("realm=corp&audience=payments", 1, 1, "back-end-api"),
        ("realm=other", 0, 0, ""),
    ] {
        let matrix = shown(&world, query).await["matrix"].clone();
        let list = matrix["rows"].as_array().unwrap();
        assert_eq!((&matrix["audiences"], &matrix["found"], list.len()), (&json!(61), &json!(found), rows), "{query}");
        assert_eq!(list.first().map_or("", |row| row["audience"].as_str().unwrap()), first, "{query}");
    }
    let clients = &shown(&world, "client=other").await["matrix"]["rows"][0]["permissions"][0]["clients"];
    assert_eq!(*clients, json!(["other-app"]), "only the clients that the filter finds");
    for query in ["x=1", "client=a&client=b", "client=%GG"] {
        let answer = client::get_by_address(world.cambio.admin, &format!("/page.json?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
}
