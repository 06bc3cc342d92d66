//! A request to a token endpoint: read, classified, and governed or passed on.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Response;
use http::request::Parts;
use hyper::body::Incoming;
use serde::Deserialize;

use super::answer_lock;
use super::case::{Case, RequestContext};
use super::exchange::client::GovernedRequest;
use super::exchange::govern;
use super::observe::{Observed, unknown_realm};
use super::page::Page;
use super::passing::ask_for_readable_answer;
use super::realm_runtime::RealmRuntime;
use super::record::AuditRecord;
use super::services::ReadForm;
use crate::adapters::net::body::Body;
use crate::adapters::net::budget::MemoryShare;
use crate::judgement::exchange::classify::{
    Classified, GovernedGrant, carries_token_of_ours, classify, classify_known,
};
use crate::judgement::exchange::doors::Doors;
use crate::judgement::exchange::{api_access, json};
use crate::judgement::jose::jws::kid_of_public_key;
use crate::judgement::route::Route;
use crate::words::refusal::{Reason, Refusal};

/// Longest time that the answer to a login waits for the keys of its tokens.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Answers a request to a token endpoint.
pub async fn respond(context: RequestContext<'_>, head: Parts, body: Incoming) -> Response<Body> {
    let record = context.record(&head, realm(context, &head));
    let share = context.share(&head);
    let read = context.services.read_form(context.generation, body, &share).await;
    Box::pin(judge(context, head, read, share, record)).await
}

/// Answers a request whose body has been read. Only this part is large, so an open form takes little memory.
async fn judge(
    context: RequestContext<'_>,
    head: Parts,
    read: Result<ReadForm, Refusal>,
    share: MemoryShare,
    mut record: AuditRecord<'_>,
) -> Response<Body> {
    // The generation that is in force now applies, because the request is complete: a slow body must not keep a
    // removed permission alive.
    let generation = context.services.generation();
    let context = RequestContext { generation: &generation, ..context };
    let realm = realm(context, &head);
    record.governed_by(realm, &generation.config.policy.hash);
    let form = match read {
        Ok(form) => form,
        Err(refusal) => return record.conclude(Err(refusal)).await,
    };
    let request = read_request(context, realm, &head, &form);
    let request = observe_if_configured(context, realm, &head, &form, request);
    if let Ok(TokenRequest::Closed(door, _)) = &request {
        record.is_refused_at_door(door.name());
    }
    match request {
        Err(refusal) | Ok(TokenRequest::Closed(_, refusal)) => {
            // What Cambio refuses costs an audit line.
            let limited = realm.and_then(|realm| realm.admit(record.peer()).err());
            let refusal = limited.unwrap_or(refusal);
            let mut page = Page::of(&head);
            page.names_in(&head, &form.bytes);
            page.readers_before(realm).of(record.conclude(Err(refusal)).await)
        }
        Ok(TokenRequest::Governed(request)) => {
            record.is_governed(request.grant());
            let Some(realm) = realm else { return record.conclude(Err(unknown_realm())).await };
            // What is judged is a copy of the form, and what is sent is another.
            let copies = share.take(2 * form.bytes.len());
            let Ok(_copies) = copies else { return record.conclude(Err(no_memory_for_copies())).await };
            let mut case = Case::new(context, realm, head, record);
            let answered = govern(&mut case, request).await;
            // If the request was refused before its client was read.
            case.page.names_in(&case.head, &form.bytes);
            case.conclude(answered).await
        }
        Ok(TokenRequest::Observed(observed, door)) => {
            match (&observed, door) {
                (Observed::Exchange(grant, _), _) => record.is_governed(Some(*grant)),
                (Observed::Refused(_), Some(door)) => record.is_door(door.name()),
                (Observed::Refused(_), None) => record.is_observed_unread(),
            }
            // Without memory for judging it, the request passes unjudged.
            let copies = share.take(2 * form.bytes.len());
            let observed = if copies.is_ok() { observed } else { Observed::Refused(no_memory_for_copies()) };
            context.observe(observed, realm, head, form, record).await
        }
        Ok(TokenRequest::Open(door)) => {
            if let Some(limited) = realm.and_then(|realm| realm.admit(record.peer()).err()) {
                record.is_refused_at_door(door.name());
                return record.conclude(Err(limited)).await;
            }
            record.is_door(door.name());
            let answered = pass_door(context, door, head, form, &share, &mut record).await;
            record.conclude(answered).await
        }
        Ok(TokenRequest::Other) => {
            record.ungoverned();
            let answered = pass_grant(context, realm, head, form, &share, &mut record).await;
            record.conclude(answered).await
        }
    }
}

