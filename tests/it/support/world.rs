//! A whole installation on loopback: identity provider, Cambio in front of it, one clock for both, files in a folder.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cambio::adapters::config::watch::WatchPace;
use cambio::edge::app::{self, Running};
use cambio::tools::demo::IdpOptions;
use cambio::words::clock::{Clock, ManualClock};
use jiff::Timestamp;
use serde_json::Value;

use super::client::{self, Answer, DEADLINE};
use super::faults::{FaultyIdp, Layout};
use super::files::{self, BACK_END_API, Folder, NOBODY, PERMITTED};
use super::{form, keys};

pub const TOKEN_PATH: &str = "/realms/corp/protocol/openid-connect/token";
pub const CERTS_PATH: &str = "/realms/corp/protocol/openid-connect/certs";
pub const DISCOVERY_PATH: &str = "/realms/corp/.well-known/openid-configuration";
pub const EXCHANGE_GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// How fast a change of a file counts here. `Folder::write` leaves no half of a file, so no scenario has to wait for a writer.
const PACE: WatchPace = WatchPace {
    interval: Duration::from_millis(50),
    short_interval: Duration::from_millis(20),
    quiet: Duration::from_millis(100),
};

/// What runs, and the handles to it.
pub struct World {
    pub idp: FaultyIdp,
    pub cambio: Running,
    pub folder: Folder,
    pub clock: Arc<ManualClock>,
    source: Clock,
}

/// A world that is not running yet: identity provider up, files written.
pub struct Plan {
    pub idp: FaultyIdp,
    pub folder: Folder,
    clock: Clock,
    hand: Arc<ManualClock>,
    pace: WatchPace,
    variables: BTreeMap<&'static str, String>,
}

