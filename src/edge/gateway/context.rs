//! What every request has before anything is known about it.

use std::sync::Arc;

use http::request::Parts;

use super::generation::Generation;
use super::realm_runtime::RealmRuntime;
use super::record::{AuditRecord, RequestHead};
use super::services::Services;
use crate::adapters::net::connection::Connection;

/// The surroundings of a request.
#[derive(Clone, Copy)]
pub struct RequestContext<'a> {
    /// What all requests share.
    pub services: &'a Services,
    /// The generation of the configuration that judges the request.
    pub generation: &'a Generation,
    /// The connection that the request came on.
    pub connection: &'a Arc<Connection>,
}

impl<'a> RequestContext<'a> {
    /// Starts the audit record of a request with this head.
    pub fn record(self, head: &Parts, realm: Option<&RealmRuntime>) -> AuditRecord<'a> {
        self.record_of(&RequestHead::of(head, self.connection), realm)
    }

    /// Starts the audit record of a request whose head was read before.
    pub fn record_of(self, head: &RequestHead<'_>, realm: Option<&RealmRuntime>) -> AuditRecord<'a> {
        AuditRecord::new(self.services, head, realm, &self.generation.config.policy.hash)
    }
}
