//! What a realm's configuration lets callers ask for.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::judgement::client::registry::Workloads;
use crate::judgement::dialect::Dialect;
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;

/// What any caller of a realm may ask for. Everything else is refused before a token is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each with a name")]
pub struct Accepts {
    /// The shape of requests that callers use.
    pub dialect: Dialect,
    /// Unknown parameters go to the identity provider; otherwise they are refused.
    pub unknown_parameters: bool,
    /// Subject token types besides access tokens, which are always accepted.
    pub subject_tokens: BTreeSet<TokenType>,
    /// Tokens of other issuers: `subject_issuer` may name the issuer of an opaque token.
    pub foreign: bool,
    /// Requested token types besides access and ID tokens, which are always accepted.
    pub requested_tokens: BTreeSet<TokenType>,
    /// Clients of the realm whose tokens other clients may present.
    pub subject_clients: Names,
    /// There may be an actor token.
    pub actors: bool,
    /// `requested_subject` may name the subject of the new token.
    pub impersonation: bool,
    /// Client assertions that don't name their client.
    pub workloads: Arc<Workloads>,
}
