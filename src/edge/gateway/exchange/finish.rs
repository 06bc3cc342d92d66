//! The end of an allowed request: refresh token, shape of the dialect, audit line.

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderValue, PRAGMA, TRAILER, TRANSFER_ENCODING,
};
use http::{Response, response};

use super::outcome::{IssuedAnswer, Stop};
use super::refresh::{OpenedRefresh, ends, refreshable};
use crate::adapters::net::body::Body;
use crate::edge::gateway::case::Case;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::issue::refresh::Session;
use crate::judgement::issue::{Conformed, RefreshTokenFor};
use crate::judgement::permit::Permit;
use crate::judgement::permit::renewal::{Handed, Renewal};
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

impl Case<'_> {
    /// Hands out the issued token, with a refresh token if requested and permitted. The audit line is written before
    /// the answer leaves.
    ///
    /// # Errors
    /// There can be no refresh token, the request's refresh token was used meanwhile, or the audit line can't be
    /// written.
    pub(super) async fn finish(
        &mut self,
        permit: &Permit,
        issued: IssuedAnswer,
        refresh: Option<Box<OpenedRefresh>>,
    ) -> Result<Response<Body>, Stop> {
        let IssuedAnswer { head, conformed, session } = issued;
        let conformed = match refresh {
            None => self.with_first_refresh_token(permit, conformed, session).await?,
            Some(refresh) => {
                if let Some(token) = &refresh.again {
                    self.with_refresh_token(token, &refresh.renewal, conformed, RefreshTokenFor::Refresh)
                } else {
                    refresh.flight.claims().await;
                    refresh.family.use_up(&self.services.store).await?;
                    self.with_next_refresh_token(permit, conformed, session, *refresh).await?
                }
            }
        };
        let conformed = match permit.validated().authenticated().parsed().grant() {
            Grant::TokenExchange => conformed.in_shape(self.realm.config.dialect),
            // RFC 6749's answer, in every dialect.
            Grant::JwtBearer | Grant::ApiAccess => conformed,
        };
        self.record.issued(conformed.facts());
        self.record.allowed(head.status).await?;
        self.realm.metrics.used(&permit.decision().permissions, self.services.now());
        Ok(self.respond(head, conformed))
    }

    /// The answer to an exchange, with the first refresh token of a family if requested and permitted.
    async fn with_first_refresh_token(
        &mut self,
        permit: &Permit,
        conformed: Conformed,
        session: Option<Session>,
    ) -> Result<Conformed, Refusal> {
        if !permit.decision().refresh {
            return Ok(conformed);
        }
        self.refresh_tokens()?;
        refreshable(permit, session.is_some())?;
        let now = self.services.now();
        let session = session.unwrap_or(Session { token: None, expires_in: None });
        let ends = ends(now, now, permit.decision().refresh_lifetime, session.expires_in);
        let family = permit.contract().refresh_family.clone();
        let family = family.ok_or_else(|| Refusal::new(Reason::Internal, "the exchange began no family"))?;
        let scope = &conformed.facts().scope_granted;
        let keeper = Box::pin(self.join_session(permit, scope)).await?;
        let handed = Handed { scope, upstream: session.token, keeper };
        let renewal = permit.first_renewal(&self.realm.config.name, family, handed, now, ends);
        self.record.family(&renewal);
        let requested = permit.validated().authenticated().parsed().requested() == TokenType::RefreshToken;
        let answers = if requested { RefreshTokenFor::Exchange } else { RefreshTokenFor::AccessToken };
        let token = self.sealed(&renewal)?;
        Ok(self.with_refresh_token(&token, &renewal, conformed, answers))
    }

    /// The answer to a refresh, with the refresh token that replaces the used one.
    async fn with_next_refresh_token(
        &self,
        permit: &Permit,
        conformed: Conformed,
        session: Option<Session>,
        refresh: OpenedRefresh,
    ) -> Result<Conformed, Refusal> {
        let (now, renewal) = (self.services.now(), refresh.renewal);
        let expires_in = session.as_ref().and_then(|session| session.expires_in);
        let scope = &conformed.facts().scope_granted;
        let handed = Handed { scope, upstream: session.and_then(|session| session.token), keeper: None };
        let ends = ends(now, renewal.began(), permit.decision().refresh_lifetime, expires_in);
        let next = permit.next_renewal(renewal, handed, now, ends);
        let token = self.sealed(&next)?;
        self.allow_reuse(&refresh.family, &token).await?;
        Ok(self.with_refresh_token(&token, &next, conformed, RefreshTokenFor::Refresh))
    }

    fn sealed(&self, renewal: &Renewal) -> Result<Secret, Refusal> {
        let sealed = self.refresh_tokens()?.seal.seal(renewal);
        sealed.map_err(|error| Refusal::new(Reason::SigningFailed, error.to_string()))
    }

    fn with_refresh_token(
        &self,
        token: &Secret,
        renewal: &Renewal,
        conformed: Conformed,
        answers: RefreshTokenFor,
    ) -> Conformed {
        let left = renewal.expires().saturating_sub(self.services.now().as_second());
        conformed.with_refresh_token(token, left, answers)
    }

    /// The identity provider's head with Cambio's body; never cached (RFC 6749 section 5.1).
    fn respond(&self, mut answer: response::Parts, conformed: Conformed) -> Response<Body> {
        let (body, _) = conformed.into_parts();
        for name in [CONTENT_ENCODING, TRANSFER_ENCODING, TRAILER, ETAG] {
            answer.headers.remove(name);
        }
        answer.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let cache_control = self.realm.config.dialect.rules().cache_control;
        answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
        answer.headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        Response::from_parts(answer, Body::full(body))
    }
}
