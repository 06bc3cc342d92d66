//! A refusal, as a dialect answers it.

use crate::words::refusal::{Cause, Reason, Refusal};

/// The kind of request that was refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestKind {
    /// A token exchange, or a request whose kind is not known yet.
    #[default]
    Exchange,
    /// A JWT authorization grant (RFC 7523).
    Assertion,
    /// The refresh of a token that Cambio issued (RFC 6749 section 6).
    Refresh,
}

/// A refusal, as far as a dialect needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct DialectRefusal<'a> {
    /// The reason.
    pub reason: Reason,
    /// The particulars: of [`Reason::ParameterMissing`] and [`Reason::ActorTokenIncomplete`], the missing parameter's name.
    pub detail: &'a str,
    /// The kind of the request.
    pub request: RequestKind,
}

impl<'a> DialectRefusal<'a> {
    /// The refusal of a request of this kind.
    pub fn new(refusal: &'a Refusal, request: RequestKind) -> Self {
        Self { reason: refusal.reason, detail: &refusal.detail, request }
    }

    /// What the refusal is about. A wrong refresh token or assertion is an invalid grant (RFC 6749 section 5.2, RFC 7521
    /// section 4.1.1).
    pub fn cause(&self) -> Cause {
        let cause = self.reason.cause();
        match (self.request, cause) {
            (RequestKind::Refresh, Cause::Denied | Cause::Actor)
            | (RequestKind::Refresh | RequestKind::Assertion, Cause::SubjectToken | Cause::UntrustedToken) => {
                Cause::Grant
            }
            _ => cause,
        }
    }
}
