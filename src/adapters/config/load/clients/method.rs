//! One method of client authentication.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonwebtoken::Algorithm;

use super::certificate;
use crate::adapters::config::file::client::{self as file, ClientMethod};
use crate::adapters::config::file::issuer::TrustedIssuer;
use crate::adapters::config::load::files::{Holds, named, read_noted};
use crate::adapters::config::load::problem::{At, ProblemList, all};
use crate::adapters::config::load::tokens::issuer_checks;
use crate::adapters::config::load::value::{algorithm, warn_of_plain};
use crate::judgement::client::registry::{ClientKeys, Method, Platform, Workload};
use crate::judgement::client::secret::SecretHash;
use crate::judgement::jose::keys::KeySet;
use crate::words::secret::Secret;

/// The least bytes of a secret that signs assertions: the size of HS256's hash (RFC 7518 section 3.2).
const LEAST_SECRET: usize = 32;

/// The keys of an entry: whether each is given, and the methods that take it.
fn keys(file: &ClientMethod) -> [(&'static str, bool, &'static [file::AuthenticationMethod]); 14] {
    use file::AuthenticationMethod::{
        ClientSecret, ClientSecretJwt, Kubernetes, PrivateKeyJwt, SelfSignedTlsClientAuth, Spiffe, TlsClientAuth,
    };
    [
        ("secretHash", file.secret_hash.is_some(), &[ClientSecret]),
        ("secretHashFile", file.secret_hash_file.is_some(), &[ClientSecret]),
        ("secretFile", file.secret_file.is_some(), &[ClientSecretJwt]),
        ("secret", file.secret.is_some(), &[ClientSecretJwt]),
        ("jwksFile", file.jwks_file.is_some(), &[PrivateKeyJwt]),
        ("jwksURL", file.jwks_url.is_some(), &[PrivateKeyJwt]),
        ("algorithms", file.algorithms.is_some(), &[PrivateKeyJwt, ClientSecretJwt]),
        ("subject", file.subject.is_some(), &[TlsClientAuth, Kubernetes, Spiffe]),
        ("sanDNS", file.san_dns.is_some(), &[TlsClientAuth]),
        ("sanURI", file.san_uri.is_some(), &[TlsClientAuth]),
        ("sanIP", file.san_ip.is_some(), &[TlsClientAuth]),
        ("sanEmail", file.san_email.is_some(), &[TlsClientAuth]),
        ("thumbprints", file.thumbprints.is_some(), &[SelfSignedTlsClientAuth]),
        ("issuer", file.issuer.is_some(), &[Kubernetes, Spiffe]),
    ]
}

pub(super) fn method(
    file: &ClientMethod,
    issuers: &BTreeMap<String, TrustedIssuer>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Method> {
    let mut fits = true;
    for (key, _, _) in keys(file).iter().filter(|(_, given, of)| *given && !of.contains(&file.method)) {
        at.field(key).problem(report, "has no effect with this method");
        fits = false;
    }
    let method = match file.method {
        file::AuthenticationMethod::ClientSecret => secret_hash(file, at, report).map(Method::Secret),
        file::AuthenticationMethod::PrivateKeyJwt => {
            let keys = client_keys(file, at, report);
            let algorithms = algorithms(file, at, report);
            Some(Method::PrivateKeyJwt { keys: keys?, algorithms: algorithms? })
        }
        file::AuthenticationMethod::ClientSecretJwt => {
            let secret = shared_secret(file, at, report);
            let algorithms = hmac_algorithms(file, at, report);
            Some(Method::SecretJwt { secret: secret?, algorithms: algorithms? })
        }
        file::AuthenticationMethod::TlsClientAuth => certificate::name(file, at, report).map(Method::Tls),
        file::AuthenticationMethod::SelfSignedTlsClientAuth => {
            certificate::thumbprints(file, at, report).map(Method::SelfSignedTls)
        }
        file::AuthenticationMethod::Kubernetes => workload(file, Platform::Kubernetes, issuers, at, report),
        file::AuthenticationMethod::Spiffe => workload(file, Platform::Spiffe, issuers, at, report),
        file::AuthenticationMethod::None => Some(Method::Public),
    };
    method.filter(|_| fits)
}

fn secret_hash(file: &ClientMethod, at: &At<'_>, report: &mut ProblemList) -> Option<SecretHash> {
    let (text, at) = match (&file.secret_hash, &file.secret_hash_file) {
        (Some(hash), None) => (hash.clone(), at.field("secretHash")),
        (None, Some(path)) => {
            let at = at.field("secretHashFile");
            (content(path, &at, report)?.expose().to_owned(), at)
        }
        _ => {
            at.problem(report, "needs one of secretHash and secretHashFile; `cambio client-secret` makes the hash");
            return None;
        }
    };
    SecretHash::parse(&text).map_err(|error| at.problem(report, error.to_string())).ok()
}

fn shared_secret(file: &ClientMethod, at: &At<'_>, report: &mut ProblemList) -> Option<Secret> {
    let (secret, at) = match (&file.secret, &file.secret_file) {
        (Some(secret), None) => {
            let at = at.field("secret");
            if !at.is_from_environment() {
                at.problem(report, "a secret does not belong in this file: name a secretFile, or an environment variable as \"${NAME}\"");
                return None;
            }
            (Secret::new(secret.as_str()), at)
        }
        (None, Some(path)) => {
            let at = at.field("secretFile");
            (content(path, &at, report)?, at)
        }
        _ => {
            at.problem(report, "needs one of secretFile and secret");
            return None;
        }
    };
    if secret.expose().len() < LEAST_SECRET {
        at.problem(
            report,
            format!("the secret is shorter than {LEAST_SECRET} bytes: whoever guesses it can make assertions"),
        );
        return None;
    }
    Some(secret)
}

/// The text of a small file, without the line break at its end.
fn content(path: &str, at: &At<'_>, report: &mut ProblemList) -> Option<Secret> {
    let file = named(path, Holds::Anything, at, report)?;
    let read = read_noted(&file, report).map(|bytes| {
        let text = std::str::from_utf8(&bytes).ok()?;
        Some(Secret::new(text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text)))
    });
    match read {
        Ok(Some(text)) => Some(text),
        Ok(None) => {
            at.problem(report, "the file is not UTF-8");
            None
        }
        Err(error) => {
            at.problem(report, format!("the file {error}"));
            None
        }
    }
}

