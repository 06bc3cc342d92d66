//! Who issued a token, and about whose subject.

/// Who issued a subject or actor token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The realm's identity provider.
    Realm,
    /// Another trusted issuer. Tokens of another realm are foreign too.
    Foreign,
    /// Cambio, about a subject of the realm. The identity provider does not know the token.
    CambioForRealm,
    /// Cambio, about a subject of another issuer. `sub` is already what minted tokens say.
    CambioForForeign,
}

impl Provenance {
    /// Whether the subject is one of the realm.
    pub fn is_of_realm(self) -> bool {
        matches!(self, Self::Realm | Self::CambioForRealm)
    }

    /// Whether Cambio signed the token.
    pub fn is_by_cambio(self) -> bool {
        matches!(self, Self::CambioForRealm | Self::CambioForForeign)
    }

    /// Whether the token came from another issuer itself, so that `sub` is not yet what minted tokens say.
    pub fn is_foreign(self) -> bool {
        self == Self::Foreign
    }
}
