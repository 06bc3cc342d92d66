//! The values of labels.

/// What became of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A token was handed out.
    Allowed,
    /// Refused: by us, or by the identity provider.
    Denied,
    /// Neither: a fault of the identity provider, of the network or of ours.
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

/// Which way a request took.
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
    /// Refused by its head alone.
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

/// Where a token of our own was used.
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

/// What the store was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOperation {
    /// To take a thing that is good for one use.
    Claim,
    /// To mark a thing.
    Mark,
    /// Whether a thing is marked.
    Look,
}

/// What the store said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOutcome {
    /// Taken, marked, or not marked.
    Ok,
    /// Taken before, or marked.
    Used,
    /// It could not tell.
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
