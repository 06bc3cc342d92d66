//! On which session of its user a refresh token depends.
//!
//! The owner of an audience can permit the scope `offline_access`. A refresh token with this scope outlives the session of
//! the login, as Keycloak's offline tokens do. A login that itself asked for `offline_access` has an offline session; whoever
//! ends that session ends every refresh token that came of the login.

use serde_json::{Map, Value};

use crate::judgement::policy::scopes::OFFLINE;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;

/// The session of its user that a refresh token needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionNeed {
    /// The session of an ordinary login.
    Ordinary,
    /// The session, be it an ordinary one or an offline one: the login asked for `offline_access`.
    OrdinaryOrOffline,
    /// None: the refresh token outlives the session of the login.
    Nothing,
}

impl SessionNeed {
    /// What a refresh token needs that came of this subject token of the realm. `offline`: the scope of the refresh token has
    /// `offline_access`, by permission of the audience's owner. An ID token does not say what kind of session it belongs to.
    pub(super) fn of(subject: &Map<String, Value>, kind: TokenType, offline: bool) -> Self {
        let is_access_token = matches!(kind, TokenType::AccessToken | TokenType::Jwt);
        // Whoever acts for the user in the session does so no longer than the session goes on.
        let offline = offline && !subject.contains_key("act");
        match (is_of_offline_login(subject), offline) {
            (false, false) => Self::Ordinary,
            (false, true) if is_access_token => Self::Nothing,
            (true, _) | (false, true) => Self::OrdinaryOrOffline,
        }
    }
}

/// Whether a token belongs to an offline session. Its scope says so, and so does Keycloak's `jti`, which begins with three
/// codes of two letters: for the session, the kind of token, and the grant.
fn is_of_offline_login(claims: &Map<String, Value>) -> bool {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let jti = text("jti");
    Scope::parse(text("scope")).is_ok_and(|scope| scope.contains(OFFLINE))
        || jti.get(..2) == Some("of") && jti.get(6..7) == Some(":")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_refresh_token_needs() {
        use SessionNeed::{Nothing, Ordinary, OrdinaryOrOffline};
        use TokenType::{AccessToken, IdToken, Jwt};
        for (name, claims, kind, offline, expected) in [
            ("ordinary", json!({"scope": "openid"}), AccessToken, false, Ordinary),
            ("offline by permission", json!({"scope": "openid"}), AccessToken, true, Nothing),
            ("the same as a JWT", json!({"scope": "openid"}), Jwt, true, Nothing),
            ("an ID token does not tell", json!({}), IdToken, true, OrdinaryOrOffline),
            ("an ID token, not offline", json!({}), IdToken, false, Ordinary),
            ("an offline login", json!({"scope": "openid offline_access"}), AccessToken, false, OrdinaryOrOffline),
            ("offline twice", json!({"scope": "offline_access"}), AccessToken, true, OrdinaryOrOffline),
            ("only the jti tells", json!({"jti": "ofrtro:0855c6ae"}), AccessToken, true, OrdinaryOrOffline),
            ("an online jti", json!({"jti": "onrtro:0855c6ae"}), AccessToken, true, Nothing),
            ("of an impersonation session", json!({"act": {"sub": "admin"}}), AccessToken, true, Ordinary),
            ("a jti that is no code", json!({"jti": "offline"}), AccessToken, true, Nothing),
            ("a scope that only begins so", json!({"scope": "offline_access2"}), AccessToken, true, Nothing),
        ] {
            let claims = claims.as_object().unwrap();
            assert_eq!(SessionNeed::of(claims, kind, offline), expected, "{name}");
        }
    }
}