fn client_keys(file: &ClientMethod, at: &At<'_>, report: &mut ProblemList) -> Option<ClientKeys> {
    match (&file.jwks_file, &file.jwks_url) {
        (Some(path), None) => {
            let at = at.field("jwksFile");
            let set = content(path, &at, report)?;
            match KeySet::parse(set.expose().as_bytes()) {
                Ok(keys) => Some(ClientKeys::Set(Arc::new(keys))),
                Err(error) => {
                    at.problem(report, error.to_string());
                    None
                }
            }
        }
        (None, Some(url)) => {
            warn_of_plain(url, &at.field("jwksURL"), report);
            Some(ClientKeys::Url(url.clone()))
        }
        _ => {
            at.problem(report, "needs one of jwksFile and jwksURL");
            None
        }
    }
}

fn algorithms(file: &ClientMethod, at: &At<'_>, report: &mut ProblemList) -> Option<Vec<Algorithm>> {
    let at = at.field("algorithms");
    match file.algorithms.as_deref() {
        None | Some([]) => {
            at.problem(report, "name the algorithms that the client signs with, such as [ES256]");
            None
        }
        Some(names) => all(names.iter().enumerate().map(|(i, name)| algorithm(name, &at.item(i), report))),
    }
}

fn hmac_algorithms(file: &ClientMethod, at: &At<'_>, report: &mut ProblemList) -> Option<Vec<Algorithm>> {
    let at = at.field("algorithms");
    match file.algorithms.as_deref() {
        None => Some(vec![Algorithm::HS256]),
        Some([]) => {
            at.problem(report, "is empty: no assertion would ever be accepted");
            None
        }
        Some(names) => all(names.iter().enumerate().map(|(index, name)| match name.as_str() {
            "HS256" => Some(Algorithm::HS256),
            "HS384" => Some(Algorithm::HS384),
            "HS512" => Some(Algorithm::HS512),
            other => {
                let at = at.item(index);
                at.problem(report, format!("{} is not HS256, HS384 or HS512", at.shown(other)));
                None
            }
        })),
    }
}

fn workload(
    file: &ClientMethod,
    platform: Platform,
    issuers: &BTreeMap<String, TrustedIssuer>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Method> {
    let prefix = match platform {
        Platform::Kubernetes => "system:serviceaccount:",
        Platform::Spiffe => "spiffe://",
    };
    let subject = file
        .subject
        .as_deref()
        .filter(|subject| subject.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && !rest.contains('*')));
    if subject.is_none() {
        at.field("subject")
            .problem(report, format!("must be the token's `sub`, letter for letter, which begins with {prefix}"));
    }
    let issuer = file.issuer.as_ref().and_then(|name| issuers.get_key_value(name));
    let Some((name, issuer)) = issuer else {
        at.field("issuer").problem(report, "must be the name of an entry of `issuers`");
        return None;
    };
    Some(Method::Workload(Workload {
        platform,
        issuer: name.clone(),
        url: issuer.issuer.url.clone(),
        subject: subject?.to_owned(),
        tokens: issuer_checks(issuer)?,
    }))
}
