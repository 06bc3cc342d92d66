//! The values of labels.

/// The outcome of an exchange, and of other decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A token was handed out.
    Allowed,
    /// Cambio or the identity provider refused.
    Denied,
    /// Neither: the identity provider, the network or Cambio failed.
    Failed,
}

impl Outcome {
    /// The label value and the audit field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// How Cambio handled a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Streamed to the identity provider.
    Pass,
    /// A form to a path that is no token endpoint.
    Form,
    /// The realm's keys.
    Keys,
    /// The realm's discovery document.
    Discovery,
    /// A token endpoint.
    Token,
    /// Introspection, userinfo or revocation.
    Own,
    /// Refused because of its head.
    Rejected,
}

impl Way {
    pub(super) const ALL: [Self; 7] =
        [Self::Pass, Self::Form, Self::Keys, Self::Discovery, Self::Token, Self::Own, Self::Rejected];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Form => "form",
            Self::Keys => "keys",
            Self::Discovery => "discovery",
            Self::Token => "token",
            Self::Own => "own",
            Self::Rejected => "rejected",
        }
    }
}

/// The endpoint at which a token that Cambio issued was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnEndpoint {
    /// RFC 7662.
    Introspection,
    /// `OpenID` Connect Core section 5.3.
    Userinfo,
    /// RFC 7009.
    Revocation,
    /// The token endpoint, with a refresh token.
    Refresh,
}

impl OwnEndpoint {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Introspection => "introspection",
            Self::Userinfo => "userinfo",
            Self::Revocation => "revocation",
            Self::Refresh => "refresh",
        }
    }
}

/// An operation of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOperation {
    /// Claims something that is good for one use.
    Claim,
    /// Marks something as used or revoked.
    Mark,
    /// Looks up a mark.
    Look,
}

/// The result of an operation of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOutcome {
    /// Claimed, marked, or not marked.
    Ok,
    /// Claimed before, or marked.
    Used,
    /// The store did not answer.
    Error,
}

impl StoreOperation {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Mark => "mark",
            Self::Look => "look",
        }
    }
}

impl StoreOutcome {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Used => "used",
            Self::Error => "error",
        }
    }
}
