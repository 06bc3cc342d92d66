//! `realms.*.clients` and `realms.*.clientAuthentication`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;

use super::files::{Holds, named, read_noted};
use super::issuers::{Written, algorithm, fetched, issuer_checks};
use super::platform::all;
use super::problem::{At, ProblemList};
use super::value::period;
use crate::adapters::config::file::Listen;
use crate::adapters::config::file::client::{self as file, ClientMethod};
use crate::adapters::config::file::issuer::Realm;
use crate::judgement::client::certificate::{CertificateName, DistinguishedName};
use crate::judgement::client::registry::{
    ClientKeys, Clients, Method, Platform, Unregistered, Workload, Workloads,
};
use crate::judgement::client::secret::SecretHash;
use crate::judgement::jose::keys::KeySet;
use crate::words::secret::Secret;

/// Longest time that the upstream's yes is remembered.
const LONGEST_CACHE: Duration = Duration::from_secs(300);
/// The least bytes of a secret by which assertions are authenticated: HS256's own size (RFC 7518 section 3.2).
const LEAST_SECRET: usize = 32;

/// Everything about the clients of one realm. `at` is the realm, `token_paths` where its token endpoint is.
pub(super) fn clients(
    realm: &Realm,
    token_paths: &[String],
    written: Written<'_>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Clients> {
    let unregistered = unregistered(realm, &at.field("clientAuthentication"), report);
    let clients_at = at.field("clients");
    let registered = all(realm.clients.iter().map(|(id, methods)| {
        let at = clients_at.field(id);
        if id.is_empty() || id.chars().any(char::is_control) {
            at.problem(report, "the client id is empty or has control characters");
        }
        if methods.is_empty() {
            at.problem(
                report,
                "is empty: name the methods of which one suffices, or `- method: none` for a public client",
            );
            return None;
        }
        let methods = all(methods
            .iter()
            .enumerate()
            .map(|(index, one)| method(one, written, &at.item(index), report)))?;
        if methods.len() > 1 && methods.iter().any(|method| matches!(method, Method::Public)) {
            at.warning(
                report,
                "`none` makes the other methods needless: whoever knows the client id is the client",
            );
        }
        Some((id.clone(), methods))
    }));
    let registered: BTreeMap<_, _> = registered?.into_iter().collect();
    Some(Clients {
        workloads: Arc::new(Workloads::of(&registered)),
        registered,
        unregistered: unregistered?,
        audiences: std::iter::once(realm.issuer.clone())
            .chain(token_paths.iter().map(|path| at_host_of(&realm.issuer, path)))
            .collect(),
    })
}

/// A method by certificate can't be met where no certificate ever comes.
pub(super) fn certificates_come(
    realms: &BTreeMap<String, Realm>,
    listen: &Listen,
    at: &At<'_>,
    report: &mut ProblemList,
) {
    let asked = listen.tls.as_ref().and_then(|tls| tls.client_certificates.as_ref());
    let header = listen.client_certificate_header.as_ref();
    let vouched =
        asked.is_some_and(|asked| asked.ca.is_some()) || header.is_some_and(|header| header.ca.is_some());
    for (name, realm) in realms {
        let at = at.field(name).field("clients");
        for (id, methods) in &realm.clients {
            for (index, method) in methods.iter().enumerate() {
                let message = match method.method {
                    file::AuthenticationMethod::TlsClientAuth if !vouched => {
                        "needs listen.tls.clientCertificates.ca or listen.clientCertificateHeader.ca, which vouches for names"
                    }
                    file::AuthenticationMethod::SelfSignedTlsClientAuth
                        if asked.is_none() && header.is_none() =>
                    {
                        "needs listen.tls.clientCertificates or listen.clientCertificateHeader, by which certificates come"
                    }
                    _ => continue,
                };
                at.field(id).item(index).field("method").problem(report, message);
            }
        }
    }
}

/// The public URL of a path.
fn at_host_of(issuer: &str, path: &str) -> String {
    let after_scheme = issuer.find("://").map_or(0, |at| at + 3);
    let end = issuer
        .get(after_scheme..)
        .and_then(|rest| rest.find('/'))
        .map_or(issuer.len(), |at| after_scheme + at);
    format!("{}{path}", issuer.get(..end).unwrap_or_default())
}

fn unregistered(realm: &Realm, at: &At<'_>, report: &mut ProblemList) -> Option<Unregistered> {
    let file = realm.client_authentication.clone().unwrap_or_default();
    let cache_for = period(&file.cache_for, Duration::ZERO..=LONGEST_CACHE, &at.field("cacheFor"), report)?;
    Some(match file.unregistered {
        file::Unregistered::Upstream => Unregistered::Upstream { cache_for },
        file::Unregistered::Refuse => Unregistered::Refused,
    })
}

