//! Refresh tokens of Cambio.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cambio::adapters::seal::{KEY_BYTES, Seal};
use cambio::words::secret::Secret;

/// A token that was sealed with a key of thirty-two times 1 for the client `front-end-app` of the realm `corp`.
const TOKEN: &str = include_str!("sealed.txt");

/// The input is a token, and also a list of changes of a sealed token: a place and what is combined with its character. No
/// text opens but the sealed token itself, and that only for its client at its realm.
pub fn check(input: &[u8]) {
    let key = STANDARD.encode([1; KEY_BYTES]);
    let seal = Seal::from_texts([key.as_bytes()]).expect("a key");
    let sealed = TOKEN.trim_end();
    let opens = |text: &str, realm, client| seal.open(&Secret::new(text), realm, client).is_ok();
    assert!(opens(sealed, "corp", "front-end-app"), "the sealed token opens");

    let mut changed = sealed.as_bytes().to_vec();
    for change in input.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % changed.len();
        changed[at] ^= change[2];
    }
    for text in
        [input, &changed, &[sealed.as_bytes(), input].concat(), &sealed.as_bytes()[..input.len() % sealed.len()]]
    {
        let Ok(text) = std::str::from_utf8(text) else { continue };
        assert_eq!(opens(text, "corp", "front-end-app"), text == sealed, "a changed token opens");
    }
    if let Ok(name) = std::str::from_utf8(input) {
        assert_eq!(opens(sealed, name, "front-end-app"), name == "corp", "the token opens at another realm");
        assert_eq!(opens(sealed, "corp", name), name == "front-end-app", "the token opens for another client");
    }
}
