//! Looks at the bytes that a caller sends, one block at a time.

#[cfg(test)]
pub(crate) mod linear;

/// Whether `holds` is true of all bytes. Looking at every byte of a block lets the compiler use vector instructions.
pub(crate) fn all(bytes: &[u8], holds: impl Fn(u8) -> bool) -> bool {
    const BLOCK: usize = 128;
    visited(bytes.len());
    bytes.chunks(BLOCK).all(|block| block.iter().fold(true, |so_far, byte| so_far & holds(*byte)))
}

/// Counts the bytes that a reader looks at, for the tests that hold readers to linear work ([`linear`]). Outside of unit
/// tests, nothing is counted.
#[inline]
pub(crate) fn visited(bytes: usize) {
    #[cfg(test)]
    linear::count(bytes);
    #[cfg(not(test))]
    let _ = bytes;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_anywhere_makes_it_false() {
        assert!(all(b"", |_| false));
        for length in [1, 2, 127, 128, 129, 300] {
            let mut bytes = vec![b'a'; length];
            assert!(all(&bytes, |byte| byte == b'a'), "{length}");
            for at in 0..length {
                bytes[at] = b'b';
                assert!(!all(&bytes, |byte| byte == b'a'), "{at} of {length}");
                bytes[at] = b'a';
            }
        }
    }
}
