use proptest::prelude::*;

use super::*;

/// Scans `bytes` in pieces of the given sizes.
fn scanned(bytes: &[u8], sizes: &[usize]) -> (Vec<u8>, HeadScanner) {
    let mut bytes = bytes.to_vec();
    let mut scanner = HeadScanner::default();
    let mut rest = bytes.as_mut_slice();
    for size in sizes.iter().cycle() {
        let (piece, after) = rest.split_at_mut((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        scanner.scan(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    (bytes, scanner)
}

/// Requests that hyper accepts, as they may stand one after another on a connection.
fn good() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("X: Content-Length: 1\r\n".to_owned()),
        Just("Content-Lengt: 1\r\n".to_owned()),
        Just("Content-Length2: 1\n".to_owned()),
        Just("T: transfer-encoding: chunked\r\n".to_owned()),
        "[a-z]{1,20}: [ -~]{0,20}\r\n",
    ];
    let lines = proptest::collection::vec(line, 0..4).prop_map(|lines| lines.concat());
    let body = prop_oneof![
        Just(String::new()),
        "[ -~\r\n]{0,40}",
        Just("\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n".to_owned())
    ];
    let extension = prop_oneof![Just(""), Just(";a=b"), Just(" "), Just("\t;x=\"Content-Length: 1\"")];
    let trailer = prop_oneof![Just(""), Just("Content-Length: 1\r\nContent-Length: 1\r\n"), Just("A: b\r\n")];
    let framing = (lines.clone(), body, any::<bool>(), extension, trailer, 0..3_usize).prop_map(
        |(after, body, chunked, extension, trailer, case)| {
            let name = |name: &str| match case {
                0 => name.to_owned(),
                1 => name.to_ascii_lowercase(),
                _ => name.to_ascii_uppercase(),
            };
            if chunked {
                let chunk =
                    if body.is_empty() { String::new() } else { format!("{:X}{extension}\r\n{body}\r\n", body.len()) };
                format!("{}: chunked\r\n{after}\r\n{chunk}0{extension}\r\n{trailer}\r\n", name("Transfer-Encoding"))
            } else {
                format!("{}: {}\r\n{after}\r\n{body}", name("Content-Length"), body.len())
            }
        },
    );
    (prop_oneof![Just("POST"), Just("P"), Just("PRI"), Just("GET")], lines, framing)
        .prop_map(|(method, before, rest)| format!("{method} / HTTP/1.1\r\n{before}{rest}"))
}

const BAD: &[&str] = &[
    "Content-Length: 1\r\nX: y\r\nContent-Length: 1\r\n",
    "content-length:1\ntransfer-encoding:chunked\n",
    "Transfer-Encoding: chunked\r\nCONTENT-LENGTH: 1\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
];

proptest! {
    #[test]
    fn good_requests_are_not_touched(
        requests in proptest::collection::vec(good(), 1..4),
        sizes in proptest::collection::vec(1..50_usize, 1..8),
    ) {
        let bytes = requests.concat();
        let (after, scanner) = scanned(bytes.as_bytes(), &sizes);
        prop_assert_eq!(after, bytes.as_bytes());
        prop_assert_eq!(scanner.at, ScanState::Start, "{}", bytes);
    }

    #[test]
    fn a_bad_head_loses_one_colon(
        requests in proptest::collection::vec(good(), 0..3),
        bad in 0..BAD.len(),
        sizes in proptest::collection::vec(1..50_usize, 1..8),
    ) {
        let bytes = format!("{}POST / HTTP/1.1\r\n{}\r\n", requests.concat(), BAD[bad]);
        let (after, scanner) = scanned(bytes.as_bytes(), &sizes);
        let changed: Vec<_> = bytes.bytes().zip(after).filter(|(before, after)| before != after).collect();
        prop_assert_eq!(changed, [(b':', 0)]);
        prop_assert_eq!(scanner.at, ScanState::Off);
    }

    #[test]
    fn pieces_make_no_difference(
        bytes in proptest::collection::vec(prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            proptest::sample::select(vec!["\r\n", "\n", "GET / HTTP/1.1\r\n", "Content-Length: ", "1", "0", "Transfer-Encoding: chunked\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "5;x\r\n"])
                .prop_map(|text| text.as_bytes().to_vec()),
        ], 0..40),
        sizes in proptest::collection::vec(1..20_usize, 1..8),
    ) {
        let bytes = bytes.concat();
        let (pieces, one) = (scanned(&bytes, &sizes), scanned(&bytes, &[usize::MAX]));
        prop_assert_eq!(pieces.0, one.0);
        prop_assert_eq!(pieces.1.at, one.1.at);
    }
}

#[test]
fn http_2_is_left_alone() {
    let mut bytes = PREFACE.to_vec();
    bytes.extend_from_slice(b"\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n");
    let (after, scanner) = scanned(&bytes, &[5]);
    assert_eq!((after, scanner.at), (bytes, ScanState::Off));
}

#[test]
fn a_method_that_begins_like_the_preface_is_scanned() {
    for method in ["P", "POST", "PR", "PRI", "PRIX", "PRI *"] {
        let bytes = format!("{method} / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n");
        assert!(scanned(bytes.as_bytes(), &[3]).0.contains(&0), "{method}");
    }
}
