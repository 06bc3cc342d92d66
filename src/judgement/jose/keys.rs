//! Key sets (RFC 7517) and which keys are admitted to them.
//!
//! What a set publishes and what Cambio uses of it are two things. The set is published as its issuer said it. Cambio
//! uses each key that may and can verify a supported algorithm, for the algorithms of the key's own type only. Every
//! other key is left out alone, with a reason ([`KeyFault`]).
//!
//! `kid`, algorithm and type name a key. Entries of one `kid` with the same numbers are one key. Two different keys with
//! one `kid` and one algorithm are in doubt, and neither is used.

mod left_out;
mod proven;
mod public_key;
mod published;
mod roca;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use self::left_out::{KeyFault, LeftOutKey};
pub use self::public_key::PublicKey;
use self::public_key::{AdmittedKey, LeadingZeros, Numbers, has_private_part};
use self::published::PublishedText;
use crate::words::oauth::json::{self, JsonError};

/// Largest key set in bytes.
pub const MAX_SET_BYTES: usize = 1024 * 1024;
/// Most signing keys of a set that are used: the first ones.
pub const MAX_KEYS: usize = 64;
/// Number of used keys from which the limit is near.
const NEARLY_MAX_KEYS: usize = 56;
/// Most keys that are tried for a token without a `kid`.
pub const MAX_TRIES: usize = 8;

/// Why a text is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Longer than [`MAX_SET_BYTES`].
    #[error("the key set is larger than 1 MiB")]
    TooLarge,
    /// No JSON object, or one with `keys` twice.
    #[error("the key set is no JSON object: {0}")]
    Json(JsonError),
    /// `keys` is no list.
    #[error("the key set has no member keys that is a list")]
    NoKeys,
    /// The list is empty.
    #[error("the key set is empty")]
    Empty,
    /// No key is for signatures, and others were before.
    #[error("the key set has no key for signatures")]
    NoneForSignatures,
}

/// No key of a set can verify a signature. The text says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key set has no usable signing key{0}")]
pub struct NoUsableKey(String);

/// The keys of one issuer: those that are used, and the set as published.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<PublicKey>,
    left_out: Vec<LeftOutKey>,
    /// Whether a key is for signatures, usable or not.
    signs: bool,
    published: PublishedText,
    digest: [u8; 32],
}

impl KeySet {
    /// Reads a JWK set (RFC 7517 section 5). Only a text that is no such set, and an empty set, are errors. The set may
    /// have no key that can be used: [`Self::usable`].
    ///
    /// # Errors
    /// The text is no key set.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        if bytes.len() > MAX_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let syntax = |_| KeySetError::Json(JsonError::Syntax);
        let text = std::str::from_utf8(bytes).map_err(syntax)?;
        // RFC 8259 section 8.1: a reader may ignore a byte order mark. It changes no key, and stays in what is published.
        let members = json::texts(text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(KeySetError::Json)?;
        let mut lists = members.iter().filter(|(name, _)| name == "keys").map(|(_, list)| list.get());
        let list = lists.next().ok_or(KeySetError::NoKeys)?;
        if lists.next().is_some() {
            return Err(KeySetError::Json(JsonError::Repeated));
        }
        let keys: Vec<&RawValue> = serde_json::from_str(list).map_err(|_| KeySetError::NoKeys)?;
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        // `list` is a slice of `text`, so the difference of their addresses is its start.
        let start = (list.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let mut selection = Selection::default();
        for (index, key) in keys.iter().enumerate() {
            selection.add(index + 1, key.get());
        }
        selection.exclude_published_secrets();
        selection.exclude_ambiguous();
        Ok(Self {
            published: PublishedText::new(text, start..start + list.len(), &keys),
            digest: fingerprint(bytes),
            signs: selection.signs,
            keys: selection.admitted.into_iter().map(|(_, admitted)| admitted.key).collect(),
            left_out: selection.left_out,
        })
    }

    /// The set, if a key can be used.
    ///
    /// # Errors
    /// No key can verify a signature.
    pub fn usable(self) -> Result<Self, NoUsableKey> {
        self.check_usable().map(|()| self)
    }

    /// Whether a key can be used.
    ///
    /// # Errors
    /// No key can verify a signature.
    pub fn check_usable(&self) -> Result<(), NoUsableKey> {
        if !self.is_empty() {
            return Ok(());
        }
        let why = if self.left_out.is_empty() { String::new() } else { format!(": {}", self.left_out_summary()) };
        Err(NoUsableKey(why))
    }

    /// Whether the text is the one that the set was read from.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        fingerprint(bytes) == self.digest
    }

    /// Whether a usable key has this `kid`.
    pub fn contains(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// Whether a member has this `kid`, keys for encryption and keys that are left out included.
    pub fn publishes(&self, kid: &str) -> bool {
        self.published.kids.contains(kid)
    }

    /// Whether a member is for signatures, usable or not.
    pub fn signs(&self) -> bool {
        self.signs
    }

    /// The set as published, byte for byte but for private and symmetric parts, with these JWKs behind its keys.
    pub fn published_with<'k>(&self, own: impl Iterator<Item = &'k Value>) -> String {
        self.published.with(&own.map(ToString::to_string).collect::<Vec<_>>())
    }

