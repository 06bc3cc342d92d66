//! The configuration: the platform's file and an audience file.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cambio::adapters::config::load::load;
use cambio::judgement::issue::key::{KeyKind, generate};

const PLATFORM: &str = r#"
upstream: { url: "http://127.0.0.1:8180" }
listen: { address: "127.0.0.1:8080" }
admin: { address: "127.0.0.1:9090" }
realms:
  corp: { issuer: "https://sso.example.org/realms/corp", subjectIssuers: [corp, partner], signingKey: corp.pem }
issuers:
  partner: { issuer: { url: "https://login.partner.example", audiences: ["https://sso.example.org/realms/corp"] } }
"#;

/// The first byte chooses the file, the rest is its text. A file is read the same way twice, and with a key that Cambio
/// does not know, no file is in force.
pub fn check(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (platform, audience) = if choice % 2 == 0 { (PLATFORM, text) } else { (text, "") };
    let loaded = outcome(platform, audience);
    assert_eq!(outcome(platform, audience), loaded, "read again, the files are others");
    let stranger = |text: &str| format!("{text}\nunknownToCambio: 1\n");
    if choice % 2 == 0 {
        let in_force = loaded.expect("a mistake in an audience file is none of the whole").1;
        if in_force > 0 {
            let (_, in_force) = outcome(platform, &stranger(audience)).expect("as before");
            assert_eq!(in_force, 0, "a file with an unknown key is in force");
        }
    } else if loaded.is_ok() {
        assert!(outcome(&stranger(platform), audience).is_err(), "a file with an unknown key is in force");
    }
}

/// The hash of the policy and the number of audience files in force, or the problems.
fn outcome(platform: &str, audience: &str) -> Result<(String, usize), String> {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file of the target");
    write("cambio.yaml", platform);
    if audience.is_empty() {
        let _ = std::fs::remove_file(folder.join("audiences/a.yaml"));
    } else {
        write("audiences/a.yaml", audience);
    }
    match load(&folder.join("cambio.yaml"), &()) {
        Ok(config) => Ok((config.policy.hash.clone(), config.audience_files.in_force.len())),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a word");
            Err(problems.iter().map(ToString::to_string).collect())
        }
    }
}

/// A folder of this process in memory, if there is such a place.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = place.join(format!("cambio-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("audiences")).expect("a folder of the target");
        let key = generate(KeyKind::P256).expect("a key");
        std::fs::write(folder.join("corp.pem"), key.expose()).expect("a file of the target");
        folder
    })
}