/// The kinds of requests to a token endpoint.
enum TokenRequest {
    /// A governed grant.
    Governed(GovernedRequest),
    /// A grant that the configuration lets through ungoverned.
    Open(GovernedGrant),
    /// A grant that the configuration closes.
    Closed(GovernedGrant, Refusal),
    /// Would be governed or refused, but is observed; with its closed door.
    Observed(Observed, Option<GovernedGrant>),
    /// A grant that exchanges no token for another.
    Other,
}

/// The realm of this token endpoint; `None` if no realm is configured for it.
fn realm<'a>(context: RequestContext<'a>, head: &Parts) -> Option<&'a RealmRuntime> {
    let generation = context.generation;
    match generation.table.route(head) {
        Route::Door { realm } => realm.and_then(|index| generation.realms.get(index)),
        Route::ApiAccess(index) => generation.realms.get(index),
        _ => None,
    }
}

fn read_request(
    context: RequestContext<'_>,
    realm: Option<&RealmRuntime>,
    head: &Parts,
    form: &ReadForm,
) -> Result<TokenRequest, Refusal> {
    if let Route::ApiAccess(_) = context.generation.table.route(head) {
        let realm = realm.ok_or_else(unknown_realm)?;
        let request = api_access::parse(head, &form.bytes, &realm.accepts)?;
        return Ok(TokenRequest::Governed(GovernedRequest::ApiAccess(request)));
    }
    let closed = Doors::default();
    let doors = realm.map_or(&closed, |realm| &realm.config.doors);
    let rules = realm.map(|realm| realm.config.dialect.rules());
    let as_json = if rules.is_some_and(|rules| rules.json) { json::classify(head, &form.bytes) } else { None };
    let is_dialects_path = context.generation.table.upstream_path(head.uri.path()).is_some();
    let as_form = if is_dialects_path && rules.is_some_and(|rules| rules.refuses_unknown_grants) {
        classify_known
    } else {
        classify
    };
    match as_json.unwrap_or_else(|| as_form(head, &form.bytes, doors)) {
        Classified::Refused(refusal) => Err(refusal),
        Classified::Exchange(grant, form) => Ok(TokenRequest::Governed(GovernedRequest::Exchange(grant, form))),
        Classified::Refresh(form) => Ok(TokenRequest::Governed(GovernedRequest::Refresh(form))),
        Classified::Other => Ok(TokenRequest::Other),
        Classified::Open(door) => Ok(TokenRequest::Open(door)),
        Classified::Closed(door, refusal) => Ok(TokenRequest::Closed(door, refusal)),
    }
}

/// The request as observed, if the configuration says so. To the dialects' own requests and about tokens of Cambio, the
/// identity provider alone has no answer.
fn observe_if_configured(
    context: RequestContext<'_>,
    realm: Option<&RealmRuntime>,
    head: &Parts,
    form: &ReadForm,
    request: Result<TokenRequest, Refusal>,
) -> Result<TokenRequest, Refusal> {
    let is_observed = match &request {
        Ok(TokenRequest::Governed(GovernedRequest::Exchange(_, form))) => match realm {
            Some(realm) => context.observes_exchange(realm, form),
            None => context.observes_realm(None),
        },
        Ok(TokenRequest::Closed(..)) | Err(_) => context.observes_realm(realm),
        Ok(_) => false,
    };
    if !is_observed || is_of_dialect(context, realm, head, form) {
        return request;
    }
    let owns = |kid: &str| realm.and_then(|realm| realm.signing.as_ref()).is_some_and(|ring| ring.owns(kid));
    if carries_token_of_ours(&form.bytes, owns) {
        return request;
    }
    match request {
        Ok(TokenRequest::Governed(GovernedRequest::Exchange(grant, form))) => {
            Ok(TokenRequest::Observed(Observed::Exchange(grant, form), None))
        }
        Ok(TokenRequest::Closed(door, refusal)) => Ok(TokenRequest::Observed(Observed::Refused(refusal), Some(door))),
        Err(refusal) => Ok(TokenRequest::Observed(Observed::Refused(refusal), None)),
        other => other,
    }
}

