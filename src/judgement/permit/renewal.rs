//! What a refresh token of Cambio stands for: an exchange that was allowed once and is judged again at every refresh.
//!
//! Only a `Permit` makes a renewal, and only the seal reads one back. A renewal therefore proves that its
//! subject token was checked and its exchange allowed.

use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::judgement::exchange::parse::Parsed;
use crate::judgement::exchange::refresh::Refresh;
use crate::judgement::jose::jws::Header;
use crate::judgement::jose::verify::VerifiedToken;
use crate::judgement::permit::session::SessionNeed;
use crate::judgement::policy::claim_names::{ClaimClass, DERIVED_FROM, SUBJECT_ISSUER, client_of};
use crate::judgement::policy::scopes::OFFLINE;
use crate::judgement::token::checked::{CheckedToken, TokenSource};
use crate::words::oauth::confirmation::Binding;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::secret::Secret;

/// An exchange that may be repeated until it expires. `Debug` shows no claim and no token.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    pub(super) realm: String,
    pub(super) client: String,
    pub(super) family: String,
    pub(super) generation: u32,
    pub(super) began: i64,
    pub(super) issued: i64,
    pub(super) expires: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) latest: Option<i64>,
    pub(super) issuance: String,
    pub(super) audiences: Vec<String>,
    pub(super) scope: String,
    pub(super) subject: RememberedToken,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) actor: Option<RememberedToken>,
    #[serde(with = "exposed", default, skip_serializing_if = "Option::is_none")]
    pub(super) upstream: Option<Secret>,
    #[serde(with = "exposed", default, skip_serializing_if = "Option::is_none")]
    pub(super) keeper: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) binding: Option<Value>,
}

/// The subject token or the actor token of the exchange, as checked then.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RememberedToken {
    /// The issuer's name in the configuration.
    issuer: String,
    /// The short name of its type.
    kind: String,
    algorithm: Option<Algorithm>,
    kid: Option<String>,
    typ: Option<String>,
    pub(super) claims: Map<String, Value>,
}

/// When a refresh token ends, and when its family does.
#[derive(Clone, Copy, Debug)]
pub struct RefreshEnds {
    /// The end of the refresh token: the identity provider's present limit counts, too.
    pub token: Timestamp,
    /// The end of the family: the audience owner's lifetime, counted from the exchange.
    pub family: Timestamp,
}

/// What is new with each refresh token of a family.
#[derive(Debug)]
pub struct Handed<'a> {
    /// The scope of the access token that goes out with the first refresh token. A family never has more.
    pub scope: &'a Scope,
    /// The identity provider's refresh token.
    pub upstream: Option<Secret>,
    /// The refresh token with which Cambio's own client keeps the session alive.
    pub keeper: Option<Secret>,
}

impl Renewal {
    /// The realm's name in the configuration.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The client that the refresh token was issued to.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The id that every refresh token of one exchange has.
    pub fn family(&self) -> &str {
        &self.family
    }

    /// The position in its family, from 0.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// When its family began: the time of the exchange.
    pub fn began(&self) -> Timestamp {
        Timestamp::from_second(self.began).unwrap_or(Timestamp::MIN)
    }

    /// When the refresh token was issued, in seconds since the epoch.
    pub fn issued(&self) -> i64 {
        self.issued
    }

    /// When it ends, in seconds since the epoch. The next one of its family may end later.
    pub fn expires(&self) -> i64 {
        self.expires
    }

