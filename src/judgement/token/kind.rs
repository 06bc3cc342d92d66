//! What kind of token a JWT is. The caller states its type; the contents of the token must not contradict it.
//!
//! One key of an issuer signs tokens of many kinds. A token with a mark of another kind is refused, whatever else it says. The
//! realm's access tokens have a mark of their own. A foreign token without any mark counts as an access token, unless the
//! issuer's `accessTokens` says how its access tokens look.

use serde_json::{Map, Value};

use crate::judgement::expression::{Expression, Variables};
use crate::judgement::jose::checks::{HASHES, KindRules, LOGIN, NAMES_OF_KINDS};
use crate::judgement::jose::claims;
use crate::judgement::jose::verify::{UnverifiedToken, VerifiedToken};
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// The header's `typ` of an Identity Assertion JWT Authorization Grant
/// (draft-ietf-oauth-identity-assertion-authz-grant section 3).
const ID_JAG: &str = "oauth-id-jag+jwt";

/// The header's `typ` of an access token (RFC 9068 section 2.1).
const ACCESS_TOKEN: &str = "at+jwt";

/// Values of naming claims that say that a token is of another kind, also at an issuer whose claim of this name has values of
/// its own.
const NAMES_OF_OTHER_KINDS: [&str; 13] = [
    "action_token",
    "authorization_code",
    "code",
    "initialaccesstoken",
    "logout",
    "logout_token",
    "offline",
    "offline_token",
    "refresh",
    "refresh_token",
    "registrationaccesstoken",
    "rt",
    "rt+jwt",
];

/// Claims that only tokens of other kinds have, whatever else these tokens say.
const OTHER_KINDS: [(&str, &str); 11] = [
    ("events", "a security event or logout token"),
    ("vc", "a verifiable credential"),
    ("vp", "a verifiable presentation"),
    ("vct", "a verifiable credential"),
    ("credentialSubject", "a verifiable credential"),
    ("_sd", "a selective disclosure credential"),
    ("_sd_alg", "a selective disclosure credential"),
    ("sd_hash", "a key binding of a credential"),
    ("token_introspection", "an introspection answer"),
    ("response_type", "an authorization request"),
    ("ati", "a refresh token"),
];

/// Claims of signed answers. Their names are common words, so a token that names its kind may have them.
const ANSWERS: [(&str, &str); 2] = [("active", "an introspection answer"), ("code", "an authorization response")];

/// Claims of access tokens of servers that do not name the kind: `scope` or `scp`, the client, and how the client
/// authenticated (`azpacr`, `gty`). `azp` is missing on purpose: ID tokens have it, too.
const MARKS_OF_ACCESS: [&str; 7] = ["scope", "scp", "client_id", "cid", "appid", "azpacr", "gty"];

/// The kind of a token, as its contents say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token.
    Access,
    /// An ID token.
    Id,
    /// An identity assertion authorization grant.
    IdJag,
    /// The contents do not say.
    Unmarked,
}

/// What is known about the tokens of one issuer.
#[derive(Clone, Copy, Debug)]
pub(super) struct IssuerKinds<'a> {
    /// The issuer's name in the configuration.
    pub(super) issuer: &'a str,
    /// Whether the realm itself issues them, whatever its identity provider is.
    pub(super) of_realm: bool,
    /// What the configuration says about them.
    pub(super) rules: &'a KindRules,
}

impl IssuerKinds<'_> {
    /// Whether the realm itself issues them, and its identity provider is Keycloak: each of them names its kind.
    fn own(self) -> bool {
        self.of_realm && !self.rules.unnamed
    }

    /// Whether the claim marks tokens of another kind.
    fn marks(self, name: &str) -> bool {
        !self.rules.tolerates(name)
    }

    /// Whether an access token of the issuer may be unmarked. With `accessTokens`, the configuration says how they look.
    fn has_unmarked(self) -> bool {
        !self.of_realm && self.rules.access_tokens.is_none()
    }
}

/// Whether the header says that the token is an ID-JAG. [`check`] holds the token to it.
pub(super) fn declares_id_jag(token: &UnverifiedToken) -> bool {
    token.typ().is_some_and(|typ| typ.eq_ignore_ascii_case(ID_JAG))
}

/// Checks that a token is of the stated type: by the header's `typ` (RFC 8725 section 3.11) and by the claims.
///
/// # Errors
/// [`Reason::SubjectTokenKind`] with what was expected and what the token is.
pub(super) fn check(token: &VerifiedToken, stated: TokenType, kinds: IssuerKinds<'_>) -> Result<TokenKind, Refusal> {
    if let TokenType::RefreshToken | TokenType::Saml1 | TokenType::Saml2 = stated {
        return Err(Refusal::new(Reason::SubjectTokenTypeUnsupported, stated.name()));
    }
    let wrong = |actual: &str| {
        Refusal::new(Reason::SubjectTokenKind, format!("expected a token of the type {}, but {actual}", stated.name()))
    };
    let Recognised { kind, mark } = recognise(token, kinds).map_err(|actual| wrong(&actual))?;
    let own = kinds.own();
    let fits = match stated {
        TokenType::AccessToken => kind == TokenKind::Access || kind == TokenKind::Unmarked && kinds.has_unmarked(),
        TokenType::IdToken => kind == TokenKind::Id || kind == TokenKind::Unmarked && !own,
        TokenType::Jwt => matches!(kind, TokenKind::Access | TokenKind::Id) || kind == TokenKind::Unmarked && !own,
        TokenType::IdJag => kind == TokenKind::IdJag,
        TokenType::RefreshToken | TokenType::Saml1 | TokenType::Saml2 => false,
    };
    if fits { Ok(kind) } else { Err(wrong(&described(kind, mark, kinds))) }
}

