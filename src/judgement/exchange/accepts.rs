//! What the configuration of a realm lets callers ask for at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::judgement::client::registry::Workloads;
use crate::judgement::dialect::Dialect;
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;

/// What the policy of a realm leaves to be asked for, whoever asks: the rest is refused before anything is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each with a name")]
pub struct Accepts {
    /// The shape of requests that callers know.
    pub dialect: Dialect,
    /// Parameters that are not known are kept and go to the identity provider, else they are refused.
    pub unknown_parameters: bool,
    /// Subject token types besides access tokens, which always are.
    pub subject_tokens: BTreeSet<TokenType>,
    /// Tokens of other issuers: `subject_issuer` may say whose an opaque one is.
    pub foreign: bool,
    /// Requested token types besides access and ID tokens, which always may be asked for.
    pub requested_tokens: BTreeSet<TokenType>,
    /// Clients of the realm whose tokens others may come with.
    pub subject_clients: Names,
    /// There may be an actor token.
    pub actors: bool,
    /// `requested_subject` may name whom the new token is about.
    pub impersonation: bool,
    /// Client assertions that don't name their client.
    pub workloads: Arc<Workloads>,
}