/// Whether only the realm's dialect has such a request: at a path of its own, or in JSON.
fn is_of_dialect(context: RequestContext<'_>, realm: Option<&RealmRuntime>, head: &Parts, form: &ReadForm) -> bool {
    let table = &context.generation.table;
    let takes_json = realm.is_some_and(|realm| realm.config.dialect.rules().json);
    table.upstream_path(head.uri.path()).is_some()
        || matches!(table.route(head), Route::ApiAccess(_))
        || takes_json && json::classify(head, &form.bytes).is_some()
}

fn no_memory_for_copies() -> Refusal {
    Refusal::new(Reason::Overloaded, "no memory for judging the form")
}

/// Passes a grant that is not governed. Only what the answer lock refuses is audited.
async fn pass_grant(
    context: RequestContext<'_>,
    realm: Option<&RealmRuntime>,
    mut head: Parts,
    form: ReadForm,
    share: &MemoryShare,
    record: &mut AuditRecord<'_>,
) -> Result<Response<Body>, Refusal> {
    ask_for_readable_answer(&mut head);
    let response = context.send_original(head, form.into_body()).await?;
    let idle = context.services.upstream.idle_timeout();
    let released = answer_lock::release_whole(response, idle, share).await?;
    record.not_audited();
    if let (Some(realm), Some(whole)) = (realm, &released.whole) {
        learn_keys(realm, whole).await;
    }
    Ok(released.response)
}

/// Passes a grant that the configuration opens, and audits this.
async fn pass_door(
    context: RequestContext<'_>,
    door: GovernedGrant,
    mut head: Parts,
    form: ReadForm,
    share: &MemoryShare,
    record: &mut AuditRecord<'_>,
) -> Result<Response<Body>, Refusal> {
    ask_for_readable_answer(&mut head);
    let response = context.send_original(head, form.into_body()).await?;
    let response = match door {
        // The configuration opens these grants, whose answers have the mark of an exchange.
        GovernedGrant::RequestedIssuer | GovernedGrant::RequestedSubject => response,
        GovernedGrant::JwtBearer
        | GovernedGrant::UmaTicket
        | GovernedGrant::Ciba
        | GovernedGrant::PreAuthorizedCode
        | GovernedGrant::BrokerToken
        | GovernedGrant::IntrospectionJwt => {
            let idle = context.services.upstream.idle_timeout();
            answer_lock::release_whole(response, idle, share).await?.response
        }
    };
    record.door_passed(response.status()).await?;
    Ok(response)
}

/// Fetches the realm's keys if a token has a `kid` that is unknown, because the identity provider has then rotated its
/// keys. The fetch precedes the answer, so that no resource server receives a `kid` that `certs` lacks. It never delays
/// the answer for longer than [`LONGEST_WAIT`], and goes on when the answer has left. No public key checks a token with a
/// shared secret, so Cambio fetches nothing for such a token.
async fn learn_keys(realm: &RealmRuntime, answer: &[u8]) {
    #[derive(Deserialize)]
    struct TokenAnswer<'a> {
        #[serde(borrow, default)]
        access_token: Option<std::borrow::Cow<'a, str>>,
        #[serde(borrow, default)]
        id_token: Option<std::borrow::Cow<'a, str>>,
    }
    let Ok(TokenAnswer { access_token, id_token }) = serde_json::from_slice(answer) else { return };
    let kids = [access_token, id_token].into_iter().flatten().filter_map(|token| kid_of_public_key(&token));
    let unknown: Vec<_> = kids.filter(|kid| !realm.jwks.has_keys_for(Some(kid))).collect();
    if unknown.is_empty() {
        realm.keys_are_late.store(false, Ordering::Relaxed);
        return;
    }
    // One answer waits in vain; those that follow only see to it that the keys are fetched.
    let wait = if realm.keys_are_late.load(Ordering::Relaxed) { Duration::ZERO } else { LONGEST_WAIT };
    let learn = async {
        for kid in unknown {
            // The cache counts a failure, and the answer does not wait for a second attempt.
            let _ = realm.jwks.published(Some(&kid)).await;
        }
    };
    // Too late is as good as not at all: the answer leaves.
    let is_late = tokio::time::timeout(wait, Box::pin(learn)).await.is_err();
    realm.keys_are_late.store(is_late, Ordering::Relaxed);
}