/// Checks an introspection answer about an access token: no claim may say that the token is of another kind. The names of
/// kinds have been checked.
pub(super) fn check_introspected(claims: &Map<String, Value>) -> Result<(), Refusal> {
    let hash = HASHES.iter().find(|name| claims.contains_key(**name)).map(|name| format!("{name} marks an ID token"));
    let other = other_kind(claims, &OTHER_KINDS).or(hash).or_else(|| own_assertion(claims));
    other.map_or(Ok(()), |actual| {
        Err(Refusal::new(Reason::SubjectTokenKind, format!("expected an access token, but {actual}")))
    })
}

fn described(kind: TokenKind, mark: Option<&str>, kinds: IssuerKinds<'_>) -> String {
    let issuer = kinds.issuer;
    match (kind, mark) {
        (TokenKind::Access, _) => "it is an access token".to_owned(),
        (TokenKind::Id, Some(mark)) if !kinds.of_realm => format!(
            "its claim {mark} is that of an ID token: if the issuer writes it into access tokens, too, add it to \
             issuers.{issuer}.accessTokens.mayHave"
        ),
        (TokenKind::Id, _) => "it is an ID token".to_owned(),
        (TokenKind::IdJag, _) => "the header's typ is that of an ID-JAG".to_owned(),
        (TokenKind::Unmarked, _) if kinds.own() => {
            "it has no claim typ, as the realm's tokens of this type have".to_owned()
        }
        (TokenKind::Unmarked, _) if kinds.of_realm => {
            "nothing in it says so: let the identity provider write at+jwt into the header (RFC 9068) or a claim scope or \
             client_id, or let callers and the permission name the type jwt"
                .to_owned()
        }
        (TokenKind::Unmarked, _) => format!(
            "nothing in it says so, and the expression of issuers.{issuer}.accessTokens is false for it: correct the \
             expression, or let callers and the permission name the type jwt"
        ),
    }
}

/// The kind of a token, and the claim that marks an ID token without naming the kind.
struct Recognised {
    kind: TokenKind,
    mark: Option<&'static str>,
}

impl Recognised {
    fn of(kind: TokenKind) -> Self {
        Self { kind, mark: None }
    }
}

/// The kind of the token. The error says of which other kind the token is, or what contradicts.
fn recognise(token: &VerifiedToken, kinds: IssuerKinds<'_>) -> Result<Recognised, String> {
    let claims = token.claims();
    let header = header_kind(token.typ())?;
    let hash = HASHES.into_iter().find(|name| claims.contains_key(*name) && kinds.marks(name));
    if let Some(other) = other_kind(claims, &OTHER_KINDS).or_else(|| own_assertion(claims)) {
        return Err(other);
    }
    let mut named = Vec::from_iter(header);
    for name in NAMES_OF_KINDS {
        named.extend(named_kind(claims, name, kinds)?);
    }
    let mark = hash.filter(|_| named.is_empty());
    named.extend(hash.map(|_| TokenKind::Id));
    let kind = named.first().copied();
    if named.iter().any(|other| Some(*other) != kind) {
        let hint = match hash {
            Some(mark) if !kinds.own() => format!(
                ": {mark} is that of an ID token; if the issuer writes it into access tokens, too, add it to \
                 issuers.{}.accessTokens.mayHave",
                kinds.issuer
            ),
            _ => String::new(),
        };
        return Err(format!("its marks are those of different kinds{hint}"));
    }
    if let Some(rule) = kinds.rules.access_tokens.as_ref().filter(|_| may_be_access(kind))
        && holds(rule, kind, claims, kinds.issuer)?
    {
        return Ok(Recognised::of(TokenKind::Access));
    }
    let login = || about_login(claims, kinds).filter(|_| !kinds.own());
    match kind {
        Some(kind) => Ok(Recognised { kind, mark }),
        None => match login() {
            Some(mark) => Ok(Recognised { kind: TokenKind::Id, mark: Some(mark) }),
            None => unnamed(claims, kinds.own()).map(Recognised::of),
        },
    }
}

/// Whether a token that names this kind, or none, can be an access token.
fn may_be_access(named: Option<TokenKind>) -> bool {
    named.is_none_or(|kind| kind == TokenKind::Access)
}

