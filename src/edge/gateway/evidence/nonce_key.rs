//! The key of a realm's `DPoP` nonces.

use crate::adapters::config::{Dpop, NonceSource};
use crate::edge::gateway::setup_error::StartError;
use crate::judgement::token::dpop::nonce::{MIN_KEY_BYTES, NonceKey};

/// The key of a realm's nonces: from its file, else the key that the process has, else a new one. `None` where the realm
/// demands no nonce.
pub(in crate::edge::gateway) fn nonce_key(
    config: &Dpop,
    previous: Option<&NonceKey>,
) -> Result<Option<NonceKey>, StartError> {
    let secret = match &config.nonce {
        None => return Ok(None),
        Some(NonceSource::Random) => {
            if let Some(key) = previous {
                return Ok(Some(key.clone()));
            }
            let mut secret = vec![0; MIN_KEY_BYTES];
            aws_lc_rs::rand::fill(&mut secret)
                .map_err(|_| StartError::Nonce("no random numbers for a key of DPoP nonces".to_owned()))?;
            secret
        }
        Some(NonceSource::File(path)) => {
            std::fs::read(path).map_err(|error| StartError::File { path: path.clone(), error })?
        }
    };
    let secret = zeroize::Zeroizing::new(secret);
    let key = NonceKey::new(&secret);
    key.map(Some).ok_or_else(|| StartError::Nonce("a nonceKeyFile holds fewer than 32 bytes".to_owned()))
}