    /// Whether it has ended.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now.as_second() >= self.expires
    }

    /// When it ends.
    pub fn ends(&self) -> Timestamp {
        Timestamp::from_second(self.expires).unwrap_or(Timestamp::MIN)
    }

    /// When its whole family ends at the latest.
    pub fn family_ends(&self) -> Timestamp {
        Timestamp::from_second(self.latest()).unwrap_or(Timestamp::MIN)
    }

    pub(super) fn latest(&self) -> i64 {
        self.latest.unwrap_or(self.expires)
    }

    /// How the answer to the exchange was made.
    pub fn issuance(&self) -> &str {
        &self.issuance
    }

    /// The audiences of the exchange.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// The scope that was granted.
    pub fn scope(&self) -> Scope {
        Scope::parse(&self.scope).unwrap_or_default()
    }

    /// The issuer of the subject token, by its name in the configuration.
    pub fn subject_issuer(&self) -> &str {
        &self.subject.issuer
    }

    /// The `iss` of the subject token.
    pub fn subject_iss(&self) -> &str {
        self.subject.iss()
    }

    /// The `iss` of the actor token; empty if there was none.
    pub fn actor_iss(&self) -> &str {
        self.actor.as_ref().map(RememberedToken::iss).unwrap_or_default()
    }

    /// The `sub` of the subject token.
    pub fn subject_id(&self) -> &str {
        self.subject.claims.get("sub").and_then(Value::as_str).unwrap_or_default()
    }

    /// The `sid` of the subject token.
    pub fn subject_session(&self) -> Option<&str> {
        self.subject.claims.get("sid").and_then(Value::as_str).filter(|sid| !sid.is_empty())
    }

    /// What the refresh token depends on, as claims of a token that Cambio signed at `realm`. With `None`, the refresh token
    /// depends on what its scope says; with a session that it needs, on that session. An actor of the realm must still exist
    /// and be enabled.
    pub fn lineage_claims(&self, realm: &str, needs: Option<SessionNeed>) -> Map<String, Value> {
        let claims = &self.subject.claims;
        let mut lineage = Map::new();
        lineage.insert("azp".to_owned(), Value::from(self.client.as_str()));
        if let Some(actor) = self.actor.as_ref().filter(|actor| actor.issuer == realm) {
            let about = ["sub", "iat"].into_iter();
            let known = about.filter_map(|name| Some((name.to_owned(), actor.claims.get(name)?.clone())));
            lineage.insert(DERIVED_FROM.to_owned(), Value::Object(known.collect()));
        }
        if self.subject.issuer != realm {
            lineage.insert("iat".to_owned(), Value::from(self.began));
            lineage.insert(SUBJECT_ISSUER.to_owned(), Value::from(self.subject.issuer.as_str()));
            return lineage;
        }
        let issued = claims.get("iat").cloned().unwrap_or_else(|| Value::from(self.began));
        lineage.insert("iat".to_owned(), issued);
        let needs = needs.unwrap_or_else(|| self.session_need());
        let session = (needs != SessionNeed::Nothing).then_some("sid");
        for name in std::iter::once("sub").chain(session) {
            lineage.extend(claims.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        lineage
    }

    /// The session that a refresh token with this scope needs.
    fn session_need(&self) -> SessionNeed {
        let kind = self.subject_kind().unwrap_or(TokenType::IdToken);
        SessionNeed::of(&self.subject.claims, kind, self.scope().contains(OFFLINE))
    }

    /// What kind of token the subject token is.
    pub fn subject_kind(&self) -> Option<TokenType> {
        TokenType::from_name(&self.subject.kind)
    }

    /// The scope of the subject token.
    pub fn subject_scope(&self) -> &str {
        self.subject.claims.get("scope").and_then(Value::as_str).unwrap_or_default()
    }

    /// The client that the subject token was issued to.
    pub fn subject_client(&self) -> Option<&str> {
        client_of(&self.subject.claims)
    }

    /// The subject token, as checked then. It is good until the family ends. `binding` is the binding of the issued
    /// token. `present`: what the identity provider states about the user now in an access token, in the place of what the
    /// token said then. `access_only`: claims that an ID token does not get of it.
    pub(super) fn subject_token(
        &self,
        binding: Binding,
        present: Option<&Map<String, Value>>,
        access_only: &[&str],
    ) -> Option<TokenSource<'static>> {
        match present {
            None => self.subject.source(self.family_ends(), binding),
            Some(present) => self.subject.at_present(present, access_only).source(self.family_ends(), binding),
        }
    }

    /// The issuer of the actor token, by its name in the configuration, if there was one.
    pub fn actor_issuer(&self) -> Option<&str> {
        self.actor.as_ref().map(|actor| actor.issuer.as_str())
    }

    /// The `sub` of the actor token.
    pub fn actor_id(&self) -> Option<&str> {
        self.actor.as_ref()?.claims.get("sub").and_then(Value::as_str)
    }

    /// The actor token, as checked then.
    pub(super) fn actor_token(&self) -> Option<TokenSource<'static>> {
        self.actor.as_ref()?.source(self.family_ends(), Binding::default())
    }

    /// The request of the exchange, with the credentials of the refresh.
    pub fn asked_again(&self, refresh: &Refresh) -> Option<Parsed> {
        let scope = refresh.scope().cloned().unwrap_or_else(|| self.scope());
        Some(Parsed::again(refresh, self.subject_kind()?, self.audiences.clone(), scope))
    }

    /// The identity provider's refresh token, if the identity provider takes part in the refresh.
    pub fn upstream(&self) -> Option<&Secret> {
        self.upstream.as_ref()
    }

    /// The refresh token with which Cambio's own client keeps the session alive, if it does.
    pub fn keeper(&self) -> Option<&Secret> {
        self.keeper.as_ref()
    }

    /// This refresh token, with another one that keeps the session alive.
    #[must_use]
    pub fn with_keeper(&self, token: Secret) -> Self {
        Self { keeper: Some(token), ..self.clone() }
    }

    /// Whether both are the same member of the same family.
    pub fn is_same_member(&self, other: &Self) -> bool {
        (&self.realm, &self.client, &self.family, self.generation)
            == (&other.realm, &other.client, &other.family, other.generation)
    }

    /// This refresh token with another refresh token of the identity provider.
    #[must_use]
    pub fn with_upstream(&self, token: Secret) -> Self {
        Self { upstream: Some(token), ..self.clone() }
    }

    /// The `cnf` of the access token, which the caller proves again.
    pub fn binding(&self) -> Option<&Value> {
        self.binding.as_ref()
    }

    /// The bytes to seal.
    pub(crate) fn write(&self) -> Option<Zeroizing<Vec<u8>>> {
        serde_json::to_vec(self).ok().map(Zeroizing::new)
    }

    /// Reads sealed bytes. Bytes that did not come out of a seal prove nothing: only `seal` calls this.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl RememberedToken {
    pub(super) fn of(checked: &CheckedToken) -> Self {
        let token = checked.token();
        Self {
            issuer: checked.issuer().to_owned(),
            kind: checked.kind().name().to_owned(),
            algorithm: token.algorithm(),
            kid: token.kid().map(str::to_owned),
            typ: token.typ().map(str::to_owned),
            claims: token.claims().clone(),
        }
    }

    fn iss(&self) -> &str {
        self.claims.get("iss").and_then(Value::as_str).unwrap_or_default()
    }

    /// The token with these claims about the user. Which token it is, and which login and session it belongs to, stays.
    fn at_present(&self, present: &Map<String, Value>, access_only: &[&str]) -> Self {
        let is_about_user = |claim: &str| ClaimClass::of(claim).is_about_user();
        let is_id_token = TokenType::from_name(&self.kind) == Some(TokenType::IdToken);
        let is_foreign_here =
            |claim: &str| is_id_token && access_only.contains(&claim) && !self.claims.contains_key(claim);
        let kept = self.claims.iter().filter(|claim| !is_about_user(claim.0));
        let new = present.iter().filter(|claim| is_about_user(claim.0) && !is_foreign_here(claim.0));
        let claims = kept.chain(new).map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { claims, ..self.clone() }
    }

    /// The token, good until `ends`.
    fn source(&self, ends: Timestamp, binding: Binding) -> Option<TokenSource<'static>> {
        let Self { algorithm, kid, typ, claims, .. } = self;
        // An opaque token has no header.
        let header = algorithm.map(|algorithm| Header { algorithm, kid: kid.clone(), typ: typ.clone() });
        let token = VerifiedToken::remembered(header, claims.clone(), ends)?;
        Some(TokenSource::Remembered { token, kind: TokenType::from_name(&self.kind)?, binding })
    }
}

impl std::fmt::Debug for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewal")
            .field("realm", &self.realm)
            .field("client", &self.client)
            .field("family", &self.family)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Writes a secret into sealed bytes. `Secret` itself has no `Serialize`, on purpose.
mod exposed {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::words::secret::Secret;

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => serializer.serialize_str(secret.expose()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
    }
}
