//! Each preset of `issuers.*.preset`, with a token as its issuer's documentation shows it, a discovery document and keys: the
//! token is exchanged, and is refused when a mark, a claim, the algorithm or the audience is wrong.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use cambio::judgement::issue::key::{KeyKind, SigningKey, generate};
use cambio::tools::demo::RealmKey;
use serde_json::{Map, Value, json};

use crate::support::client;
use crate::support::files::BACK_END_API;
use crate::support::token;
use crate::support::world::{ACCESS_TOKEN, ID_TOKEN, Plan, World};

/// A preset, and what its issuer's documentation shows (`source`).
struct Fixture {
    name: String,
    value: Value,
}

impl Fixture {
    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/issuers");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let read = |path: std::path::PathBuf| {
            let value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            Self { name: path.file_stem().unwrap().to_str().unwrap().to_owned(), value }
        };
        files.map(read).collect()
    }

    /// The entry in `issuers`, with the discovery document at `server`.
    fn entry(&self, server: SocketAddr) -> String {
        let name = &self.name;
        let discovery = format!("discoveryURL: 'http://{server}/{name}/.well-known/openid-configuration'");
        let settings = self.value["settings"].as_str().unwrap();
        let settings = settings.replacen("issuer: { ", &format!("issuer: {{ {discovery}, "), 1);
        format!("  {name}:\n    preset: {name}\n    {settings}\n")
    }

    fn token_type(&self) -> &'static str {
        if self.value["type"] == "id_token" { ID_TOKEN } else { ACCESS_TOKEN }
    }

    fn issuer(&self) -> &str {
        self.value["claims"]["iss"].as_str().unwrap()
    }

    /// The claims, with these changes.
    fn claims(&self, with: &Value, without: &Value) -> Map<String, Value> {
        let mut claims = self.value["claims"].as_object().unwrap().clone();
        claims.extend(with.as_object().cloned().unwrap_or_default());
        claims.retain(|name, _| !without.as_array().is_some_and(|names| names.iter().any(|one| one == name)));
        claims
    }

    /// Whom the token is for, changed.
    fn another_audience(&self) -> Value {
        self.value.get("audience").cloned().unwrap_or_else(|| json!({"aud": "another-audience"}))
    }
}

/// The keys that every issuer signs with: RS256, and ES256 where the fixture says so.
struct IssuerKeys {
    rsa: Arc<RealmKey>,
    ec: SigningKey,
}

impl IssuerKeys {
    fn sign(&self, header: &Value, claims: &Map<String, Value>) -> String {
        if header["alg"] == "ES256" {
            return self.ec.sign(claims, "JWT").unwrap();
        }
        let mut header = header.clone();
        header["kid"] = json!(self.rsa.kid());
        self.rsa.sign_raw(&header.to_string(), &Value::from(claims.clone()).to_string()).unwrap()
    }
}

struct Issuers {
    world: World,
    keys: IssuerKeys,
    fixtures: Vec<Fixture>,
}

impl Issuers {
    /// One world that trusts all of them.
    async fn start() -> Self {
        let fixtures = Fixture::all();
        let plan = Plan::new().await;
        let rsa = plan.idp.signing_key("partner").unwrap();
        let ec = SigningKey::from_pem(generate(KeyKind::P256).unwrap().expose().as_bytes()).unwrap();
        let set = json!({ "keys": [rsa.jwk(), ec.jwk()] }).to_string();
        let (server, faults) = (plan.idp.address(), plan.idp.faults());
        for fixture in &fixtures {
            let at = format!("/{}", fixture.name);
            let mut discovery = fixture.value["discovery"].clone();
            discovery["jwks_uri"] = json!(format!("http://{server}{at}/keys"));
            faults.answer_at(&format!("{at}/.well-known/openid-configuration"), 200, &discovery.to_string());
            faults.answer_at(&format!("{at}/keys"), 200, &set);
        }
        let names: Vec<&str> = fixtures.iter().map(|fixture| fixture.name.as_str()).collect();
        let names = names.join(", ");
        let entries: String = fixtures.iter().map(|fixture| fixture.entry(server)).collect();
        let permission = format!(
            "permissions:\n  - {{ clients: [front-end-app], issuers: [{names}], issuance: mint, \
             subjectTokens: [access_token, id_token] }}\n"
        );
        let audience = BACK_END_API.replace("token: { ", "token: { subject: mapped, ");
        let world = plan
            .configure("subjectIssuers: [corp, partner]", &format!("subjectIssuers: [corp, partner, {names}]"))
            .configure("\nissuers:\n", &format!("\nissuers:\n{entries}"))
            .audience("back-end-api", &format!("{audience}{permission}"))
            .start()
            .await;
        Self { world, keys: IssuerKeys { rsa, ec }, fixtures }
    }

    /// Signs claims, with the times of now.
    fn token(&self, header: &Value, mut claims: Map<String, Value>) -> String {
        let now = self.world.now();
        for (name, at) in [("iat", now - 10), ("nbf", now - 10), ("auth_time", now - 10), ("exp", now + 300)] {
            claims.entry(name).and_modify(|time| *time = json!(at));
        }
        self.keys.sign(header, &claims)
    }

