//! Refresh tokens of our own: handed out beside an access token, and used once each to have the exchange judged again.
//!
//! Where the identity provider took part, it is asked again with its own refresh token, so a session that has ended there
//! ends here. A refresh token that is used a second time was copied: its whole family is revoked (RFC 9700 section
//! 4.14.2). It counts as used when the answer is ready, so one that failed for a passing reason can be tried again.

use http::Response;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};

use super::ask::{Asked, ask};
use super::issuing::{Outcome, minted_again, verified};
use super::{authenticate, respond};
use crate::adapters::config::RefreshTokens;
use crate::adapters::net::body::Body;
use crate::edge::gateway::evidence::certificate;
use crate::edge::gateway::evidence::dpop::proof;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::own_tokens::Family;
use crate::edge::gateway::record::Exit;
use crate::edge::gateway::signing::signer;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::client::certificate::ClientCertificate;
use crate::judgement::client::credentials::{Credentials, Method};
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::exchange::refresh::{Refresh, parse};
use crate::judgement::issue::answer::UpstreamAnswer;
use crate::judgement::issue::refresh::{Session, take_refreshed, take_session};
use crate::judgement::issue::reissue::conform;
use crate::judgement::issue::{Conformed, RefreshTokenFor, Verified};
use crate::judgement::jose::claims;
use crate::judgement::permit::renewal::{Handed, IssuedToken, Renewal};
use crate::judgement::permit::{Checks, Permit};
use crate::judgement::policy::model::Issuance;
use crate::judgement::token::confirmation::Evidence;
use crate::judgement::token::dpop::Place;
use crate::words::oauth::form::Form;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// The answer to an exchange, with the first refresh token of a family if one was asked for and permitted.
pub(super) fn first(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    (conformed, session): (Conformed, Option<Session>),
    exit: &mut Exit<'_>,
) -> Result<Conformed, Refusal> {
    if !permit.refresh() {
        return Ok(conformed);
    }
    let tokens = configured(realm)?;
    refreshable(permit, session.is_some())?;
    let now = visit.gateway.clock.now();
    let session = session.unwrap_or(Session { token: None, expires_in: None });
    let ends = ends(now, (now, permit.refresh_lifetime()), session.expires_in);
    let family = uuid::Uuid::new_v4().to_string();
    let handed = Handed {
        scope: &conformed.facts().scope_granted,
        token: issued(&conformed),
        upstream: session.token,
        // The identity provider said which local user it is, and that does not change.
        local_subject: match permit.issuance() {
            Issuance::Translate => conformed.facts().subject.clone(),
            Issuance::Forward | Issuance::Reissue | Issuance::Mint => None,
        },
    };
    let renewal = Renewal::first(permit, &realm.config.name, family, handed, (now, ends));
    exit.family(&renewal);
    let asked = permit.validated().authenticated().parsed().requested() == TokenType::RefreshToken;
    let answers = if asked { RefreshTokenFor::Exchange } else { RefreshTokenFor::AccessToken };
    hand_out(tokens, &renewal, conformed, now, answers)
}