/// An environment with these variables.
struct Variables(BTreeMap<&'static str, String>);

impl cambio::adapters::config::load::Environment for Variables {
    fn var(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

impl Plan {
    /// The usual files: one audience that permits front-end-app.
    pub async fn new() -> Self {
        let (clock, hand) = Clock::manual("2026-11-02T08:00:00Z".parse::<Timestamp>().unwrap());
        let options = IdpOptions { port: 0, clock: clock.clone(), keys: Some(keys()) };
        let idp = FaultyIdp::start(options).await.unwrap();
        let folder = Folder::new();
        folder.write("cambio.yaml", &files::cambio_yaml(idp.address()));
        folder.write("corp.pem", &files::signing_key_pem());
        folder.write("audiences/back-end-api.yaml", &format!("{BACK_END_API}{PERMITTED}"));
        Self { idp, folder, clock, hand, pace: PACE, variables: BTreeMap::new() }
    }

    /// In front of a provider that is not Keycloak: corp is the whole host, and its endpoints are at the root.
    pub async fn at_root() -> Self {
        let plan = Self::new().await;
        plan.idp.faults().layout(Layout::Root);
        plan.configure(
            "    issuer: http://sso.example.org/realms/corp\n",
            "    issuer: http://sso.example.org
    dialect: rfc8693
    endpoints:
      token: /token
      jwks: /jwks
      introspection: /token/introspection
      revocation: /token/revocation
      userinfo: /me
      endSession: /session/end
    clientAuthentication: { unregistered: upstream }
",
        )
    }

    /// Goes by another clock, as commands do that run beside it: everything starts anew on it.
    pub async fn timed_by(self, clock: Clock) -> Self {
        let options = IdpOptions { port: 0, clock: clock.clone(), keys: Some(keys()) };
        let idp = FaultyIdp::start(options).await.unwrap();
        self.folder.write("cambio.yaml", &files::cambio_yaml(idp.address()));
        Self { idp, clock, ..self }
    }

    /// Looks at its files as often as `serve` does, and waits as long for a writer.
    pub fn at_the_pace_of_serve(self) -> Self {
        Self { pace: WatchPace::SERVE, ..self }
    }

    /// Replaces text in `cambio.yaml`, which must be there once.
    #[track_caller]
    pub fn configure(self, old: &str, new: &str) -> Self {
        let text = self.folder.read("cambio.yaml");
        assert_eq!(text.matches(old).count(), 1, "{old}");
        self.folder.write("cambio.yaml", &text.replace(old, new));
        self
    }

    /// Sets an environment variable.
    pub fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.insert(name, value.into());
        self
    }

    /// Stands before another upstream than the identity provider.
    #[track_caller]
    pub fn before(self, upstream: SocketAddr) -> Self {
        let old = format!("upstream:\n  url: http://{}", self.idp.address());
        self.configure(&old, &format!("upstream:\n  url: http://{upstream}"))
    }

    /// Writes an audience's file.
    pub fn audience(self, name: &str, text: &str) -> Self {
        self.folder.write(&format!("audiences/{name}.yaml"), text);
        self
    }

    pub async fn try_start(&self) -> Result<Running, String> {
        let config = self.folder.path("cambio.yaml");
        let variables = Arc::new(Variables(self.variables.clone()));
        let started = app::start(&config, variables, self.clock.clone(), self.pace);
        let started = tokio::time::timeout(DEADLINE, started).await.expect("a start within the deadline");
        started.map_err(|error| error.to_string())
    }

    pub async fn start(self) -> World {
        let cambio = self.try_start().await.unwrap_or_else(|error| panic!("{error}"));
        World { idp: self.idp, cambio, folder: self.folder, clock: self.hand, source: self.clock }
    }
}

impl World {
    /// The usual world.
    pub async fn start() -> Self {
        Plan::new().await.start().await
    }

    pub fn address(&self) -> SocketAddr {
        self.cambio.address
    }

    pub fn now(&self) -> i64 {
        self.source.now().as_second()
    }

    /// Starts an identity provider on the port of the one that was stopped.
    pub async fn start_idp(&self, port: u16) -> FaultyIdp {
        FaultyIdp::start(IdpOptions { port, clock: self.source.clone(), keys: Some(keys()) }).await.unwrap()
    }

    /// A token for `user` by password grant, through Cambio.
    pub async fn login(&self, client: &str, secret: &str, user: &str) -> String {
        login(self.address(), TOKEN_PATH, client, secret, user).await.access_token()
    }

    /// Alice's token for front-end-app.
    pub async fn alice(&self) -> String {
        self.login("front-end-app", "front-end-secret", "alice").await
    }

    /// front-end-app exchanges a token for back-end-api, with the fields changed.
    pub async fn exchange(&self, token: &str, changes: &[(&str, &str)]) -> Answer {
        client::post(self.address(), TOKEN_PATH, &form::changed(&exchange_fields(token), changes)).await
    }

    /// The same, past Cambio.
    pub async fn exchange_directly(&self, token: &str, changes: &[(&str, &str)]) -> Answer {
        client::post(self.idp.address(), TOKEN_PATH, &form::changed(&exchange_fields(token), changes)).await
    }

    /// Signs claims with corp's key, as corp itself would.
    pub fn sign(&self, claims: &Value) -> String {
        self.idp.signing_key("corp").unwrap().sign(claims.as_object().unwrap()).unwrap()
    }

    /// Whether back-end-api's file permits front-end-app from now on; returns when the file is in force.
    pub async fn permit(&self, permitted: bool) {
        let permissions = if permitted { PERMITTED } else { NOBODY };
        self.rewrite("audiences/back-end-api.yaml", &format!("{BACK_END_API}{permissions}")).await;
    }

    /// Writes a file and waits until a reload was tried, for good or ill.
    pub async fn rewrite(&self, name: &str, text: &str) {
        let before = self.reloads().await;
        self.folder.write(name, text);
        until("a reload", async || (self.reloads().await != before).then_some(())).await;
    }

    /// The lines of the metrics about reloads.
    pub async fn reloads(&self) -> Vec<String> {
        let metrics = client::get(self.cambio.admin, "/metrics").await.text();
        metrics.lines().filter(|l| l.starts_with("cambio_config_reloads_total")).map(str::to_owned).collect()
    }

    /// The value of a metric's line, for instance `cambio_exchanges_total{outcome="allowed"}`; 0 if it is missing.
    pub async fn metric(&self, line: &str) -> f64 {
        let metrics = client::get(self.cambio.admin, "/metrics").await.text();
        metrics.lines().find_map(|l| l.strip_prefix(line)).map_or(0.0, |value| value.trim().parse().unwrap())
    }

    /// The audit lines, once there are at least so many.
    pub async fn audit(&self, count: usize) -> Vec<Value> {
        until("audit lines", async || {
            let text = self.folder.read("audit.jsonl");
            let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
            let lines: Vec<Value> = whole.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
            (lines.len() >= count).then_some(lines)
        })
        .await
    }

    /// The audit lines so far, without waiting.
    pub fn audit_so_far(&self) -> usize {
        self.folder.read("audit.jsonl").lines().count()
    }

    /// The audit line that a request wrote: the first after `before` lines.
    pub async fn audit_after(&self, before: usize) -> Value {
        self.audit(before + 1).await.swap_remove(before)
    }
}

/// The fields of front-end-app's exchange for back-end-api.
pub fn exchange_fields(token: &str) -> [(&str, &str); 6] {
    [
        ("grant_type", EXCHANGE_GRANT),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
        ("audience", "back-end-api"),
    ]
}

/// Logs in by password grant.
pub async fn login(address: SocketAddr, path: &str, client: &str, secret: &str, user: &str) -> Answer {
    let password = format!("{user}-password");
    let fields = [
        ("grant_type", "password"),
        ("client_id", client),
        ("client_secret", secret),
        ("username", user),
        ("password", &password),
    ];
    client::post(address, path, &fields).await
}

/// Asks again until there is an answer, up to the deadline.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("{what} within the deadline"))
}
