//! Client secrets as the configuration keeps them: hashed.
//!
//! SHA-256 is for secrets that a machine generated with at least 128 random bits: nobody can guess them, and the check
//! takes a microsecond. Argon2id (RFC 9106) is for secrets that people may have chosen.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroize;

use crate::words::secret::Secret;

/// Memory of a new hash, in KiB.
const MEMORY: u32 = 19_456;
/// Passes over the memory of a new hash.
const PASSES: u32 = 2;
/// The least memory, and the least product of memory and passes: the weakest of OWASP's equal choices.
const LEAST_MEMORY: u32 = 7_168;
const LEAST_WORK: u64 = 35_840;
/// With more than this, a few logins could stop the process.
const MOST_MEMORY: u32 = 64 * 1024;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 16;

/// The hash of a client's secret. `Debug` shows its kind only.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretHash {
    /// SHA-256 of a generated secret.
    Sha256([u8; 32]),
    /// Argon2id, which takes tens of milliseconds.
    Argon2id(Argon2id),
}

/// An Argon2id hash with its parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct Argon2id {
    memory: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// The memory of a hash, in blocks of 1 KiB. It is used again for the next hash, and holds nothing between two.
#[derive(Default)]
pub struct HashMemory(Vec<Block>);

impl HashMemory {
    /// Room that is always asked for. The C library of Linux takes an allocation of more than 32 MiB from the system and
    /// gives it back as soon as it is dropped. It keeps smaller ones. Pages that no hash touches take no memory.
    const ROOM: usize = 33 << 10;

    /// Blocks that are zero; `None` if there is not enough memory.
    fn blocks(&mut self, count: usize) -> Option<&mut [Block]> {
        if self.0.len() < count {
            self.0.try_reserve_exact(count.max(Self::ROOM) - self.0.len()).ok()?;
            self.0.resize(count, Block::new());
        }
        self.0.get_mut(..count)
    }
}

impl std::fmt::Debug for HashMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashMemory")
    }
}

/// Why the text is not an accepted hash. The error never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretHashError {
    /// Neither form.
    #[error(
        "is neither sha256:<64 hexadecimal digits> nor $argon2id$v=19$m=…,t=…,p=…$salt$hash; make one with `cambio client-secret`"
    )]
    Form,
    /// Another algorithm.
    #[error(
        "is a hash of another algorithm: only $argon2id$ and sha256: are used; make one with `cambio client-secret`"
    )]
    Algorithm,
    /// Too cheap to guess.
    #[error(
        "is too weak: Argon2id needs m of at least 7168 and m × t of at least 35840, a salt of 8 bytes and a hash of 16"
    )]
    Weak,
    /// Too dear to check.
    #[error("is too costly: m is at most 65536, t and p are at most 16")]
    Costly,
}

impl SecretHash {
    /// Reads `sha256:<hex>` or a PHC string of Argon2id.
    pub fn parse(text: &str) -> Result<Self, SecretHashError> {
        if let Some(hex) = text.strip_prefix("sha256:") {
            return bytes(hex).map(Self::Sha256).ok_or(SecretHashError::Form);
        }
        if let Some(rest) = text.strip_prefix("$argon2id$v=19$") {
            return Argon2id::parse(rest).map(Self::Argon2id);
        }
        let other = text.starts_with('$') || text.starts_with('{');
        Err(if other { SecretHashError::Algorithm } else { SecretHashError::Form })
    }

    /// The hash to configure for a generated secret.
    pub fn sha256(secret: &Secret) -> String {
        format!("sha256:{}", secret.sha256())
    }

    /// The hash to configure for any secret; `salt` is 16 random bytes. `None` if there is not enough memory.
    pub fn argon2id(secret: &Secret, salt: &[u8; 16]) -> Option<String> {
        let mut made = Argon2id { memory: MEMORY, passes: PASSES, lanes: 1, salt: salt.to_vec(), hash: vec![0; 32] };
        made.hash = made.compute(secret, &mut HashMemory::default())?;
        let encode = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
        let (salt, hash) = (encode(&made.salt), encode(&made.hash));
        Some(format!("$argon2id$v=19$m={MEMORY},t={PASSES},p=1${salt}${hash}"))
    }

    /// Whether this is the secret's hash, compared in constant time. [`Self::Argon2id`] needs much time and memory.
    pub fn matches(&self, secret: &Secret) -> bool {
        match self {
            Self::Sha256(expected) => {
                let found = digest(&SHA256, secret.expose().as_bytes());
                verify_slices_are_equal(found.as_ref(), expected).is_ok()
            }
            Self::Argon2id(expected) => expected.matches(secret, &mut HashMemory::default()) == Some(true),
        }
    }
}

impl Argon2id {
    /// Whether this is the secret's hash; `None` if there is not enough memory to tell.
    pub fn matches(&self, secret: &Secret, memory: &mut HashMemory) -> Option<bool> {
        Some(verify_slices_are_equal(&self.compute(secret, memory)?, &self.hash).is_ok())
    }

