//! A folder for one scenario, removed when it ends, and the files that a deployment has.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder of its own.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("cambio-it-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(path.join("audiences")).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        // As an editor or a ConfigMap does: nobody ever reads half a file.
        let fresh = self.path(&format!(".{}.new", name.replace('/', "-")));
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.path(name)).unwrap();
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
    }

    /// The text of a file; empty if there is none.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// `cambio.yaml` for an upstream at this address. Short limits, so that no scenario takes long.
pub fn cambio_yaml(upstream: std::net::SocketAddr) -> String {
    format!(
        r#"upstream:
  url: http://{upstream}
  connectTimeout: 1s
  responseTimeout: 2s
  idleTimeout: 2s
listen:
  address: 127.0.0.1:0
  headerTimeout: 2s
  bodyTimeout: 1s
  maxFormBytes: 64KiB
  drainTimeout: 2s
admin: {{ address: "127.0.0.1:0" }}
realms:
  corp:
    issuer: http://sso.example.org/realms/corp
    subjectIssuers: [corp, partner]
    signingKey: corp.pem
issuers:
  partner:
    issuer: {{ url: "http://sso.example.org/realms/partner", audiences: ["https://sso.example.org"] }}
    jwksURL: http://{upstream}/realms/partner/protocol/openid-connect/certs
audiences: ./audiences
audit: {{ output: audit.jsonl }}
"#
    )
}

/// The file of back-end-api's owner, without its permissions.
pub const BACK_END_API: &str = "audience: back-end-api
owner: payments-team
resources: [https://api.example.org]
roles: { own: true }
token: { lifetime: 5m }
";

/// back-end-api permits front-end-app.
pub const PERMITTED: &str = "permissions:
  - { clients: [front-end-app], scopes: [email, profile] }
";

/// back-end-api permits nobody.
pub const NOBODY: &str = "permissions: []
";

/// A private key in PEM (PKCS#8): EC P-256.
pub fn signing_key_pem() -> String {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let curve = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = aws_lc_rs::signature::EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}