/// Keys of a method's entry, whether they are given, and the methods to which they belong.
fn keys(file: &ClientMethod) -> [(&'static str, bool, &'static [file::AuthenticationMethod]); 14] {
    use file::AuthenticationMethod::{
        ClientSecret, ClientSecretJwt, Kubernetes, PrivateKeyJwt, SelfSignedTlsClientAuth, Spiffe,
        TlsClientAuth,
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

fn method(
    file: &ClientMethod,
    written: Written<'_>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Method> {
    let mut fits = true;
    for (key, _, _) in keys(file).iter().filter(|(_, given, of)| *given && !of.contains(&file.method)) {
        at.field(key).problem(report, "has no meaning with this method");
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
        file::AuthenticationMethod::TlsClientAuth => certificate_name(file, at, report).map(Method::Tls),
        file::AuthenticationMethod::SelfSignedTlsClientAuth => {
            thumbprints(file, at, report).map(Method::SelfSignedTls)
        }
        file::AuthenticationMethod::Kubernetes => workload(file, Platform::Kubernetes, written, at, report),
        file::AuthenticationMethod::Spiffe => workload(file, Platform::Spiffe, written, at, report),
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
            at.problem(report, "needs one of secretHash and secretHashFile; `cambio client-secret` makes it");
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
                at.problem(report, "a secret is not written here: name a secretFile, or an environment variable as \"${NAME}\"");
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
            format!(
                "the secret is shorter than {LEAST_SECRET} bytes: assertions could be made by guessing it"
            ),
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
        (None, Some(url)) => fetched(url, &at.field("jwksURL"), report).map(ClientKeys::Url),
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

fn certificate_name(file: &ClientMethod, at: &At<'_>, report: &mut ProblemList) -> Option<CertificateName> {
    let given = [
        ("subject", &file.subject),
        ("sanDNS", &file.san_dns),
        ("sanURI", &file.san_uri),
        ("sanIP", &file.san_ip),
        ("sanEmail", &file.san_email),
    ];
    let mut given = given.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
    let (Some((key, value)), None) = (given.next(), given.next()) else {
        at.problem(report, "needs one of subject, sanDNS, sanURI, sanIP and sanEmail");
        return None;
    };
    let name = match key {
        _ if value.is_empty() => None,
        "subject" => DistinguishedName::parse(value).map(CertificateName::Subject),
        "sanDNS" => Some(CertificateName::Dns(value.to_ascii_lowercase())),
        "sanURI" => Some(CertificateName::Uri(value.to_owned())),
        "sanIP" => value.parse().ok().map(CertificateName::Ip),
        _ => Some(CertificateName::Email(value.to_owned())),
    };
    if name.is_none() {
        let at = at.field(key);
        at.problem(
            report,
            format!("{} is no such name; a subject is written like CN=batch,O=Example", at.shown(value)),
        );
    }
    name
}

fn thumbprints(file: &ClientMethod, at: &At<'_>, report: &mut ProblemList) -> Option<Vec<[u8; 32]>> {
    let at = at.field("thumbprints");
    let given = file.thumbprints.as_deref().unwrap_or_default();
    if given.is_empty() {
        at.problem(report, "name the SHA-256 thumbprint of each certificate that is accepted");
        return None;
    }
    all(given.iter().enumerate().map(|(index, text)| {
        let found = thumbprint(text);
        if found.is_none() {
            at.item(index).problem(
                report,
                "is no SHA-256 thumbprint: 43 characters of base64url, or 64 hexadecimal digits",
            );
        }
        found
    }))
}

fn thumbprint(text: &str) -> Option<[u8; 32]> {
    if text.len() == 43 {
        return URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok();
    }
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let hex = (digits.len() == 64).then(|| {
        digits.chunks(2).map(|pair| {
            let pair =
                std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u8::from_str_radix(pair, 16).ok()
        })
    });
    hex?.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

fn workload(
    file: &ClientMethod,
    platform: Platform,
    written: Written<'_>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Method> {
    let prefix = match platform {
        Platform::Kubernetes => "system:serviceaccount:",
        Platform::Spiffe => "spiffe://",
    };
    let subject = file.subject.as_deref().filter(|subject| {
        subject.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && !rest.contains('*'))
    });
    if subject.is_none() {
        at.field("subject")
            .problem(report, format!("must be the exact `sub` of the token, which begins with {prefix}"));
    }
    let issuer = file.issuer.as_ref().and_then(|name| written.issuers.get_key_value(name));
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
