//! The configuration of somebody who lacks its secrets and serves nobody: with a made-up key in the place of each secret that
//! a decision asks for, and without everything that only a running Cambio needs.

use std::path::Path;

use crate::adapters::config::file::client::AuthenticationMethod;
use crate::adapters::config::file::realm::Nonce;
use crate::adapters::config::file::{self, issuer::TrustedIssuer};
use crate::adapters::config::load::document::ReadDocument;
use crate::adapters::config::load::environment::Environment;
use crate::adapters::config::load::main_file;
use crate::adapters::config::load::problem::ProblemList;
use crate::adapters::config::settings::Config;
use crate::adapters::config::settings::realm::RefreshTokens;
use crate::adapters::seal::{self, Seal};
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};
use crate::judgement::issue::ring::KeyRing;

/// Nobody connects to it.
const NOBODY: &str = "http://127.0.0.1:1";

/// The configuration without its secrets. `None` if a value that decides is wrong or not there.
pub(super) fn config(document: &ReadDocument<file::Config>, env: &dyn Environment, base: &Path) -> Option<Config> {
    let written = &document.file;
    let document = ReadDocument {
        file: without_secrets(written.clone()),
        tree: document.tree.clone(),
        hash: document.hash.clone(),
    };
    // What is wrong with the file was reported when the file was checked with its secrets.
    let mut config = main_file(&document, env, &ProblemList::forgiving(base))?;
    for realm in config.realms.values_mut() {
        let written = written.realms.get(&realm.name)?;
        if written.can_sign() {
            realm.signing = Some(ring()?);
        }
        if let Some(tokens) = &written.refresh_tokens {
            realm.refresh_tokens = Some(refresh_tokens(tokens)?);
        }
    }
    Some(config)
}

fn without_secrets(mut config: file::Config) -> file::Config {
    NOBODY.clone_into(&mut config.upstream.url);
    config.upstream.ca = None;
    config.upstream.client_certificate = None;
    config.upstream.certificate_for_own_calls_only = true;
    "127.0.0.1:2".clone_into(&mut config.listen.address);
    config.listen.tls = None;
    config.listen.client_certificate_header = None;
    config.listen.trusted_proxies = Vec::new();
    config.listen.identity_headers = Vec::new();
    config.listen.proxy_protocol = false;
    "127.0.0.1:3".clone_into(&mut config.admin.address);
    config.store = file::platform::Store::default();
    config.audit = file::platform::Audit::default();
    for realm in config.realms.values_mut() {
        realm.signing_key = None;
        realm.signing_keys = None;
        realm.introspection = None;
        realm.directory = None;
        realm.refresh_tokens = None;
        realm.dpop.nonce = Nonce::Off;
        realm.dpop.nonce_key_file = None;
        // Only workloads have an effect on which requests are read.
        realm.clients.retain(|_, methods| {
            let is_workload =
                |method| matches!(method, AuthenticationMethod::Kubernetes | AuthenticationMethod::Spiffe);
            methods.retain(|one| is_workload(one.method));
            !methods.is_empty()
        });
    }
    config.issuers.values_mut().for_each(forget_keys);
    config
}

fn forget_keys(issuer: &mut TrustedIssuer) {
    if issuer.hmac_secret_file.is_some() || issuer.jwks_file.is_some() {
        issuer.issuer.discovery_url = None;
        issuer.jwks_url = Some(format!("{NOBODY}/"));
    }
    issuer.hmac_secret_file = None;
    issuer.jwks_file = None;
    issuer.introspection = None;
    issuer.issuer.certificate_authority_file = None;
    issuer.issuer.bearer_token_file = None;
    issuer.issuer.proxy_url = None;
}

fn ring() -> Option<KeyRing> {
    let pem = generate(KeyKind::P256).ok()?;
    KeyRing::try_from(SigningKey::from_pem(pem.expose().as_bytes()).ok()?).ok()
}

fn refresh_tokens(written: &file::realm::RefreshTokens) -> Option<RefreshTokens> {
    let key = seal::generate().ok()?;
    let seal = Seal::from_texts([key.expose().as_bytes()]).ok()?;
    Some(RefreshTokens { seal: seal.into(), reuse: written.reuse.signed()?, keep_sessions: written.keep_sessions })
}