/// Judges the exchange that a refresh token of ours stands for again, has it performed, and answers with a new one.
///
/// # Errors
/// The refusal; the caller answers and audits it.
pub async fn judge(
    visit: Visit<'_>,
    realm: &RealmState,
    form: &Form,
    head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Response<Body>, Refusal> {
    let refresh = parse(form, &head, &realm.config.clients.workloads)?;
    exit.refreshing(&refresh);
    let tokens = configured(realm)?;
    let renewal = open(tokens, realm, &refresh, visit.gateway.clock.now())?;
    exit.family(&renewal);
    exit.renewing(&renewal);
    let family = Family::new(&renewal);
    family.check_unused(visit).await?;
    let authenticated = authenticated(visit, realm, &refresh, &renewal, &head).await?;
    let proof = proof(visit, realm, &head, (refresh.token(), Place::TokenEndpoint), exit).await?;
    let certificate = certificate::of(visit, &head)?;
    let thumbprint = certificate.as_deref().map(ClientCertificate::thumbprint_s256);
    let evidence = Evidence { dpop: proof.as_ref(), certificate_thumbprint: thumbprint.as_deref() };
    let permit = permit(visit, realm, authenticated, (&renewal, &refresh, evidence))?;
    exit.permitted(&permit);

    let outcome = if let Some(token) = renewal.upstream() {
        asked_again(visit, realm, &permit, (&refresh, token), head, exit).await?
    } else {
        goes_on(visit, realm, &permit).await?;
        minted_again(visit, realm, &permit, &head).await?
    };
    match outcome {
        Outcome::Issued(answer, conformed, session) => {
            family.use_up(visit).await?;
            let now = visit.gateway.clock.now();
            let expires_in = session.as_ref().and_then(|session| session.expires_in);
            let handed = Handed {
                scope: &conformed.facts().scope_granted,
                token: issued(&conformed),
                upstream: session.and_then(|session| session.token),
                local_subject: None,
            };
            let ends = ends(now, (renewal.began(), permit.refresh_lifetime()), expires_in);
            let next = renewal.next(&permit, handed, (now, ends));
            let conformed = hand_out(tokens, &next, conformed, now, RefreshTokenFor::Refresh)?;
            let conformed = conformed.in_shape(realm.config.dialect);
            exit.issued(conformed.facts());
            exit.allowed(answer.status)?;
            Ok(respond(realm, answer, conformed))
        }
        Outcome::Refused(response, why) => {
            exit.refused(&why, response.status());
            Ok(response)
        }
    }
}

/// What the refresh token stands for.
fn open(
    tokens: &RefreshTokens,
    realm: &RealmState,
    refresh: &Refresh,
    now: Timestamp,
) -> Result<Renewal, Refusal> {
    let invalid = |detail: String| Refusal::new(Reason::RefreshTokenInvalid, detail);
    let client = refresh.credentials().client_id();
    let renewal = tokens.seal.open(refresh.token(), &realm.config.name, client);
    let renewal = renewal.map_err(|error| invalid(error.to_string()))?;
    if renewal.has_expired(now) { Err(invalid("it has expired".to_owned())) } else { Ok(renewal) }
}

/// Where the identity provider is asked again, it judges the credentials of clients that we don't know. Where it is not,
/// somebody must prove them before anything is issued.
async fn authenticated(
    visit: Visit<'_>,
    realm: &RealmState,
    refresh: &Refresh,
    renewal: &Renewal,
    head: &Parts,
) -> Result<Authenticated, Refusal> {
    let parsed = renewal.asked_again(refresh);
    let parsed = parsed.ok_or_else(|| Refusal::new(Reason::RefreshTokenInvalid, "it can't be read"))?;
    if renewal.upstream().is_some() {
        return super::authenticate(visit, realm, parsed, head).await;
    }
    let proof = authenticate::client(visit, realm, parsed.credentials(), head).await?;
    Authenticated::proven(parsed, proof)
}

/// The exchange judged again by what is configured now.
fn permit(
    visit: Visit<'_>,
    realm: &RealmState,
    authenticated: Authenticated,
    (renewal, refresh, evidence): (&Renewal, &Refresh, Evidence<'_>),
) -> Result<Permit, Refusal> {
    let checks = |name: &str| {
        visit.state.named_subject_issuer(realm, name).map(|(checks, _)| checks).ok_or_else(|| {
            Refusal::new(
                Reason::SubjectTokenIssuerUntrusted,
                format!("{name} is no longer among subjectIssuers of realm {}", realm.config.name),
            )
        })
    };
    let checks = Checks {
        subject: checks(renewal.subject_issuer())?,
        actor: renewal.actor_issuer().map(checks).transpose()?,
    };
    let (policy, now) = (&visit.state.config.policy, visit.gateway.clock.now());
    let permit = Permit::renew(
        authenticated,
        renewal,
        (refresh.scope(), &checks, evidence),
        (policy, &realm.circumstances()),
        now,
    )?;
    if ends(now, (renewal.began(), permit.refresh_lifetime()), None) <= now {
        return Err(Refusal::new(Reason::RefreshTokenInvalid, "token.refreshLifetime is over"));
    }
    refreshable(&permit, renewal.upstream().is_some())?;
    Ok(permit)
}

/// The user and the session that a token minted for one of the realm's own users hangs on.
fn session(permit: &Permit) -> Option<(&str, &str)> {
    let subject = permit.validated().subject();
    let sid = claims::string(subject.claims(), "sid").ok().flatten();
    sid.filter(|sid| !sid.is_empty() && permit.contract().from_directory).map(|sid| (subject.subject(), sid))
}

/// Where nobody but the directory knows the realm's own user: his session goes on. Whether he is enabled is asked with his
/// roles.
async fn goes_on(visit: Visit<'_>, realm: &RealmState, permit: &Permit) -> Result<(), Refusal> {
    let minted = permit.issuance() == Issuance::Mint && permit.validated().is_own();
    let Some((user, sid)) = session(permit).filter(|_| minted) else { return Ok(()) };
    let name = &realm.config.name;
    let directory = realm.directory.as_ref().ok_or_else(|| {
        Refusal::new(Reason::DirectoryUnavailable, format!("write realms.{name}.directory"))
    })?;
    let (upstream, now) = (&visit.gateway.upstream, visit.gateway.clock.now());
    let alive = directory.session_is_alive(upstream, user, sid, now).await.map_err(|error| {
        Refusal::new(Reason::DirectoryUnavailable, format!("realms.{name}.directory: {error}"))
    })?;
    if alive {
        Ok(())
    } else {
        Err(Refusal::new(Reason::RefreshTokenInvalid, "the user's session has ended"))
    }
}

/// The identity provider refreshes its own token for the client, and what comes is exchanged again, as the first one was:
/// it is for all that the client may have, or lacks the audience, and Keycloak does not look whether the audience's client
/// was disabled since (keycloak#53074). Only an assertion can't pay for both; then the first has to do.
async fn asked_again(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    (refresh, token): (&Refresh, &Secret),
    head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Outcome, Refusal> {
    let credentials = refresh.credentials();
    let form = refresh.upstream_form(token);
    let (mut parts, mut answer) = match ask(visit, realm, credentials, form, head.clone(), exit).await? {
        Asked::Refused(response, why) => return Ok(Outcome::Refused(response, why)),
        Asked::Answered(parts, body) => {
            let answer = UpstreamAnswer::read(parts.status.as_u16(), &body)?;
            (parts, answer)
        }
    };
    let mut session = take_refreshed(&mut answer);
    if credentials.method() == Method::Assertion {
        let token = verified(visit, realm, &answer).await?;
        let audiences = claims::audiences(token.claims()).unwrap_or_default();
        if !permit.audiences().iter().all(|wanted| audiences.contains(&wanted.as_str())) {
            return Err(Refusal::new(
                Reason::CredentialsSingleUse,
                "the refreshed token lacks the audience, so it must be exchanged, and the assertion is spent",
            ));
        }
    } else {
        let parsed = permit.asked_upstream();
        let form = parsed.upstream_form_for(answer.token(), permit.upstream_type(), permit.audiences());
        match ask(visit, realm, credentials, form, head, exit).await? {
            Asked::Refused(response, why) => return Ok(Outcome::Refused(response, why)),
            Asked::Answered(exchanged, body) => {
                answer = UpstreamAnswer::read(exchanged.status.as_u16(), &body)?;
                parts = exchanged;
            }
        }
        session = take_session(&mut answer)?;
    }
    let token = verified(visit, realm, &answer).await?;
    let token = Verified::new(&token, &realm.config.issuer);
    let (signer, now) = (signer(realm)?, visit.gateway.clock.now());
    Ok(Outcome::Issued(parts, conform(permit, answer, &token, signer, now)?, Some(session)))
}

/// Has the identity provider revoke its own refresh token, by the path that the caller called. Says what it answers where
/// it refuses.
pub(in crate::edge::gateway) async fn revoke_upstream(
    visit: Visit<'_>,
    realm: &RealmState,
    (credentials, mut form): (&Credentials, Form),
    head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Option<(Response<Body>, Refusal)>, Refusal> {
    credentials.write(&mut form);
    match ask(visit, realm, credentials, form.encode(), head, exit).await? {
        Asked::Answered(..) => Ok(None),
        Asked::Refused(response, why) => Ok(Some((response, why))),
    }
}

/// Whether what was allowed can be asked again. What is minted is asked of nobody, so nobody could say that the subject
/// token is still active.
fn refreshable(permit: &Permit, upstream: bool) -> Result<(), Refusal> {
    let refused = |detail: &str| Err(Refusal::new(Reason::RefreshTokenRefused, detail));
    match permit.issuance() {
        Issuance::Mint if permit.demands().still_active => refused(
            "with stillActive, leave refresh_token out of the permission: a refresh can't ask the issuer again",
        ),
        Issuance::Mint if permit.validated().is_ours() => refused(
            "exchange the other issuer's token for one: a token that was minted can't be renewed for longer",
        ),
        Issuance::Mint if permit.validated().is_own() && session(permit).is_none() => refused(
            "with issuance mint, the realm's own tokens need roles.source: directory and a session (sid)",
        ),
        Issuance::Mint => Ok(()),
        Issuance::Reissue | Issuance::Translate if upstream => Ok(()),
        Issuance::Reissue | Issuance::Translate | Issuance::Forward => {
            refused("the identity provider gave no refresh token")
        }
    }
}

fn configured(realm: &RealmState) -> Result<&RefreshTokens, Refusal> {
    realm.config.refresh_tokens.as_ref().ok_or_else(|| {
        let name = &realm.config.name;
        Refusal::new(Reason::RefreshTokenInvalid, format!("realms.{name}.refreshTokens is not configured"))
    })
}

/// When a family ends: by what the audience's owner says, counted from the exchange, and by what the identity provider
/// says now.
fn ends(now: Timestamp, (began, lifetime): (Timestamp, SignedDuration), upstream: Option<i64>) -> Timestamp {
    let after = |from: Timestamp, time| from.checked_add(time).unwrap_or(Timestamp::MAX);
    let upstream = upstream.map_or(Timestamp::MAX, |seconds| after(now, SignedDuration::from_secs(seconds)));
    after(began, lifetime).min(upstream)
}

fn issued(conformed: &Conformed) -> Option<IssuedToken> {
    let facts = conformed.facts();
    Some(IssuedToken { jti: facts.jti.clone()?, expires: facts.expires })
}

fn hand_out(
    tokens: &RefreshTokens,
    renewal: &Renewal,
    conformed: Conformed,
    now: Timestamp,
    answers: RefreshTokenFor,
) -> Result<Conformed, Refusal> {
    let token =
        tokens.seal.seal(renewal).map_err(|error| Refusal::new(Reason::SigningFailed, error.to_string()))?;
    Ok(conformed.with_refresh_token(&token, renewal.expires().saturating_sub(now.as_second()), answers))
}
