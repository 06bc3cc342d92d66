//! Cambio's refresh tokens: they contain, encrypted, what Cambio must remember of an exchange.
//!
//! A token is `cambio_rt_` and the base64url of version, key id, nonce and the AES-256-GCM-SIV ciphertext of a [`Renewal`].
//! Realm and client are authenticated data, so a token is not valid at another realm or for another client. The first key
//! encrypts, every key decrypts: to rotate, put the new key first, and remove the old one when its last token has expired.
//!
//! The cipher is GCM-SIV because nonces are random: two equal nonces would only reveal that two plaintexts are equal.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::judgement::exchange::refresh::{MAX_TOKEN_BYTES, PREFIX};
use crate::judgement::permit::renewal::Renewal;
use crate::words::secret::Secret;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Version of the content and its encryption.
const VERSION: u8 = 1;
/// Version, key id, nonce.
const HEAD: usize = 1 + ID + NONCE_LEN;
const ID: usize = 4;

/// Why a token could not be encrypted or decrypted. The text says nothing about the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// There is no key, or a key is there twice.
    #[error("no key to seal with, or the same key twice")]
    Keys,
    /// A key is not 32 bytes in base64.
    #[error("the key is not 32 random bytes in base64")]
    Key,
    /// The token could not be encrypted.
    #[error("the refresh token could not be sealed")]
    Sealing,
    /// The token was not encrypted with one of these keys for this realm and client.
    #[error("the refresh token was not sealed by a key at hand for this realm and this client")]
    Opening,
}

/// The keys of one realm.
pub struct Seal {
    keys: Vec<Key>,
}

/// One key.
struct Key {
    cipher: RandomizedNonceKey,
    /// The first bytes of a digest of the key. They say which key encrypted a token.
    id: [u8; ID],
}

impl Seal {
    /// Reads keys: 32 random bytes in base64 each; white space around them is ignored. The first key encrypts.
    ///
    /// # Errors
    /// There is no key, a text is not a key, or a key is there twice.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, SealError> {
        let keys = texts.into_iter().map(Key::from_text).collect::<Result<Vec<_>, _>>()?;
        let distinct: std::collections::BTreeSet<_> = keys.iter().map(|key| key.id).collect();
        if keys.is_empty() || distinct.len() < keys.len() {
            return Err(SealError::Keys);
        }
        Ok(Self { keys })
    }

    /// How many keys there are.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The refresh token that stands for `renewal`.
    ///
    /// # Errors
    /// It can't be encrypted.
    pub fn seal(&self, renewal: &Renewal) -> Result<Secret, SealError> {
        let key = self.keys.first().ok_or(SealError::Keys)?;
        let mut sealed = renewal.write().ok_or(SealError::Sealing)?;
        let bound = bound(key.id, renewal.realm(), renewal.client());
        let nonce =
            key.cipher.seal_in_place_append_tag(Aad::from(bound), &mut *sealed).map_err(|_| SealError::Sealing)?;
        let mut bytes = Vec::with_capacity(HEAD + sealed.len());
        bytes.push(VERSION);
        bytes.extend(key.id);
        bytes.extend(nonce.as_ref());
        bytes.extend_from_slice(&sealed);
        let mut token = String::with_capacity(PREFIX.len() + bytes.len() * 4 / 3 + 4);
        token.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut token);
        Ok(Secret::new(token))
    }

    /// Decrypts a refresh token that was issued at this realm to this client.
    ///
    /// # Errors
    /// [`SealError::Opening`], whatever is wrong.
    pub fn open(&self, token: &Secret, realm: &str, client: &str) -> Result<Renewal, SealError> {
        self.opened(token.expose(), realm, client).ok_or(SealError::Opening)
    }

    fn opened(&self, token: &str, realm: &str, client: &str) -> Option<Renewal> {
        let encoded = token.strip_prefix(PREFIX).filter(|_| token.len() <= MAX_TOKEN_BYTES)?;
        let mut bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).ok()?);
        let (head, sealed) = bytes.split_at_mut_checked(HEAD)?;
        let (version, rest) = head.split_first()?;
        let (id, nonce) = rest.split_first_chunk::<ID>()?;
        if *version != VERSION {
            return None;
        }
        let key = self.keys.iter().find(|key| key.id == *id)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let bound = bound(*id, realm, client);
        let plain = key.cipher.open_in_place(nonce, Aad::from(bound), sealed).ok()?;
        Renewal::read(plain).filter(|renewal| renewal.realm() == realm && renewal.client() == client)
    }
}

impl Key {
    fn from_text(text: &[u8]) -> Result<Self, SealError> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim_ascii()).map_err(|_| SealError::Key)?);
        if bytes.len() != KEY_BYTES {
            return Err(SealError::Key);
        }
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, &bytes).map_err(|_| SealError::Key)?;
        let mut named = Zeroizing::new(b"cambio refresh token key".to_vec());
        named.extend_from_slice(&bytes);
        let id = digest(&SHA256, &named).as_ref().first_chunk().copied().ok_or(SealError::Key)?;
        Ok(Self { cipher, id })
    }
}

/// A new key in the form of its file.
///
/// # Errors
/// The system has no random bytes.
pub fn generate() -> Result<Secret, SealError> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| SealError::Key)?;
    Ok(Secret::new(STANDARD.encode(*bytes)))
}

/// The authenticated data: each part with its length before it, so that no two combinations are equal.
fn bound(id: [u8; ID], realm: &str, client: &str) -> Vec<u8> {
    let mut bound = Vec::with_capacity(64 + realm.len() + client.len());
    for part in [b"cambio refresh token".as_slice(), &[VERSION], &id, realm.as_bytes(), client.as_bytes()] {
        bound.extend((part.len() as u64).to_be_bytes());
        bound.extend_from_slice(part);
    }
    bound
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({} keys)", self.keys.len())
    }
}

#[cfg(test)]
mod tests;
