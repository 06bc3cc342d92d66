//! The scanner of request heads.

use cambio::edge::server::head_scanner::HeadScanner;

/// The first byte is the place of a cut, the rest is what a connection sends. The scanner does the same wherever the bytes
/// are cut, and changes nothing but a colon. After the scan, the parser beneath hyper accepts no head that frames its body
/// in two ways.
pub fn check(input: &[u8]) {
    let Some((place, bytes)) = input.split_first() else { return };
    let (whole, state) = scanned(bytes, bytes.len());
    for cut in [usize::from(*place) % (bytes.len() + 1), 1] {
        let (pieces, other) = scanned(bytes, cut);
        assert!(whole == pieces && state == other, "the verdict depends on the cuts");
    }
    for (before, after) in bytes.iter().zip(&whole) {
        assert!(before == after || (*before == b':' && *after == 0), "the scanner changed something else");
    }

    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    if let Ok(httparse::Status::Complete(_)) = request.parse(&whole) {
        let framing =
            |field: &&httparse::Header<'_>| is_length(field) || field.name.eq_ignore_ascii_case("transfer-encoding");
        // hyper refuses a head with any other length.
        let digits = |value: &[u8]| !value.is_empty() && value.len() < 19 && value.iter().all(u8::is_ascii_digit);
        let lengths_hold = request.headers.iter().filter(|field| is_length(field)).all(|field| digits(field.value));
        let count = request.headers.iter().filter(framing).count();
        assert!(!lengths_hold || count <= 1, "a head with two framings passes");
    }
}

fn is_length(field: &httparse::Header<'_>) -> bool {
    field.name.eq_ignore_ascii_case("content-length")
}

/// The bytes after a scan in two pieces, or byte by byte if the first piece has one byte; and what the scanner waits for.
fn scanned(bytes: &[u8], cut: usize) -> (Vec<u8>, (bool, bool)) {
    let mut scanner = HeadScanner::default();
    let mut bytes = bytes.to_vec();
    let cut = cut.min(bytes.len());
    if cut == 1 {
        for byte in &mut bytes {
            scanner.scan(std::slice::from_mut(byte));
        }
    } else {
        let (first, second) = bytes.split_at_mut(cut);
        scanner.scan(first);
        scanner.scan(second);
    }
    (bytes, (scanner.is_in_head(), scanner.is_in_request()))
}
