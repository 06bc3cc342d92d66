//! The token endpoint's answer, read strictly (RFC 6749 section 5.1, RFC 8693 section 2.2.1).

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::judgement::dialect;
use crate::judgement::policy::contract::{Contract, Issued};
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

use super::Verified;

/// A successful answer: its members in the order in which they came, no name twice. `Debug` shows the names only.
#[derive(Clone)]
pub struct Answer {
    members: Members,
    token: Secret,
}

impl Answer {
    /// Reads an answer. Any status but 200 is [`Reason::UpstreamRefused`]: the gateway passes such an answer on, once it
    /// has seen that it bears no marks of an exchange. A body that is no object with an `access_token` is
    /// [`Reason::UpstreamGarbage`].
    pub fn read(status: u16, body: &[u8]) -> Result<Self, Refusal> {
        if status != 200 {
            return Err(Refusal::new(Reason::UpstreamRefused, format!("status {status}")));
        }
        let garbage = |text: &str| Refusal::new(Reason::UpstreamGarbage, text);
        let members: Members = serde_json::from_slice(body)
            .map_err(|_| garbage("the answer is no JSON object with distinct members"))?;
        let token = members.text("access_token").ok_or_else(|| garbage("the answer has no access_token"))?;
        let token = Secret::new(token);
        Ok(Self { members, token })
    }

    /// The issued token, whatever its type (RFC 8693 section 2.2.1): verify it before anything else is done with it.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The token with what the answer says about it.
    pub(super) fn issued<'a>(&'a self, token: &Verified<'a>) -> Issued<'a> {
        Issued {
            claims: token.claims,
            issuer: token.issuer,
            issued_token_type: self.members.text("issued_token_type"),
            token_type: self.members.text("token_type"),
            scope: self.members.text("scope"),
        }
    }

    /// Removes every member that is, or looks like, another token than the one that is judged, and says which. A refresh
    /// token would bring back what the contract took away.
    pub(super) fn drop_other_tokens(&mut self) -> Vec<String> {
        let mut dropped = Vec::new();
        self.members.0.retain(|(name, value)| {
            let token = name != "access_token"
                && (matches!(name.as_str(), "refresh_token" | "id_token")
                    || value.as_str().is_some_and(looks_like_jwt));
            if token {
                dropped.push(name.clone());
            }
            !token
        });
        // Keycloak's way of saying that there is none.
        if self.members.position("refresh_expires_in").is_some() {
            self.set("refresh_expires_in", Value::from(0));
        }
        dropped
    }

    /// Says what the caller asked for, where the identity provider was asked for the same by another name.
    pub(super) fn rename_token(&mut self, contract: &Contract) {
        if contract.requested != contract.upstream_type() {
            self.set("issued_token_type", Value::from(contract.requested.urn()));
        }
    }

    /// Sets a member where it stands, or adds it at the end.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.members.set(name, value);
    }

    /// A member's text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.members.text(name)
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.take(name)
    }

    /// Takes a member away.
    pub(super) fn remove(&mut self, name: &str) {
        self.members.0.retain(|(member, _)| member != name);
    }

    /// The body.
    pub(super) fn write(&self) -> Result<Vec<u8>, Refusal> {
        serde_json::to_vec(&self.members)
            .map_err(|_| Refusal::new(Reason::Internal, "the answer can't be written"))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.members.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A JSON object that remembers its order: `serde_json`'s own map sorts, and takes the last of two equal names.
#[derive(Clone)]
pub(super) struct Members(Vec<(String, Value)>);

impl Members {
    /// Sets a member where it stands, or adds it at the end.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        match self.position(name).and_then(|index| self.0.get_mut(index)) {
            Some(member) => member.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.position(name).map(|index| self.0.remove(index).1)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(member, _)| member == name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.position(name).and_then(|index| self.0.get(index)).and_then(|(_, value)| value.as_str())
    }
}

/// A body with the members that a dialect's answers have.
pub(super) fn in_shape(body: &[u8], shape: dialect::AnswerShape) -> Result<Option<Vec<u8>>, Refusal> {
    let dialect::AnswerShape::Only(members) = shape else { return Ok(None) };
    let internal = || Refusal::new(Reason::Internal, "the answer can't be written in the dialect's shape");
    let mut had: Members = serde_json::from_slice(body).map_err(|_| internal())?;
    let mut told = Members(Vec::new());
    for member in members {
        if let Some(value) = member.value(had.take(member.name())) {
            told.0.push((member.name().to_owned(), value));
        }
    }
    serde_json::to_vec(&told).map(Some).map_err(|_| internal())
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members(Vec::new());
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.position(&name).is_some() {
                        return Err(A::Error::custom("a member twice"));
                    }
                    members.0.push((name, value));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A compact JWS or JWE: base64url of `{"…`, and dots.
fn looks_like_jwt(text: &str) -> bool {
    text.starts_with("ey") && matches!(text.bytes().filter(|&byte| byte == b'.').count(), 2 | 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_answer_or_says_why_not() {
        for (name, status, body, expected) in [
            ("an error", 403, r#"{"error":"access_denied"}"#, Reason::UpstreamRefused),
            ("a redirect", 302, "", Reason::UpstreamRefused),
            ("created, with a token", 201, r#"{"access_token":"x"}"#, Reason::UpstreamRefused),
            ("HTML", 200, "<html>", Reason::UpstreamGarbage),
            ("a list", 200, "[]", Reason::UpstreamGarbage),
            ("no token", 200, "{}", Reason::UpstreamGarbage),
            ("a token that is no text", 200, r#"{"access_token":1}"#, Reason::UpstreamGarbage),
            ("two tokens", 200, r#"{"access_token":"x","access_token":"y"}"#, Reason::UpstreamGarbage),
            ("more after it", 200, r#"{"access_token":"x"}{}"#, Reason::UpstreamGarbage),
            ("not UTF-8", 200, "{\"access_token\":\"\\ud800\"}", Reason::UpstreamGarbage),
        ] {
            assert_eq!(Answer::read(status, body.as_bytes()).unwrap_err().reason, expected, "{name}");
        }
        let answer = Answer::read(200, br#"{"access_token":"s3cret"}"#).unwrap();
        assert_eq!(answer.token().expose(), "s3cret");
        assert_eq!(format!("{answer:?}"), r#"{"access_token"}"#);
    }

    #[test]
    fn other_tokens_are_dropped_and_the_order_is_kept() {
        let body = br#"{"z":1,"access_token":"eyA.eyB.c","refresh_expires_in":1800,"refresh_token":"r","id_token":"i","x":"eyJ.eyJ.s","a":{"b":[1.5]}}"#;
        let mut answer = Answer::read(200, body).unwrap();
        assert_eq!(answer.drop_other_tokens(), ["refresh_token", "id_token", "x"]);
        answer.set("a", Value::from("new"));
        answer.set("scope", Value::from("email"));
        assert_eq!(
            String::from_utf8(answer.write().unwrap()).unwrap(),
            r#"{"z":1,"access_token":"eyA.eyB.c","refresh_expires_in":0,"a":"new","scope":"email"}"#
        );
    }
}