    /// Parameters, salt and hash, which identify this hash. They are no secret, but not for printing.
    pub(crate) fn identity(&self) -> Vec<u8> {
        let numbers = [self.memory, self.passes, self.lanes].map(u32::to_be_bytes).concat();
        [numbers.as_slice(), &self.salt, &self.hash].concat()
    }

    fn parse(rest: &str) -> Result<Self, SecretHashError> {
        let mut parts = rest.split('$');
        let (Some(parameters), Some(salt), Some(hash), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SecretHashError::Form);
        };
        let mut numbers = ["m=", "t=", "p="].into_iter().zip(parameters.split(',')).map(|(name, text)| {
            let digits = text.strip_prefix(name).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            digits.and_then(|digits| digits.parse::<u32>().ok())
        });
        let mut number = || numbers.next().flatten().ok_or(SecretHashError::Form);
        let (memory, passes, lanes) = (number()?, number()?, number()?);
        let decode = |text: &str| STANDARD_NO_PAD.decode(text).map_err(|_| SecretHashError::Form);
        let (salt, hash) = (decode(salt)?, decode(hash)?);
        if parameters.split(',').count() != 3 || lanes == 0 {
            return Err(SecretHashError::Form);
        }
        if memory > MOST_MEMORY || passes > MOST_PASSES || lanes > MOST_LANES || hash.len() > 64 || salt.len() > 64 {
            return Err(SecretHashError::Costly);
        }
        let work = u64::from(memory) * u64::from(passes);
        if memory < LEAST_MEMORY || work < LEAST_WORK || salt.len() < 8 || hash.len() < 16 {
            return Err(SecretHashError::Weak);
        }
        Ok(Self { memory, passes, lanes, salt, hash })
    }

    fn compute(&self, secret: &Secret, memory: &mut HashMemory) -> Option<Vec<u8>> {
        let mut out = vec![0; self.hash.len()];
        let parameters = Params::new(self.memory, self.passes, self.lanes, Some(out.len())).ok()?;
        let blocks = memory.blocks(parameters.block_count())?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
        let hashed =
            argon2.hash_password_into_with_memory(secret.expose().as_bytes(), &self.salt, &mut out, &mut *blocks);
        // Whoever reads the memory could guess secrets faster.
        blocks.iter_mut().zeroize();
        hashed.ok().map(|()| out)
    }
}

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sha256(_) => f.write_str("sha256"),
            Self::Argon2id(hash) => hash.fmt(f),
        }
    }
}

impl std::fmt::Debug for Argon2id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("argon2id")
    }
}

/// 64 hexadecimal digits.
fn bytes(hex: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_read_and_matches() {
        let (right, wrong) = (Secret::new("correct horse"), Secret::new("correct hors"));
        for text in [SecretHash::sha256(&right), SecretHash::argon2id(&right, b"0123456789abcdef").unwrap()] {
            let hash = SecretHash::parse(&text).unwrap();
            assert!(hash.matches(&right) && !hash.matches(&wrong), "{text}");
            assert!(!format!("{hash:?}").contains(['=', '$', ':']), "{hash:?}");
        }
    }

    #[test]
    fn a_hash_that_others_made_matches() {
        // The reference implementation: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -e
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(SecretHash::parse(text).unwrap().matches(&Secret::new("password")));
        assert!(!SecretHash::parse(text).unwrap().matches(&Secret::new("Password")));
    }

    #[test]
    fn weak_strange_and_costly_hashes_are_refused() {
        let phc = |parameters: &str| {
            format!("$argon2id$v=19${parameters}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
        };
        for (name, text, expected) in [
            ("empty", String::new(), SecretHashError::Form),
            ("a secret", "hunter2".to_owned(), SecretHashError::Form),
            ("short digest", "sha256:00".to_owned(), SecretHashError::Form),
            ("no hexadecimal", format!("sha256:{}", "g".repeat(64)), SecretHashError::Form),
            ("signs", format!("sha256:{}", "+1".repeat(32)), SecretHashError::Form),
            ("bcrypt", "$2b$12$abcdefghijklmnopqrstuv".to_owned(), SecretHashError::Algorithm),
            ("argon2i", phc("m=65536,t=2,p=1").replace("argon2id", "argon2i"), SecretHashError::Algorithm),
            ("old version", phc("m=65536,t=2,p=1").replace("v=19", "v=16"), SecretHashError::Algorithm),
            ("little memory", phc("m=4096,t=16,p=1"), SecretHashError::Weak),
            ("one pass of little", phc("m=19456,t=1,p=1"), SecretHashError::Weak),
            ("much memory", phc("m=1048576,t=2,p=1"), SecretHashError::Costly),
            ("many passes", phc("m=65536,t=100,p=1"), SecretHashError::Costly),
            ("no lanes", phc("m=65536,t=2,p=0"), SecretHashError::Form),
            ("another order", phc("t=2,m=65536,p=1"), SecretHashError::Form),
            ("a parameter more", phc("m=65536,t=2,p=1,x=1"), SecretHashError::Form),
            ("no hash", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ".to_owned(), SecretHashError::Form),
            ("short hash", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$AAAA".to_owned(), SecretHashError::Weak),
        ] {
            assert_eq!(SecretHash::parse(&text), Err(expected), "{name}");
        }
    }
}
