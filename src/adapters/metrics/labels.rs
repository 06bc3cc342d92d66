//! The values of labels.

/// Writes an enum whose variants have a label value.
macro_rules! labels {
    ($($(#[$of_type:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $label:literal,)* })*) => {$(
        $(#[$of_type])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: [Self; [$(Self::$variant),*].len()] = [$(Self::$variant),*];

            /// The label value.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }
        }
    )*};
}

labels! {
    /// The outcome of an exchange, and of other decisions. The audit log has the label value, too.
    Outcome {
        /// A token was handed out.
        Allowed = "allowed",
        /// Cambio or the identity provider refused.
        Denied = "denied",
        /// The identity provider, the network or Cambio failed.
        Failed = "failed",
    }

    /// What Cambio would have decided about an observed request. The audit log has the label value, too.
    ShadowOutcome {
        /// A token would have been handed out.
        Allowed = "allowed",
        /// Cambio would have refused.
        Denied = "denied",
        /// The judgement failed: a key or an answer that it needs was not there.
        Failed = "failed",
        /// There was no judgement: the identity provider refused, so the client is not proven.
        Unjudged = "unjudged",
    }

    /// How loading the configuration ended.
    LoadOutcome {
        /// All of it is in use.
        Ok = "ok",
        /// All of it is in use but for broken audience files.
        Partial = "partial",
        /// None of it is in use.
        Error = "error",
    }

    /// How Cambio handled a request.
    Way {
        /// Streamed to the identity provider.
        Pass = "pass",
        /// A form to a path that is no token endpoint.
        Form = "form",
        /// The realm's keys.
        Keys = "keys",
        /// The realm's discovery document.
        Discovery = "discovery",
        /// A token endpoint.
        Token = "token",
        /// Introspection, userinfo or revocation.
        Own = "own",
        /// Refused because of its head.
        Rejected = "rejected",
    }

    /// The endpoint at which a token that Cambio issued was used.
    OwnEndpoint {
        /// RFC 7662.
        Introspection = "introspection",
        /// `OpenID` Connect Core section 5.3.
        Userinfo = "userinfo",
        /// RFC 7009.
        Revocation = "revocation",
        /// The token endpoint, with a refresh token.
        Refresh = "refresh",
    }

    /// An operation of the store.
    StoreOperation {
        /// Claims something that is good for one use.
        Claim = "claim",
        /// Marks something as used or revoked.
        Mark = "mark",
        /// Looks up a mark.
        Look = "look",
    }

    /// The result of an operation of the store.
    StoreOutcome {
        /// Claimed, marked, or not marked.
        Ok = "ok",
        /// Claimed before, or marked.
        Used = "used",
        /// The store did not answer.
        Error = "error",
    }
}