    /// The usable keys.
    pub fn used(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Number of usable keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is usable.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a few more keys reach the limit.
    pub fn is_nearly_full(&self) -> bool {
        self.len() >= NEARLY_MAX_KEYS
    }

    /// The members that are not used though they are for signatures, or are no keys at all.
    pub fn left_out(&self) -> &[LeftOutKey] {
        &self.left_out
    }

    /// The members that are not used, and why, in one line.
    pub fn left_out_summary(&self) -> String {
        left_out::summary(&self.left_out)
    }

    /// The keys that may have signed a token. With a `kid`, the key that has this `kid` and fits the algorithm. Without a
    /// `kid`, the first keys that fit the algorithm.
    pub(in crate::judgement) fn fitting(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &PublicKey> {
        let fitting = move |key: &&PublicKey| key.fits(algorithm) && (kid.is_none() || key.kid.as_deref() == kid);
        self.keys.iter().filter(fitting).take(MAX_TRIES)
    }
}

/// The keys of a set that are used, and the others, while the set is read.
#[derive(Default)]
struct Selection {
    /// Place and key.
    admitted: Vec<(usize, AdmittedKey)>,
    left_out: Vec<LeftOutKey>,
    /// The public halves of keys whose private half stands in the set.
    compromised: Vec<Numbers>,
    signs: bool,
}

impl Selection {
    fn add(&mut self, place: usize, text: &str) {
        let jwk = match json::object(text.as_bytes()) {
            Ok(jwk) => jwk.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>(),
            Err(JsonError::NotAnObject) => return self.leave_out(place, None, KeyFault::NotAnObject),
            Err(error) => return self.leave_out(place, None, KeyFault::Json(error)),
        };
        let read = AdmittedKey::read(&jwk, LeadingZeros::Skipped);
        self.signs |= !matches!(read, Err(KeyFault::OtherUse | KeyFault::SharedSecret));
        if has_private_part(&jwk) {
            self.compromised.extend(Numbers::read(&jwk, LeadingZeros::Skipped).map(|(_, numbers)| numbers));
        }
        let admitted = match read {
            Ok(admitted) => admitted,
            Err(KeyFault::OtherUse) => return,
            Err(fault) => {
                let kid = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
                return self.leave_out(place, kid, fault);
            }
        };
        let is_same =
            |one: &&mut (usize, AdmittedKey)| one.1.key.kid == admitted.key.kid && one.1.numbers == admitted.numbers;
        if let Some((_, known)) = self.admitted.iter_mut().find(is_same) {
            known.key.merge(admitted.key);
        } else if self.admitted.len() < MAX_KEYS {
            self.admitted.push((place, admitted));
        } else {
            self.leave_out(place, admitted.key.kid, KeyFault::Surplus(MAX_KEYS));
        }
    }

    fn exclude_published_secrets(&mut self) {
        let compromised = std::mem::take(&mut self.compromised);
        self.exclude(&KeyFault::Private, |key, _| compromised.contains(&key.numbers));
    }

    /// Two different keys with one `kid` and one algorithm: a token does not say which of them it means.
    fn exclude_ambiguous(&mut self) {
        self.exclude(&KeyFault::Ambiguous, |AdmittedKey { key, .. }, all| {
            let alike = |other: &PublicKey| key.kid == other.kid && key.algorithms().any(|one| other.fits(one));
            key.kid.is_some() && all.iter().filter(|(_, other)| alike(&other.key)).count() > 1
        });
    }

    fn exclude(&mut self, fault: &KeyFault, is_wrong: impl Fn(&AdmittedKey, &[(usize, AdmittedKey)]) -> bool) {
        let wrong: Vec<usize> =
            self.admitted.iter().filter(|(_, key)| is_wrong(key, &self.admitted)).map(|(place, _)| *place).collect();
        let (wrong, admitted) =
            std::mem::take(&mut self.admitted).into_iter().partition(|(place, _)| wrong.contains(place));
        self.admitted = admitted;
        let wrong: Vec<(usize, AdmittedKey)> = wrong;
        for (place, excluded) in wrong {
            self.leave_out(place, excluded.key.kid, fault.clone());
        }
        self.left_out.sort_by_key(|one| one.place);
    }

    fn leave_out(&mut self, place: usize, kid: Option<String>, fault: KeyFault) {
        self.left_out.push(LeftOutKey { place, kid, fault });
    }
}

/// The key of a proof of possession (RFC 9449), if it may and can verify at least one of the algorithms. The sender wrote
/// the JWK for this proof, so nothing in it is skipped.
pub(in crate::judgement) fn admit(jwk: &Map<String, Value>) -> Option<PublicKey> {
    AdmittedKey::read(jwk, LeadingZeros::Refused).ok().map(|admitted| admitted.key)
}

/// The RFC 7638 thumbprint of a public JWK of type RSA, EC or OKP, with SHA-256 and in base64url.
pub fn thumbprint(jwk: &Value) -> Option<String> {
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    // RFC 7638 section 3.3: the required members only, in lexicographic order, without white space.
    let members: Option<Vec<String>> =
        names.iter().map(|name| Some(format!("\"{name}\":{}", Value::from(jwk.get(name)?.as_str()?)))).collect();
    let canonical = format!("{{{}}}", members?.join(","));
    Some(URL_SAFE_NO_PAD.encode(fingerprint(canonical.as_bytes())))
}

fn fingerprint(bytes: &[u8]) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, bytes).as_ref());
    fingerprint
}

#[cfg(test)]
mod tests;
