//! Looks at the bytes that a caller sends, one block at a time.

/// Whether `holds` is true of all bytes. Looking at every byte of a block lets the compiler use vector instructions.
pub(crate) fn all(bytes: &[u8], holds: impl Fn(u8) -> bool) -> bool {
    const BLOCK: usize = 128;
    bytes.chunks(BLOCK).all(|block| block.iter().fold(true, |so_far, byte| so_far & holds(*byte)))
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
