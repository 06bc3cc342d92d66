//! RSA moduli of a smart card library whose primes follow a pattern (ROCA, CVE-2017-15361). Anyone can factor such a
//! modulus and get the private key. The public modulus shows the pattern.
//!
//! Each prime of such a key is a power of 65537 modulo the product of the first small primes, and so is the modulus.
//! Another modulus is such a power for all of these primes with a chance of 2^-30.

/// The odd primes whose product divides the product of every key length. 2 says nothing about an odd modulus.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];
const GENERATOR: u32 = 65537;

/// Whether the modulus (big-endian) is a power of the generator modulo every one of the primes.
pub(super) fn has_fingerprint(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        is_power(rest, *prime)
    })
}

fn is_power(rest: u32, prime: u32) -> bool {
    let mut power = 1;
    loop {
        if power == rest {
            return true;
        }
        power = power * (GENERATOR % prime) % prime;
        if power == 1 {
            return false;
        }
    }
}

/// A modulus of this length with the fingerprint: a multiple of all the primes, and one.
#[cfg(test)]
pub(super) fn flawed(bits: usize) -> Vec<u8> {
    let mut number = vec![0; bits / 8];
    *number.last_mut().unwrap() = 1;
    let mut multiply = |by: u32| {
        let carry = number.iter_mut().rev().fold(0, |carry, byte| {
            let product = u32::from(*byte) * by + carry;
            *byte = u8::try_from(product & 0xff).unwrap();
            product >> 8
        });
        assert_eq!(carry, 0);
        number[0] & 0x80 != 0
    };
    for prime in PRIMES {
        multiply(prime);
    }
    while !multiply(2) {}
    *number.last_mut().unwrap() |= 1;
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pattern_is_found() {
        let flawed = flawed(2048);
        assert!(has_fingerprint(&flawed));
        assert!(has_fingerprint(&GENERATOR.to_be_bytes()));
        assert!(has_fingerprint(&[1]));
        assert!(!has_fingerprint(&(GENERATOR + 2).to_be_bytes()));
        let mut other = flawed;
        *other.last_mut().unwrap() += 2;
        assert!(!has_fingerprint(&other));
    }
}
