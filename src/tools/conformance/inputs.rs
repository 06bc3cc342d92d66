//! The inputs of the suite: a client, tokens, targets, keys.

use http::Uri;

use crate::judgement::jose::keys::KeySet;
use crate::words::secret::Secret;

/// The inputs of a run.
#[derive(Debug)]
pub struct Inputs {
    /// The token endpoint.
    pub endpoint: Uri,
    /// Whether the server's certificate is not checked.
    pub insecure: bool,
    /// The client that exchanges.
    pub client: SuiteClient,
    /// The subject token of the plain exchange.
    pub subject: SuiteToken,
    /// Tokens for particular cases.
    pub tokens: Vec<(Need, SuiteToken)>,
    /// `--audience`: each is known to the server, and the client may ask for it.
    pub audiences: Vec<String>,
    /// `--resource`: each is known to the server, and the client may ask for it.
    pub resources: Vec<String>,
    /// The values of `--scope`; the client may ask for each.
    pub scopes: Vec<String>,
    /// A name that is no audience.
    pub unknown_audience: String,
    /// The server's issuer identifier.
    pub issuer: Option<String>,
    /// The server's keys.
    pub keys: Option<KeySet>,
    /// The server's metadata document (RFC 8414).
    pub metadata: Option<serde_json::Value>,
    /// The introspection endpoint (RFC 7662).
    pub introspection: Option<Uri>,
    /// The client of the introspection endpoint: the exchanging client, unless another is named.
    pub introspector: SuiteClient,
}

/// The client and its usual way to authenticate.
#[derive(Clone, Debug)]
pub struct SuiteClient {
    /// `client_id`
    pub id: String,
    /// None: a public client.
    pub secret: Option<Secret>,
    /// Whether the client usually authenticates with the header; otherwise with the form.
    pub basic: bool,
}

/// A token and its type.
#[derive(Clone, Debug)]
pub struct SuiteToken {
    /// The token.
    pub text: Secret,
    /// Its token type identifier (RFC 8693 section 3).
    pub kind: String,
}

/// An input that a case needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A token of the actor.
    Actor,
    /// A token of another actor.
    SecondActor,
    /// An actor token that has expired.
    ExpiredActor,
    /// A subject token whose `may_act` names this client and the actor.
    MayAct,
    /// A subject token whose `may_act` names another party.
    OtherMayAct,
    /// A subject token whose `may_act` is an empty object.
    EmptyMayAct,
    /// A subject token whose `may_act` is no object.
    MalformedMayAct,
    /// A subject token that has expired.
    ExpiredSubject,
    /// A subject token that is not valid yet.
    EarlySubject,
    /// A subject token that was revoked.
    RevokedSubject,
    /// A good subject token of an issuer that the server does not trust.
    UntrustedSubject,
    /// An ID token of the subject.
    IdToken,
    /// An audience.
    Audience,
    /// Two audiences.
    TwoAudiences,
    /// A resource.
    Resource,
    /// A scope.
    Scope,
    /// Two scopes.
    TwoScopes,
    /// A client with a secret.
    ClientSecret,
    /// A subject token that is a JWT.
    JwtSubject,
    /// An actor token that is a JWT.
    JwtActor,
    /// The server's keys.
    Keys,
    /// The server's issuer identifier.
    Issuer,
    /// The server's metadata.
    Metadata,
    /// The introspection endpoint.
    Introspection,
}

impl Need {
    /// The needs that are tokens, and the names of their options.
    pub const TOKENS: [(Self, &'static str); 12] = [
        (Self::Actor, "actor-token"),
        (Self::SecondActor, "second-actor-token"),
        (Self::ExpiredActor, "expired-actor-token"),
        (Self::MayAct, "may-act-token"),
        (Self::OtherMayAct, "other-may-act-token"),
        (Self::EmptyMayAct, "empty-may-act-token"),
        (Self::MalformedMayAct, "malformed-may-act-token"),
        (Self::ExpiredSubject, "expired-subject-token"),
        (Self::EarlySubject, "early-subject-token"),
        (Self::RevokedSubject, "revoked-subject-token"),
        (Self::UntrustedSubject, "untrusted-subject-token"),
        (Self::IdToken, "id-token"),
    ];

    /// The missing input, as a sentence for the user.
    pub fn missing(self) -> String {
        match self {
            Self::Audience => "needs --audience".to_owned(),
            Self::TwoAudiences => "needs --audience twice".to_owned(),
            Self::Resource => "needs --resource".to_owned(),
            Self::Scope => "needs --scope".to_owned(),
            Self::TwoScopes => "needs --scope with two values".to_owned(),
            Self::ClientSecret => "needs a client with a secret".to_owned(),
            Self::JwtSubject => "the subject token is no JWT".to_owned(),
            Self::JwtActor => "needs --actor-token-file with a JWT".to_owned(),
            Self::Keys => "needs --jwks-url or --issuer".to_owned(),
            Self::Issuer | Self::Metadata => "needs --issuer".to_owned(),
            Self::Introspection => "needs --introspection-endpoint".to_owned(),
            token => {
                let name = Self::TOKENS.iter().find(|(need, _)| *need == token).map_or("", |(_, name)| name);
                format!("needs --{name}-file or --{name}-command")
            }
        }
    }
}

impl Inputs {
    /// Whether this is there.
    pub fn has(&self, need: Need) -> bool {
        match need {
            Need::Audience => !self.audiences.is_empty(),
            Need::TwoAudiences => self.audiences.len() > 1,
            Need::Resource => !self.resources.is_empty(),
            Need::Scope => !self.scopes.is_empty(),
            Need::TwoScopes => self.scopes.len() > 1,
            Need::ClientSecret => self.client.secret.is_some(),
            Need::JwtSubject => self.subject.is_jwt(),
            Need::JwtActor => self.token(Need::Actor).is_jwt(),
            Need::Keys => self.keys.is_some(),
            Need::Issuer => self.issuer.is_some(),
            Need::Metadata => self.metadata.is_some(),
            Need::Introspection => self.introspection.is_some(),
            token => self.tokens.iter().any(|(need, _)| *need == token),
        }
    }

    /// A token for a particular case, which has the need in its `needs`.
    pub fn token(&self, need: Need) -> SuiteToken {
        let found = self.tokens.iter().find(|(name, _)| *name == need);
        found.map_or_else(
            || SuiteToken { text: Secret::new(""), kind: self.subject.kind.clone() },
            |(_, token)| token.clone(),
        )
    }
}

impl SuiteToken {
    /// Whether the token is a JWT, whose claims can be read.
    pub fn is_jwt(&self) -> bool {
        super::answer::claims_of(self.text.expose()).is_some()
    }

    /// A claim, if it is a string.
    pub fn claim(&self, name: &str) -> Option<String> {
        super::answer::claims_of(self.text.expose())?.get(name)?.as_str().map(str::to_owned)
    }
}
