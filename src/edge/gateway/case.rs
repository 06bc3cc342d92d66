//! What belongs to one request: its context, and, if the request is governed, its case.

pub mod client;

use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response};

use self::client::CaseClient;
use super::generation::Generation;
use super::page::{Page, Readers};
use super::realm_runtime::RealmRuntime;
use super::record::{AuditRecord, RequestHead};
use super::services::Services;
use crate::adapters::net::body::Body;
use crate::adapters::net::budget::MemoryShare;
use crate::adapters::net::connection::Connection;
use crate::adapters::upstream::headers;
use crate::words::refusal::{Cause, Refusal};

/// What every request has before its head is read.
#[derive(Clone, Copy)]
pub struct RequestContext<'a> {
    /// What all requests share.
    pub services: &'a Services,
    /// The generation of the configuration that applies.
    pub generation: &'a Generation,
    /// The connection that the request came on.
    pub connection: &'a Arc<Connection>,
}

impl<'a> RequestContext<'a> {
    /// The caller's share of the memory.
    pub fn share(self, head: &Parts) -> MemoryShare {
        self.services.budget.share(headers::caller(&head.headers, self.connection))
    }

    /// Starts the audit record of a request with this head.
    pub fn record(self, head: &Parts, realm: Option<&RealmRuntime>) -> AuditRecord<'a> {
        self.record_of(&RequestHead::of(head, self.connection), realm)
    }

    /// Starts the audit record of a request whose head was read before.
    pub fn record_of(self, head: &RequestHead<'_>, realm: Option<&RealmRuntime>) -> AuditRecord<'a> {
        AuditRecord::new(self.services, head, realm, &self.generation.config.policy.hash)
    }
}

/// A governed request: a grant that exchanges one token for another, or a request about a token that Cambio signed.
pub struct Case<'a> {
    /// What all requests share.
    pub services: &'a Services,
    /// The generation of the configuration that judges the request.
    pub generation: &'a Generation,
    /// The connection that the request came on.
    pub connection: &'a Arc<Connection>,
    /// The realm whose endpoint was called.
    pub realm: &'a RealmRuntime,
    /// The head of the request. [`Case::take_head`] leaves an empty one behind.
    pub head: Parts,
    /// The caller's share of the memory.
    pub share: MemoryShare,
    /// The audit record, with what is known so far.
    pub record: AuditRecord<'a>,
    /// What is proven about the client that sent the request.
    pub client: CaseClient,
    /// The web page that sent the request, if one did.
    pub page: Page,
}

impl<'a> Case<'a> {
    /// The case of a request at a realm.
    pub fn new(context: RequestContext<'a>, realm: &'a RealmRuntime, head: Parts, record: AuditRecord<'a>) -> Self {
        let RequestContext { services, generation, connection } = context;
        let (page, share) = (Page::of(&head), context.share(&head));
        Self { services, generation, connection, realm, head, share, record, client: CaseClient::Unread, page }
    }

    /// Which web pages may read the answer. `refusal`: the cause, if the request is refused.
    pub async fn readers(&self, refusal: Option<Cause>) -> Readers {
        self.page.readers(self.realm, &self.services.upstream, self.client.is_proven(), refusal).await
    }

    /// The answer, which the client's web pages may read. The audit line is written before the directory is asked about
    /// pages, because the caller may hang up meanwhile.
    pub async fn conclude(self, answered: Result<Response<Body>, Refusal>) -> Response<Body> {
        let refusal = answered.as_ref().err().map(|refusal| refusal.reason.cause());
        let Self { services, realm, record, client, page, .. } = self;
        let response = record.conclude(answered).await;
        page.readers(realm, &services.upstream, client.is_proven(), refusal).await.of(response)
    }

    /// Takes the head for the last request to the identity provider, so that the headers are not copied.
    pub fn take_head(&mut self) -> Parts {
        std::mem::replace(&mut self.head, Request::new(()).into_parts().0)
    }
}
