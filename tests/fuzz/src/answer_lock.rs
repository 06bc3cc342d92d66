//! The answer lock's scanner.

use cambio::edge::gateway::answer_lock::scanner::Scanner;
use cambio::words::oauth::json;

/// The first two bytes are the places of two cuts, the rest is an answer. The verdict is the same wherever the answer is cut.
/// An answer that some JSON reader reads as an object with the mark is found, also in UTF-16.
pub fn check(input: &[u8]) {
    let Some(([first, second], answer)) = input.split_first_chunk() else { return };
    let whole = Scanner::default().push(answer);
    let mut places = [first, second].map(|place| usize::from(*place) * 3 % (answer.len() + 1));
    places.sort_unstable();
    let mut pieces = Scanner::default();
    for piece in [&answer[..places[0]], &answer[places[0]..places[1]], &answer[places[1]..]] {
        pieces.push(piece);
    }
    assert_eq!(pieces.push(b""), whole, "the verdict depends on the cuts");
    let mut bytes = Scanner::default();
    for byte in answer {
        bytes.push(std::slice::from_ref(byte));
    }
    assert_eq!(bytes.push(b""), whole, "the verdict depends on the cuts");

    let Ok(text) = std::str::from_utf8(answer) else { return };
    let marked = json::texts(text.trim_start_matches('\u{feff}'))
        .is_ok_and(|members| members.iter().any(|(name, _)| name == "issued_token_type"));
    if marked {
        assert!(whole, "a JSON reader finds the mark, and the lock does not");
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(Scanner::default().push(&wide), "the mark is hidden in UTF-16");
    }
}