/// Whether the issuer's expression says that the token is an access token. Then nothing else counts: the error is about a
/// token that has the mark of an access token, but does not meet the expression.
fn holds(
    rule: &Expression,
    named: Option<TokenKind>,
    claims: &Map<String, Value>,
    issuer: &str,
) -> Result<bool, String> {
    let at = format!("issuers.{issuer}.accessTokens");
    match rule.holds(Variables { claims, client: "", audience: "", scopes: &[] }) {
        Ok(false) if named.is_some() || looks_like_access(claims) => {
            Err(format!("it has the mark of an access token, and {at} is false"))
        }
        Ok(holds) => Ok(holds),
        Err(error) => Err(format!("{at} can't be evaluated: {error}")),
    }
}

/// The kind of a token that does not name its kind.
fn unnamed(claims: &Map<String, Value>, own: bool) -> Result<TokenKind, String> {
    if let Some(other) = other_kind(claims, &ANSWERS).or_else(|| workload(claims)) {
        return Err(other);
    }
    // Every token of the realm names its kind.
    Ok(if !own && looks_like_access(claims) { TokenKind::Access } else { TokenKind::Unmarked })
}

/// The kind that the header's `typ` names. Media types are compared without case, and `application/` may be left out
/// (RFC 7515 section 4.1.9). `JWT` names no kind.
fn header_kind(typ: Option<&str>) -> Result<Option<TokenKind>, String> {
    let lower = typ.map(str::to_ascii_lowercase);
    match lower.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ)) {
        None | Some("jwt") => Ok(None),
        Some(ACCESS_TOKEN) => Ok(Some(TokenKind::Access)),
        Some(ID_JAG) => Ok(Some(TokenKind::IdJag)),
        Some(other) => Err(format!("the header's typ is {:?}", clipped(other))),
    }
}

/// The kind that a claim names. `Bearer` in `token_type` says how the token is used. If the issuer gives a claim of this name
/// values of its own, only a value that names another kind says something.
fn named_kind(
    claims: &Map<String, Value>,
    name: &'static str,
    kinds: IssuerKinds<'_>,
) -> Result<Option<TokenKind>, String> {
    let is_meant = kinds.own() || kinds.marks(name);
    let text = match claims::string(claims, name) {
        Ok(Some(text)) => text,
        Err(error) if is_meant => return Err(error.to_string()),
        Ok(None) | Err(_) => return Ok(None),
    };
    let is_bound = || claims.get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some());
    match text.to_ascii_lowercase().as_str() {
        "bearer" if name == "token_type" => Ok(None),
        "bearer" | "access" | "access_token" | ACCESS_TOKEN => Ok(Some(TokenKind::Access)),
        // What Keycloak writes into an access token that is bound to a key.
        "dpop" if is_bound() => Ok(Some(TokenKind::Access)),
        "id" | "id_token" => Ok(Some(TokenKind::Id)),
        other if NAMES_OF_OTHER_KINDS.contains(&other) => Err(format!("its claim {name} is {:?}", clipped(text))),
        "dpop" => Err(format!("its claim {name} is {:?}, and it is bound to no key", clipped(text))),
        _ if !is_meant => Ok(None),
        _ if kinds.own() => Err(format!("its claim {name} is {:?}", clipped(text))),
        _ => Err(format!(
            "its claim {name} is {:?}: if the issuer means something of its own by it, add {name} to \
             issuers.{}.accessTokens.mayHave",
            clipped(text),
            kinds.issuer
        )),
    }
}

fn other_kind(claims: &Map<String, Value>, kinds: &[(&str, &str)]) -> Option<String> {
    let (claim, kind) = kinds.iter().find(|(claim, _)| claims.contains_key(*claim))?;
    Some(format!("its claim {claim} is that of {kind}"))
}

/// A client speaks for itself in its assertion (RFC 7523 section 3).
fn own_assertion(claims: &Map<String, Value>) -> Option<String> {
    let same = claims.get("iss").is_some_and(|iss| claims.get("sub") == Some(iss));
    same.then(|| "iss is sub, as in a client's assertion".to_owned())
}

/// A token that says which workload runs: a SPIFFE JWT-SVID, or a token of a Kubernetes service account.
fn workload(claims: &Map<String, Value>) -> Option<String> {
    let sub = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    if sub.get(..9).is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe://")) {
        return Some("its sub is that of a workload (SPIFFE)".to_owned());
    }
    let account = claims.contains_key("kubernetes.io") || sub.starts_with("system:serviceaccount:");
    account.then(|| "it is the token of a Kubernetes service account".to_owned())
}

/// The claim that makes a foreign token that does not name its kind an ID token: its nonce, or what it says about the login or
/// the person if it has no mark of an access token.
fn about_login(claims: &Map<String, Value>, kinds: IssuerKinds<'_>) -> Option<&'static str> {
    let marks = |name: &&'static str| claims.contains_key(*name) && kinds.marks(name);
    let nonce = Some("nonce").filter(marks);
    nonce.or_else(|| LOGIN.into_iter().find(marks).filter(|_| !looks_like_access(claims)))
}

fn looks_like_access(claims: &Map<String, Value>) -> bool {
    MARKS_OF_ACCESS.iter().any(|name| match claims.get(*name) {
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Array(many)) => !many.is_empty(),
        _ => false,
    })
}

fn clipped(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
