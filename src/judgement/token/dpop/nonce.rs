//! Nonces for proofs (RFC 9449 section 8) that Cambio does not store: the second in which a nonce was made, and a
//! code over it with a key that the replicas share.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

/// Fewest bytes of a key.
pub const MIN_KEY_BYTES: usize = 32;

/// Bytes of a nonce that say when it was made.
const TIME: usize = 8;

/// The key that makes and recognises Cambio's nonces.
#[derive(Clone, Debug)]
pub struct NonceKey(hmac::Key);

impl NonceKey {
    /// A key of secret bytes; `None` if there are fewer than [`MIN_KEY_BYTES`].
    pub fn new(secret: &[u8]) -> Option<Self> {
        (secret.len() >= MIN_KEY_BYTES).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The nonces of a realm.
    pub fn of<'a>(&'a self, realm: &'a str) -> Nonces<'a> {
        Nonces { key: self, realm }
    }
}

/// The nonces of one realm.
#[derive(Clone, Copy, Debug)]
pub struct Nonces<'a> {
    key: &'a NonceKey,
    realm: &'a str,
}

impl Nonces<'_> {
    /// The nonce of this second.
    pub fn fresh(self, now: Timestamp) -> String {
        let time = now.as_second().to_be_bytes();
        let mut nonce = [0; TIME + 32];
        let (front, back) = nonce.split_at_mut(TIME);
        front.copy_from_slice(&time);
        back.copy_from_slice(hmac::sign(&self.key.0, &self.message(time)).as_ref());
        URL_SAFE_NO_PAD.encode(nonce)
    }

    /// Whether Cambio made the nonce for this realm between `window` ago and `leeway` ahead: the clocks of replicas
    /// differ.
    pub(super) fn accepts(self, nonce: &str, window: SignedDuration, leeway: SignedDuration, now: Timestamp) -> bool {
        if nonce.len() > 64 {
            return false;
        }
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let Some((time, code)) = bytes.split_first_chunk::<TIME>() else { return false };
        if hmac::verify(&self.key.0, &self.message(*time), code).is_err() {
            return false;
        }
        let age = now.as_second().saturating_sub(i64::from_be_bytes(*time));
        (-leeway.as_secs()..=window.as_secs()).contains(&age)
    }

    fn message(self, time: [u8; TIME]) -> Vec<u8> {
        [b"cambio dpop nonce\0", time.as_slice(), self.realm.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_nonce_is_good_for_its_realm_and_its_time() {
        let key = NonceKey::new(&[7; 32]).unwrap();
        let other = NonceKey::new(&[8; 32]).unwrap();
        let (window, leeway) = (SignedDuration::from_secs(60), SignedDuration::from_secs(10));
        let nonce = key.of("corp").fresh(at(0));
        for (name, nonces, second, good) in [
            ("at once", key.of("corp"), 0, true),
            ("at the end of the window", key.of("corp"), 60, true),
            ("after it", key.of("corp"), 61, false),
            ("of a replica ahead of us", key.of("corp"), -10, true),
            ("from the future", key.of("corp"), -11, false),
            ("another realm", key.of("partner"), 0, false),
            ("another key", other.of("corp"), 0, false),
        ] {
            assert_eq!(nonces.accepts(&nonce, window, leeway, at(second)), good, "{name}");
        }
        for nonce in ["", "x", "AAAA", &nonce[1..], &nonce[..53], &format!("{nonce}AAAAAAAAAAAAAAAA")] {
            assert!(!key.of("corp").accepts(nonce, window, leeway, at(0)), "{nonce}");
        }
        assert!(NonceKey::new(&[7; 31]).is_none());
        assert!(!format!("{key:?}").contains('7'));
    }
}
