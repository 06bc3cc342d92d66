//! Tokens that we issue by ourselves: nobody is asked but whoever proves the client and, where an audience wants it, the
//! directory of roles.

use http::header::{CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{Response, response};

use crate::adapters::upstream::directory::DirectoryError;
use crate::edge::gateway::authenticate;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::signing::signer;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::client::verify::Proven;
use crate::judgement::issue::mint::Mint;
use crate::judgement::issue::{self, Conformed};
use crate::judgement::permit::Permit;
use crate::judgement::policy::mint::Question;
use crate::judgement::policy::roles::RoleNames;
use crate::words::refusal::{Reason, Refusal};

/// Makes the token, with the roles that [`directory`] gave.
pub(super) fn mint(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    proof: &Proven,
    directory: Option<&RoleNames>,
) -> Result<Conformed, Refusal> {
    let mut buffer = uuid::Uuid::encode_buffer();
    let jti: &str = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
    let mint = Mint {
        directory,
        signer: signer(realm)?,
        issuer: &realm.config.issuer,
        now: visit.gateway.clock.now(),
        jti,
    };
    issue::mint::conform(permit, proof, &mint)
}

/// Who asks, proven: by the registry at the beginning, or now by the identity provider.
pub(super) async fn proof(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    head: &Parts,
) -> Result<Proven, Refusal> {
    let authenticated = permit.validated().authenticated();
    if let Some(proof) = authenticated.proof() {
        return Ok(proof.clone());
    }
    let credentials = authenticated.parsed().credentials();
    Box::pin(authenticate::client(visit, realm, credentials, head)).await
}

/// The roles that the identity provider holds now, for a user who is not disabled.
pub(super) async fn directory(
    visit: Visit<'_>,
    realm: &RealmState,
    question: Question<'_>,
) -> Result<RoleNames, Refusal> {
    let Some(directory) = &realm.directory else {
        let detail = format!("roles.source: directory: write realms.{}.directory", realm.config.name);
        return Err(Refusal::new(Reason::DirectoryUnavailable, detail));
    };
    let (upstream, now) = (&visit.gateway.upstream, visit.gateway.clock.now());
    let refused = |error: DirectoryError| {
        let reason = match error {
            DirectoryError::NoUser => Reason::SubjectTokenInactive,
            _ => Reason::DirectoryUnavailable,
        };
        Refusal::new(reason, format!("realms.{}.directory: {error}", realm.config.name))
    };
    if !directory.is_enabled(upstream, question.subject, now).await.map_err(refused)? {
        return Err(Refusal::new(Reason::SubjectTokenInactive, "the user is disabled"));
    }
    let mut roles = RoleNames::default();
    if question.realm {
        let held = directory.realm_roles(upstream, question.subject, now).await.map_err(refused)?;
        roles.realm.extend(held.iter().cloned());
    }
    for client in question.clients {
        let held = directory.client_roles(upstream, question.subject, client, now).await.map_err(refused)?;
        if !held.is_empty() {
            roles.clients.insert(client.to_owned(), (*held).clone());
        }
    }
    Ok(roles)
}

/// The head of an answer that is ours alone.
pub(super) fn head() -> response::Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    head.headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    head
}
