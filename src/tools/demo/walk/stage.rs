//! What the story needs: the identity provider, Cambio with its files in a folder, and the requests.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::adapters::config::load::Environment;
use crate::adapters::config::watch::WatchPace;
use crate::edge::app::{self, Running};
use crate::judgement::issue::key;
use crate::tools::demo::server::{Idp, IdpOptions};
use crate::tools::demo::walk::client::{Call, CallReply};
use crate::tools::demo::walk::error::WalkError;
use crate::tools::private_file;
use crate::words::clock::Clock;
use crate::words::oauth::urn::{self, TokenType};

/// What the owner writes to permit front-end-app.
pub(super) const PERMITTED: &str =
    "permissions:\n  - { clients: [front-end-app], scopes: [email, profile] }\nroles: { own: true }\n";
/// What the owner writes to permit it also for partner's tokens.
pub(super) const PARTNER: &str = r#"permissions:
  - { clients: [front-end-app], scopes: [email, profile] }
  - { clients: [front-end-app], issuers: [partner], issuance: mint }
roles:
  own: true
  map:
    - to: backend_reader
      when: '"partner_user" in claims.resource_access["partner-app"].roles'
      issuers: [partner]
"#;
/// What the owner writes to permit that Bob acts for others.
pub(super) const DELEGATED: &str = r#"permissions:
  - clients: [front-end-app]
    scopes: [email, profile]
    delegation:
      actor: optional
      withoutMayAct: true
      condition: "actor.preferred_username == 'bob'"
roles: { own: true }
"#;
/// What the owner writes to permit nobody.
pub(super) const NOBODY: &str = "permissions: []\n";

/// The rest of the owner's file.
const AUDIENCE: &str = "audience: back-end-api\nowner: payments-team\ntoken: { lifetime: 5m }\n";
const TOKEN_PATH: &str = "/realms/corp/protocol/openid-connect/token";
const PARTNER_PATH: &str = "/realms/partner/protocol/openid-connect/token";
const CERTS_PATH: &str = "/realms/corp/protocol/openid-connect/certs";
/// A changed file is loaded well within this time.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// The running demo.
pub(super) struct Stage {
    idp: Idp,
    cambio: Running,
    folder: PathBuf,
}

/// The demo's configuration uses no variables.
struct NoVariables;

impl Environment for NoVariables {
    fn var(&self, _name: &str) -> Option<String> {
        None
    }
}