    async fn refuses(&self, name: &str, token: &str, kind: &str, reason: &str, detail: &str) {
        let before = self.world.audit_so_far();
        let answer = self.world.exchange(token, &[("subject_token_type", kind)]).await;
        assert!(answer.status.is_client_error(), "{name}: {}", answer.text());
        let line = self.world.audit_after(before).await;
        assert_eq!(line["reason"], reason, "{name}: {line}");
        assert!(line["detail"].as_str().unwrap().contains(detail), "{name}: {line}");
    }
}

#[test]
fn every_preset_has_a_fixture_with_its_source() {
    let mut fixtures: Vec<String> = Fixture::all().into_iter().map(|fixture| fixture.name).collect();
    fixtures.sort();
    let presets: Vec<&str> = cambio::adapters::config::presets::names().collect();
    assert_eq!(fixtures, presets);
    for Fixture { name, value } in Fixture::all() {
        let sources = value["source"].as_array().unwrap();
        assert!(sources.iter().all(|url| url.as_str().unwrap().starts_with("https://")), "{name}");
        assert!(!sources.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_token_of_each_issuer_is_exchanged_by_its_preset() {
    let issuers = Issuers::start().await;
    for fixture in &issuers.fixtures {
        let name = &fixture.name;
        let token = issuers.token(&fixture.value["header"], fixture.claims(&json!({}), &json!([])));
        let before = issuers.world.audit_so_far();
        let answer = issuers.world.exchange(&token, &[("subject_token_type", fixture.token_type())]).await;
        let line = issuers.world.audit_after(before).await;
        assert_eq!(answer.status, 200, "{name}: {line}");
        assert_eq!(line["subject_issuer"], json!(name), "{name}");
        let issued = token::claims(&answer.access_token());
        assert_eq!(issued["sub"], fixture.value["subject"], "{name}: an id that nobody else gets");
    }
}

#[tokio::test]
async fn a_token_that_is_wrong_in_one_thing_is_refused() {
    let issuers = Issuers::start().await;
    for fixture in &issuers.fixtures {
        let (name, kind) = (&fixture.name, fixture.token_type());
        let (header, none) = (&fixture.value["header"], &Value::Null);
        let good = || fixture.claims(none, none);
        let row = |row: &str| format!("{name}: {row}");
        for algorithm in ["none", "HS256", "RS512"] {
            let mut header = header.clone();
            header["alg"] = json!(algorithm);
            let token = issuers.token(&header, good());
            issuers.refuses(&row(algorithm), &token, kind, "subject_token_algorithm", "").await;
        }
        let unsigned = issuers.token(header, good());
        let unsigned = &unsigned[..=unsigned.rfind('.').unwrap()];
        let answer = issuers.world.exchange(unsigned, &[("subject_token_type", kind)]).await;
        assert_eq!(answer.status, 400, "{name}: no signature");

        let token = issuers.token(header, fixture.claims(&fixture.another_audience(), none));
        issuers.refuses(&row("audience"), &token, kind, "subject_token_audience", "").await;

        let id_token = fixture.value["idToken"].as_object().cloned();
        // Dex's two kinds look alike.
        if let Some(claims) = id_token.or_else(|| (kind == ID_TOKEN).then(good)) {
            let token = issuers.token(header, claims);
            let detail = "expected a token of the type access_token";
            issuers.refuses(&row("ID token"), &token, ACCESS_TOKEN, "subject_token_kind", detail).await;
        } else {
            assert_eq!(name, "dex");
        }
        let expired = {
            let mut claims = good();
            claims.insert("exp".to_owned(), json!(issuers.world.now() - 100));
            issuers.keys.sign(header, &claims)
        };
        issuers.refuses(&row("expired"), &expired, kind, "subject_token_expired", "").await;

        for wrong in fixture.value["wrong"].as_array().unwrap() {
            let token = issuers.token(header, fixture.claims(&wrong["with"], &wrong["without"]));
            let (what, reason) = (row(wrong["name"].as_str().unwrap()), wrong["reason"].as_str().unwrap());
            issuers.refuses(&what, &token, kind, reason, wrong["detail"].as_str().unwrap_or_default()).await;
        }
    }
}

/// What is in force can be seen, and what of it came from where.
#[tokio::test]
async fn the_admin_listener_shows_what_a_preset_stands_for() {
    let issuers = Issuers::start().await;
    let config = client::get_by_address(issuers.world.cambio.admin, "/config").await.json();
    for fixture in &issuers.fixtures {
        let (name, shown) = (&fixture.name, &config["issuers"][&fixture.name]);
        assert_eq!(shown["preset"], json!(name));
        assert!(fixture.issuer().starts_with(shown["issuer"].as_str().unwrap().split('{').next().unwrap()), "{shown}");
        let from: Vec<&str> = shown["fromPreset"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
        assert!(from.contains(&"claimMappings.username.expression") && from.contains(&"algorithms"), "{shown}");
        assert!(!from.contains(&"issuer.audiences"), "{shown}");
        assert!(shown["settings"]["claimMappings"]["username"]["expression"].is_string(), "{shown}");
        assert!(shown["settings"]["issuer"]["audiences"].is_array(), "{shown}");
    }
    let rules = &config["issuers"]["github-actions"]["settings"]["claimValidationRules"];
    assert_eq!(rules[0]["message"], "not our organisation", "the operator's list replaces the preset's: {rules}");
    assert_eq!(config["issuers"]["partner"]["preset"], Value::Null);
    assert_eq!(config["issuers"]["partner"]["fromPreset"], json!([]));
}
