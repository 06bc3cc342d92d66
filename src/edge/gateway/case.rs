//! One governed request, in one value.

use std::sync::Arc;

use http::Request;
use http::request::Parts;

use super::context::RequestContext;
use super::generation::Generation;
use super::realm_runtime::RealmRuntime;
use super::record::AuditRecord;
use super::services::Services;
use crate::adapters::net::connection::Connection;

/// A request that is governed: a grant by which one token becomes another, or a question about a token that Cambio
/// signed.
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
    /// What is known so far, for the audit log.
    pub record: AuditRecord<'a>,
}

impl<'a> Case<'a> {
    /// The case of a request at a realm.
    pub fn new(context: RequestContext<'a>, realm: &'a RealmRuntime, head: Parts, record: AuditRecord<'a>) -> Self {
        let RequestContext { services, generation, connection } = context;
        Self { services, generation, connection, realm, head, record }
    }

    /// Takes the head for the last question to the identity provider, so that the headers are not copied.
    pub fn take_head(&mut self) -> Parts {
        std::mem::replace(&mut self.head, Request::new(()).into_parts().0)
    }
}
