//! Looks at every byte of what a caller sends, a block at a time.

/// Whether `holds` is true of all bytes. Within a block every byte is looked at, whatever came before it: that is what the
/// compiler can turn into a few instructions for many bytes.
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
