//! One method of client authentication.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonwebtoken::Algorithm;

use crate::adapters::config::file::client::{self as file, ClientMethod};
use crate::adapters::config::file::issuer::TrustedIssuer;
use crate::adapters::config::load::files::{Holds, named, read_noted};
use crate::adapters::config::load::format::thumbprint_of;
use crate::adapters::config::load::issuers::issuer_checks;
use crate::adapters::config::load::problem::{At, all};
use crate::adapters::config::load::value::{algorithm, warn_of_plain};
use crate::judgement::client::certificate::{CertificateName, DistinguishedName};
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

pub(super) fn method(file: &ClientMethod, issuers: &BTreeMap<String, TrustedIssuer>, at: &At<'_>) -> Option<Method> {
    let mut fits = true;
    for (key, _, _) in keys(file).iter().filter(|(_, given, of)| *given && !of.contains(&file.method)) {
        at.field(key).problem("has no effect with this method");
        fits = false;
    }
    let method = match file.method {
        file::AuthenticationMethod::ClientSecret => secret_hash(file, at).map(Method::Secret),
        file::AuthenticationMethod::PrivateKeyJwt => {
            let keys = client_keys(file, at);
            let algorithms = algorithms(file, at);
            Some(Method::PrivateKeyJwt { keys: keys?, algorithms: algorithms? })
        }
        file::AuthenticationMethod::ClientSecretJwt => {
            let secret = shared_secret(file, at);
            let algorithms = hmac_algorithms(file, at);
            Some(Method::SecretJwt { secret: secret?, algorithms: algorithms? })
        }
        file::AuthenticationMethod::TlsClientAuth => certificate_name(file, at).map(Method::Tls),
        file::AuthenticationMethod::SelfSignedTlsClientAuth => thumbprints(file, at).map(Method::SelfSignedTls),
        file::AuthenticationMethod::Kubernetes => workload(file, Platform::Kubernetes, issuers, at),
        file::AuthenticationMethod::Spiffe => workload(file, Platform::Spiffe, issuers, at),
        file::AuthenticationMethod::None => Some(Method::Public),
    };
    method.filter(|_| fits)
}

fn secret_hash(file: &ClientMethod, at: &At<'_>) -> Option<SecretHash> {
    match (&file.secret_hash, &file.secret_hash_file) {
        (Some(hash), None) => at.field("secretHash").ok(SecretHash::parse(hash)),
        (None, Some(path)) => {
            let at = at.field("secretHashFile");
            at.ok(SecretHash::parse(content(path, &at)?.expose()))
        }
        _ => at.refuse("needs one of secretHash and secretHashFile; `cambio client-secret` makes the hash"),
    }
}

fn shared_secret(file: &ClientMethod, at: &At<'_>) -> Option<Secret> {
    let (secret, at) = match (&file.secret, &file.secret_file) {
        (Some(secret), None) => {
            let at = at.field("secret");
            if !at.is_from_environment() {
                return at.refuse(
                    "a secret does not belong in this file: name a secretFile, or an environment variable as \"${NAME}\"",
                );
            }
            (Secret::new(secret.as_str()), at)
        }
        (None, Some(path)) => {
            let at = at.field("secretFile");
            (content(path, &at)?, at)
        }
        _ => return at.refuse("needs one of secretFile and secret"),
    };
    if secret.expose().len() < LEAST_SECRET {
        let message =
            format!("the secret is shorter than {LEAST_SECRET} bytes: whoever guesses it can make assertions");
        return at.refuse(message);
    }
    Some(secret)
}

/// The text of a small file, without the line break at its end.
fn content(path: &str, at: &At<'_>) -> Option<Secret> {
    let file = named(path, Holds::Anything, at)?;
    let bytes = at.ok(read_noted(&file, at.report).map_err(|error| format!("the file {error}")))?;
    let text = at.ok(std::str::from_utf8(&bytes).map_err(|_| "the file is not UTF-8"))?;
    Some(Secret::new(text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text)))
}