impl Stage {
    /// Starts everything on loopback, on the usual ports if they are free.
    pub(super) async fn set() -> Result<Self, WalkError> {
        let port = free_port(8180);
        let idp = Idp::start(IdpOptions { port, clock: Clock::System, keys: None }).await?;
        let folder = std::env::temp_dir().join(format!("cambio-demo-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(folder.join("audiences"))?;
        // The issuer follows the Host header, so the port is needed before Cambio listens on it.
        let (public, admin) = (free_port(8080), free_port(9090));
        fs::write(folder.join("cambio.yaml"), configuration(idp.address(), public, admin))?;
        let pem = key::generate(key::KeyKind::P256).map_err(|error| WalkError::Key(error.to_string()))?;
        private_file::create(&folder.join("corp.pem"), pem.expose().as_bytes())?;
        fs::write(folder.join("audiences/back-end-api.yaml"), format!("{AUDIENCE}{NOBODY}"))?;
        let config = folder.join("cambio.yaml");
        let cambio = app::start(&config, Arc::new(NoVariables), Clock::System, WatchPace::SERVE).await?;
        Ok(Self { idp, cambio, folder })
    }

    /// What runs where.
    pub(super) fn introduction(&self) -> String {
        format!(
            "  identity provider  {}\n  Cambio             http://{}\n  for operators      http://{}\n  files              {}",
            self.idp.url(),
            self.cambio.address,
            self.cambio.admin,
            self.folder.display()
        )
    }

    /// What to do while the demo goes on serving.
    pub(super) fn farewell(&self) -> String {
        format!(
            "\nStill serving. Paste steps 1, 6 and 11 first: they set the shell variables TOKEN, CAROL and BOB. Then paste \
             any other step.\nAn exchange that was allowed needs the permissions of its step again, in\n  \
             {audience}\nLook at http://{admin}/metrics, http://{admin}/config and the audit lines in\n  \
             {audit}\nCtrl-C ends it and removes the files.",
            audience = self.folder.join("audiences/back-end-api.yaml").display(),
            admin = self.cambio.admin,
            audit = self.folder.join("audit.jsonl").display(),
        )
    }

    /// Ends everything and removes the files.
    pub(super) async fn clear(self) {
        self.cambio.stop().await;
        self.idp.stop().await;
        // A folder that is left behind in the place for temporary files does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// The login of Alice or Bob at corp, through Cambio.
    pub(super) fn login(&self, user: &str) -> Call {
        self.password_grant(TOKEN_PATH, "front-end-app", "front-end-secret", user)
    }

    /// Carol's login at partner. Neither corp nor Cambio takes part.
    pub(super) fn foreign_login(&self) -> Call {
        let login = self.password_grant(PARTNER_PATH, "partner-app", "partner-secret", "carol");
        Call { address: self.idp.address(), ..login }
    }

    /// The exchange of Carol's token.
    pub(super) fn foreign_exchange(&self, token: &str) -> Call {
        Call { variable: "CAROL", ..self.exchange(token) }
    }

    /// The exchange of Alice's token.
    pub(super) fn exchange(&self, token: &str) -> Call {
        let fields = [
            ("grant_type", urn::GRANT_TOKEN_EXCHANGE),
            ("client_id", "front-end-app"),
            ("client_secret", "front-end-secret"),
            ("subject_token", token),
            ("subject_token_type", TokenType::AccessToken.urn()),
            ("audience", "back-end-api"),
        ];
        self.call(TOKEN_PATH, &fields)
    }

    /// The exchange of Alice's token, with Bob as the actor.
    pub(super) fn delegated_exchange(&self, alice: &str, bob: &str) -> Call {
        let mut call = self.exchange(alice);
        call.fields.push(("actor_token", bob.to_owned()));
        call.fields.push(("actor_token_type", TokenType::AccessToken.urn().to_owned()));
        call
    }

    /// A call that goes past Cambio. The Host header stays Cambio's, because the token's issuer follows the header.
    pub(super) fn directly(&self, call: Call) -> Call {
        Call { host: Some(call.address.to_string()), address: self.idp.address(), ..call }
    }

    pub(super) fn certs(&self) -> Call {
        self.call(CERTS_PATH, &[])
    }

    /// Sends an exchange and finds its audit line.
    pub(super) async fn audited(&self, call: &Call) -> Result<(CallReply, Value), WalkError> {
        let before = self.audit_lines()?.len();
        let reply = call.send().await?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            if let Some(line) = self.audit_lines()?.into_iter().nth(before) {
                return Ok((reply, line));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(WalkError::Late("the audit line"))
    }

    /// Writes the owner's file and waits until Cambio has loaded it.
    pub(super) async fn write_permissions(&self, permissions: &str) -> Result<(), WalkError> {
        let loaded = Call { address: self.cambio.admin, ..self.call("/config", &[]) };
        let before = loaded.send().await?.body;
        let fresh = self.folder.join("back-end-api.new");
        fs::write(&fresh, format!("{AUDIENCE}{permissions}"))?;
        fs::rename(fresh, self.folder.join("audiences/back-end-api.yaml"))?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            if loaded.send().await?.body != before {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(WalkError::Late("the reload"))
    }

    fn password_grant(&self, path: &'static str, client: &str, secret: &str, user: &str) -> Call {
        let fields = [
            ("grant_type", "password"),
            ("client_id", client),
            ("client_secret", secret),
            ("username", user),
            ("password", &format!("{user}-password")),
        ];
        self.call(path, &fields)
    }

    fn call(&self, path: &'static str, fields: &[(&'static str, &str)]) -> Call {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Call { address: self.cambio.address, host: None, path, fields, variable: "TOKEN" }
    }

    fn audit_lines(&self) -> Result<Vec<Value>, WalkError> {
        let text = fs::read_to_string(self.folder.join("audit.jsonl"))?;
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }
}

fn configuration(upstream: SocketAddr, public: u16, admin: u16) -> String {
    format!(
        "upstream: {{ url: \"http://{upstream}\" }}\n\
         listen: {{ address: \"127.0.0.1:{public}\" }}\n\
         admin: {{ address: \"127.0.0.1:{admin}\" }}\n\
         realms:\n  corp:\n    issuer: http://127.0.0.1:{public}/realms/corp\n    subjectIssuers: [corp, partner]\n    \
         signingKey: corp.pem\n\
         issuers:\n  partner:\n    issuer: {{ url: \"http://{upstream}/realms/partner\", audiences: [\"https://sso.example.org\"] }}\n\
         audiences: ./audiences\n\
         audit: {{ output: audit.jsonl }}\n"
    )
}

/// The preferred port if it is free, otherwise any free port.
fn free_port(preferred: u16) -> u16 {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    bind(preferred).or_else(|_| bind(0)).map_or(preferred, |address| address.port())
}
