use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::prelude::*;
use tokio::io::ReadBuf;

use super::*;

/// A stream whose bytes come in pieces.
struct Pieces(VecDeque<Vec<u8>>);

impl Pieces {
    fn of(bytes: &[u8], size: usize) -> Self {
        Self(bytes.chunks(size.max(1)).map(<[u8]>::to_vec).collect())
    }

    fn rest(self) -> Vec<u8> {
        self.0.into_iter().flatten().collect()
    }
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let taken = piece.len().min(into.remaining());
            into.put_slice(&piece[..taken]);
            piece.drain(..taken);
            if !piece.is_empty() {
                self.0.push_front(piece);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Peekable for Pieces {
    async fn peek(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.0.front() else { return Ok(0) };
        let come = piece.len().min(into.len());
        into[..come].copy_from_slice(&piece[..come]);
        Ok(come)
    }
}

/// What is read, and what is left in the stream.
fn outcome(bytes: &[u8], size: usize) -> (Result<Announced, String>, Vec<u8>) {
    let mut stream = Pieces::of(bytes, size);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let read = runtime.block_on(read(&mut stream)).map_err(|error| error.to_string());
    (read, stream.rest())
}

fn version_2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, block].concat()
}

fn from(address: &str) -> Announced {
    Announced::Caller(address.parse().unwrap())
}

#[test]
fn headers_are_read_to_their_end() {
    let four = [198, 51, 100, 1, 192, 0, 2, 1, 0x12, 0x67, 0x1f, 0x90];
    let six = [&Ipv6Addr::LOCALHOST.octets()[..], &[0; 16], &[0, 80, 0, 81]].concat();
    let mapped = [&Ipv4Addr::new(198, 51, 100, 1).to_ipv6_mapped().octets()[..], &[0; 16], &[0, 80, 0, 81]].concat();
    let missing = Err("the connection does not begin with a PROXY protocol header");
    let ended = Err("no PROXY protocol header: early eof");
    let line = |line: &str| line.as_bytes().to_vec();
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    let cases = [
        ("TCP4", line("PROXY TCP4 198.51.100.1 192.0.2.1 4711 8080\r\n"), Ok(from("198.51.100.1:4711"))),
        ("TCP6", line("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n"), Ok(from("[2001:db8::1]:65535"))),
        ("unknown", line("PROXY UNKNOWN\r\n"), Ok(Announced::Unknown)),
        ("unknown with words", line("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), Ok(Announced::Unknown)),
        ("v2, TCP4", version_2(0x21, 0x11, &four), Ok(from("198.51.100.1:4711"))),
        ("v2, TLVs", version_2(0x21, 0x11, &[&four[..], &[4, 0, 2, 1, 1]].concat()), Ok(from("198.51.100.1:4711"))),
        ("v2, TCP6", version_2(0x21, 0x21, &six), Ok(from("[::1]:80"))),
        ("v2, IPv4 in IPv6", version_2(0x21, 0x21, &mapped), Ok(from("198.51.100.1:80"))),
        ("v2, a UNIX socket", version_2(0x21, 0x31, &[0; 216]), Ok(Announced::Unknown)),
        ("v2, unspecified", version_2(0x21, 0, &[]), Ok(Announced::Unknown)),
        ("v2, datagrams", version_2(0x21, 0x12, &four), Ok(Announced::Unknown)),
        ("v2, LOCAL", version_2(0x20, 0, &[]), Ok(Announced::Proxy)),
        ("v2, LOCAL with addresses", version_2(0x20, 0x11, &four), Ok(Announced::Proxy)),
        ("HTTP", line("GET / HTTP/1.1\r\n\r\n"), missing),
        ("lower case", line("proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n"), missing),
        ("half a signature", line("\r\n\r\n\0\rGET / HTTP/1.1"), missing),
        ("nothing", Vec::new(), ended),
        ("half a line", line("PROXY TCP4 1.1.1.1"), ended),
        ("half a block", version_2(0x21, 0x11, &four)[..20].to_vec(), ended),
        ("too long", long.into_bytes(), Err("the PROXY protocol header is malformed: the line is too long")),
    ];
    for (name, bytes, expected) in cases {
        for size in [1, 5, 14, 200] {
            let after = if expected.is_ok() { &b"GET / HTTP/1.1"[..] } else { b"" };
            let (read, rest) = outcome(&[&bytes[..], after].concat(), size);
            assert_eq!(read, expected.map_err(str::to_owned), "{name}, in pieces of {size}");
            if expected.is_ok() {
                assert_eq!(rest, after, "{name}, in pieces of {size}: what follows is left");
            }
        }
    }
}

#[test]
fn malformed_headers_are_refused() {
    let lines = [
        "PROXY TCP4 198.51.100.1 192.0.2.1 4711 8080\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 4711\r\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 4711 8080 1\r\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 4711 8080 \r\n",
        "PROXY TCP4  198.51.100.1 192.0.2.1 4711 8080\r\n",
        "PROXY TCP4 198.51.100.01 192.0.2.1 4711 8080\r\n",
        "PROXY TCP4 ::1 ::1 4711 8080\r\n",
        "PROXY TCP6 198.51.100.1 192.0.2.1 4711 8080\r\n",
        "PROXY TCP4 localhost 192.0.2.1 4711 8080\r\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 65536 8080\r\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 +1 8080\r\n",
        "PROXY TCP4 198.51.100.1 192.0.2.1 01 8080\r\n",
        "PROXY UDP4 198.51.100.1 192.0.2.1 4711 8080\r\n",
        "PROXY unknown\r\n",
    ];
    let blocks = [
        version_2(0x21, 0x11, &[0; 11]),
        version_2(0x21, 0x21, &[0; 35]),
        version_2(0x21, 0x31, &[0; 215]),
        version_2(0x21, 0x41, &[0; 40]),
        version_2(0x21, 0x13, &[0; 40]),
        version_2(0x22, 0x11, &[0; 12]),
        version_2(0x11, 0x11, &[0; 12]),
        version_2(0x20, 0x11, &[0; LONGEST_BLOCK + 1]),
    ];
    for bytes in lines.iter().map(|line| line.as_bytes().to_vec()).chain(blocks) {
        let (read, _) = outcome(&bytes, 200);
        assert!(read.as_ref().is_err_and(|error| error.contains("malformed")), "{bytes:?}: {read:?}");
    }
}

proptest! {
    /// However the bytes come, the same is read, and never more than the longest header.
    #[test]
    fn pieces_make_no_difference(
        start in prop_oneof![Just(WORD.to_vec()), Just(SIGNATURE.to_vec()), Just(b"PROXY TCP4 ".to_vec()), Just(Vec::new())],
        rest in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b' '), Just(b'1')], 0..300),
        size in 1..20_usize,
    ) {
        let bytes = [start, rest].concat();
        let (whole, pieces) = (outcome(&bytes, usize::MAX), outcome(&bytes, size));
        prop_assert_eq!(&whole, &pieces);
        prop_assert!(bytes.len() - whole.1.len() <= 16 + LONGEST_BLOCK);
    }

    #[test]
    fn every_address_comes_back(address in any::<std::net::Ipv6Addr>(), port in any::<u16>()) {
        let expected = Ok(caller(address.into(), port));
        let line = format!("PROXY TCP6 {address} ::1 {port} 443\r\n");
        prop_assert_eq!(outcome(line.as_bytes(), 7).0, expected.clone());
        let block = [&address.octets()[..], &[0; 16], &port.to_be_bytes(), &[0, 0]].concat();
        prop_assert_eq!(outcome(&version_2(0x21, 0x21, &block), 7).0, expected);
    }
}