fn client_keys(file: &ClientMethod, at: &At<'_>) -> Option<ClientKeys> {
    match (&file.jwks_file, &file.jwks_url) {
        (Some(path), None) => {
            let at = at.field("jwksFile");
            let set = content(path, &at)?;
            let keys = at.ok(KeySet::parse(set.expose().as_bytes()))?;
            if !keys.left_out().is_empty() && !keys.is_empty() {
                at.warning(format!("some keys are not used: {}", keys.left_out_summary()));
            }
            at.ok(keys.usable()).map(|keys| ClientKeys::Set(Arc::new(keys)))
        }
        (None, Some(url)) => {
            warn_of_plain(url, &at.field("jwksURL"));
            Some(ClientKeys::Url(url.clone()))
        }
        _ => at.refuse("needs one of jwksFile and jwksURL"),
    }
}

fn algorithms(file: &ClientMethod, at: &At<'_>) -> Option<Vec<Algorithm>> {
    let at = at.field("algorithms");
    match file.algorithms.as_deref() {
        None | Some([]) => at.refuse("name the algorithms that the client signs with, such as [ES256]"),
        Some(names) => at.all(names, |name, at| algorithm(name, at)),
    }
}

fn hmac_algorithms(file: &ClientMethod, at: &At<'_>) -> Option<Vec<Algorithm>> {
    let at = at.field("algorithms");
    match file.algorithms.as_deref() {
        None => Some(vec![Algorithm::HS256]),
        Some([]) => at.refuse("is empty: no assertion would ever be accepted"),
        Some(names) => at.all(names, |name, at| match name.as_str() {
            "HS256" => Some(Algorithm::HS256),
            "HS384" => Some(Algorithm::HS384),
            "HS512" => Some(Algorithm::HS512),
            other => at.refuse(format!("{} is not HS256, HS384 or HS512", at.shown(other))),
        }),
    }
}

/// The name in a client's certificate.
fn certificate_name(file: &ClientMethod, at: &At<'_>) -> Option<CertificateName> {
    let given = [
        ("subject", &file.subject),
        ("sanDNS", &file.san_dns),
        ("sanURI", &file.san_uri),
        ("sanIP", &file.san_ip),
        ("sanEmail", &file.san_email),
    ];
    let mut given = given.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
    let (Some((key, value)), None) = (given.next(), given.next()) else {
        return at.refuse("needs one of subject, sanDNS, sanURI, sanIP and sanEmail");
    };
    let parsed = match key {
        _ if value.is_empty() => None,
        "subject" => DistinguishedName::parse(value).map(CertificateName::Subject),
        "sanDNS" => Some(CertificateName::Dns(value.to_ascii_lowercase())),
        "sanURI" => Some(CertificateName::Uri(value.to_owned())),
        "sanIP" => value.parse().ok().map(CertificateName::Ip),
        _ => Some(CertificateName::Email(value.to_owned())),
    };
    let at = at.field(key);
    parsed.or_else(|| {
        at.refuse(format!("{} is not such a name; write a subject like CN=batch,O=Example", at.shown(value)))
    })
}

/// The thumbprints of a client's certificates.
fn thumbprints(file: &ClientMethod, at: &At<'_>) -> Option<Vec<[u8; 32]>> {
    let given = file.thumbprints.as_deref().unwrap_or_default();
    if given.is_empty() {
        return at.field("thumbprints").refuse("name the SHA-256 thumbprint of each certificate that Cambio accepts");
    }
    all(given.iter().map(|text| thumbprint_of(text)))
}

fn workload(
    file: &ClientMethod,
    platform: Platform,
    issuers: &BTreeMap<String, TrustedIssuer>,
    at: &At<'_>,
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
            .problem(format!("must be the token's `sub`, letter for letter, which begins with {prefix}"));
    }
    let issuer = file.issuer.as_ref().and_then(|name| issuers.get_key_value(name));
    let Some((name, issuer)) = issuer else {
        return at.field("issuer").refuse("must be the name of an entry of `issuers`");
    };
    if issuer.hmac_secret_file.is_some() {
        return at.field("issuer").refuse("shares a secret with Cambio: a platform signs with a private key");
    }
    if issuer.issuer.tenants.is_some() {
        return at.field("issuer").refuse("has tenants: a workload is of an issuer with one `iss`");
    }
    Some(Method::Workload(Workload {
        platform,
        issuer: name.clone(),
        url: issuer.issuer.url.clone(),
        subject: subject?.to_owned(),
        tokens: Box::new(issuer_checks(issuer)?),
    }))
}
