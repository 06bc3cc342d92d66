//! `realms.*.clients` and `realms.*.clientAuthentication` of `cambio.yaml` as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::each;
use super::value::{Period, period};

/// Clients that are not in the realm's `clients`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClientAuthentication {
    /// Who authenticates these clients.
    pub unregistered: Unregistered,
    /// How long Cambio remembers that the upstream accepted a client's exact credentials. Until then, a secret that was
    /// changed at the identity provider is still accepted. `0s`: Cambio asks every time.
    #[schemars(extend("formatMinimum" = "0s", "formatMaximum" = "5m"))]
    pub cache_for: Period,
}

impl Default for ClientAuthentication {
    fn default() -> Self {
        Self { unregistered: Unregistered::default(), cache_for: period::<30>() }
    }
}

/// Who authenticates clients that are not registered.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unregistered {
    /// The upstream's introspection endpoint.
    #[default]
    Upstream,
    /// Nobody: Cambio refuses these clients.
    Refuse,
}

/// A way for a client to authenticate. `method` decides which of the other keys it needs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientMethod {
    /// The method.
    pub method: AuthenticationMethod,
    /// `client_secret`: the hash that `cambio client-secret` prints: `$argon2id$…` for any secret, or `sha256:…`. Use
    /// `sha256:…` only for secrets that a machine generated with at least 128 random bits.
    #[schemars(extend("format" = "secret-hash"))]
    pub secret_hash: Option<String>,
    /// `client_secret`: file with the hash, instead of `secretHash`.
    #[schemars(extend("format" = "file"))]
    pub secret_hash_file: Option<String>,
    /// `client_secret_jwt`: file with the secret, of at least 32 bytes. A line break at the end is not part of the secret.
    #[schemars(extend("format" = "file"))]
    pub secret_file: Option<String>,
    /// `client_secret_jwt`: the secret, instead of `secretFile`; only from the environment, as `"${NAME}"`.
    pub secret: Option<String>,
    /// `private_key_jwt`: file with the client's JWK set.
    #[schemars(extend("format" = "file"))]
    pub jwks_file: Option<String>,
    /// `private_key_jwt`: URL of the client's JWK set, instead of `jwksFile`.
    #[serde(rename = "jwksURL")]
    #[schemars(extend("format" = "http-url-query"))]
    pub jwks_url: Option<String>,
    /// `private_key_jwt` and `client_secret_jwt`: the signature algorithms that Cambio accepts, and no others.
    /// `private_key_jwt` needs this list, with the names of a realm's `algorithms`. `client_secret_jwt` takes `HS256` (the
    /// default), `HS384` and `HS512`.
    pub algorithms: Option<Vec<String>>,
    /// `tls_client_auth`: the certificate's subject as in RFC 4514, for instance `CN=batch,O=Example`. `kubernetes` and
    /// `spiffe`: the token's `sub`.
    pub subject: Option<String>,
    /// `tls_client_auth`: a DNS name in the certificate, instead of `subject`.
    #[serde(rename = "sanDNS")]
    pub san_dns: Option<String>,
    /// `tls_client_auth`: a URI in the certificate, instead of `subject`.
    #[serde(rename = "sanURI")]
    pub san_uri: Option<String>,
    /// `tls_client_auth`: an IP address in the certificate, instead of `subject`.
    #[serde(rename = "sanIP")]
    pub san_ip: Option<String>,
    /// `tls_client_auth`: an e-mail address in the certificate, instead of `subject`.
    pub san_email: Option<String>,
    /// `self_signed_tls_client_auth`: the SHA-256 thumbprint of each accepted certificate (over its DER form), in base64url
    /// without padding or in hexadecimal (as `openssl x509 -fingerprint -sha256` prints it).
    #[schemars(transform = each("thumbprint"))]
    pub thumbprints: Option<Vec<String>>,
    /// `kubernetes` and `spiffe`: the name, in `issuers`, of the issuer of these tokens.
    pub issuer: Option<String>,
}

/// A method of client authentication: the names of RFC 7591 and RFC 8705, and two platforms.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationMethod {
    /// A secret, in `Authorization: Basic` or in the form.
    ClientSecret,
    /// A JWT that the client signed with a private key (RFC 7523).
    PrivateKeyJwt,
    /// A JWT that the client signed with a shared secret (RFC 7523).
    ClientSecretJwt,
    /// A TLS certificate from an authority of `listen.tls.clientCertificates` (RFC 8705).
    TlsClientAuth,
    /// A TLS certificate with a known thumbprint (RFC 8705).
    SelfSignedTlsClientAuth,
    /// A Kubernetes service account token as client assertion.
    Kubernetes,
    /// A SPIFFE JWT-SVID as client assertion.
    Spiffe,
    /// No authentication: a public client.
    None,
}
