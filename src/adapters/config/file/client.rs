//! `realms.*.clients` and `realms.*.clientAuthentication` of `cambio.yaml` as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Period, period};

/// Clients that are not in the realm's `clients`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientAuthentication {
    /// Who judges the credentials of clients that are not in `clients`.
    #[serde(default)]
    pub unregistered: Unregistered,
    /// How long the upstream's yes to a client's exact credentials is remembered, at most `5m`; `0s` turns that off. A
    /// secret that was changed there is accepted as long.
    #[serde(default = "period::<30>")]
    pub cache_for: Period,
}

impl Default for ClientAuthentication {
    fn default() -> Self {
        Self { unregistered: Unregistered::default(), cache_for: period::<30>() }
    }
}

/// Who judges clients that are not registered.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unregistered {
    /// The upstream's introspection endpoint.
    #[default]
    Upstream,
    /// They are refused.
    Refuse,
}

/// How a client may prove who it is. Which of the other keys belong to it, `method` says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientMethod {
    /// The method.
    pub method: AuthenticationMethod,
    /// `client_secret`: the hash that `cambio client-secret` prints: `$argon2id$…` for any secret, or `sha256:…` for one
    /// that a machine generated with at least 128 bits of chance, and for no other.
    pub secret_hash: Option<String>,
    /// `client_secret`: file with the hash, instead.
    pub secret_hash_file: Option<String>,
    /// `client_secret_jwt`: file with the secret, of at least 32 bytes. A line break at its end is not part of it.
    pub secret_file: Option<String>,
    /// `client_secret_jwt`: the secret, instead; from the environment only, as `"${NAME}"`.
    pub secret: Option<String>,
    /// `private_key_jwt`: file with the client's JWK set.
    pub jwks_file: Option<String>,
    /// `private_key_jwt`: URL of the client's JWK set, instead.
    #[serde(rename = "jwksURL")]
    pub jwks_url: Option<String>,
    /// `private_key_jwt` and `client_secret_jwt`: the only algorithms that are accepted. For the first the names are
    /// those of a realm's `algorithms`, and it has no default; for the second `HS256` (the default), `HS384`, `HS512`.
    pub algorithms: Option<Vec<String>>,
    /// `tls_client_auth`: the certificate's subject as RFC 4514 writes it, for instance `CN=batch,O=Example`.
    /// `kubernetes` and `spiffe`: the token's `sub`.
    pub subject: Option<String>,
    /// `tls_client_auth`: a DNS name of the certificate, instead.
    #[serde(rename = "sanDNS")]
    pub san_dns: Option<String>,
    /// `tls_client_auth`: a URI of the certificate, instead.
    #[serde(rename = "sanURI")]
    pub san_uri: Option<String>,
    /// `tls_client_auth`: an IP address of the certificate, instead.
    #[serde(rename = "sanIP")]
    pub san_ip: Option<String>,
    /// `tls_client_auth`: an e-mail address of the certificate, instead.
    pub san_email: Option<String>,
    /// `self_signed_tls_client_auth`: SHA-256 over each accepted certificate in DER, in base64url without padding or in
    /// hexadecimal (as `openssl x509 -fingerprint -sha256` prints it).
    pub thumbprints: Option<Vec<String>>,
    /// `kubernetes` and `spiffe`: name of the entry of `issuers` whose tokens these are.
    pub issuer: Option<String>,
}

/// A method of client authentication: the names of RFC 7591 and RFC 8705, and those of two platforms.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationMethod {
    /// A secret, by `Authorization: Basic` or in the form.
    ClientSecret,
    /// A JWT that the client signed (RFC 7523).
    PrivateKeyJwt,
    /// A JWT that the client authenticated with a shared secret (RFC 7523).
    ClientSecretJwt,
    /// A TLS certificate by the authority of `listen.tls.clientCertificates` (RFC 8705).
    TlsClientAuth,
    /// A TLS certificate that is known by its thumbprint (RFC 8705).
    SelfSignedTlsClientAuth,
    /// A Kubernetes service account token as client assertion.
    Kubernetes,
    /// A SPIFFE JWT-SVID as client assertion.
    Spiffe,
    /// None: a public client.
    None,
}
