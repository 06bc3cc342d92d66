//! The PROXY protocol, versions 1 and 2: a header before the first byte of a connection, in which a load balancer that does
//! not read HTTP states the caller's address (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;

/// What every header of version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What every header of version 1 begins with.
const WORD: &[u8; 6] = b"PROXY ";
/// Longest header of version 1, CRLF included (section 2.1).
const LONGEST_LINE: usize = 107;
/// Most bytes of a header of version 2 after its length: addresses and TLVs. nginx reads as many.
const LONGEST_BLOCK: usize = 4096;

/// Whom a connection is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    /// The proxy itself, for instance its health check.
    Proxy,
    /// A caller without an IP address that the proxy states.
    Unknown,
    /// A caller with this address.
    Caller(SocketAddr),
}

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyHeaderError {
    /// The connection ended, or broke, before the header did.
    #[error("no PROXY protocol header: {0}")]
    Io(#[from] io::Error),
    /// The first bytes are something else.
    #[error("the connection does not begin with a PROXY protocol header")]
    Missing,
    /// The header breaks the rules of its version.
    #[error("the PROXY protocol header is malformed: {0}")]
    Malformed(&'static str),
}

/// A stream whose next bytes can be looked at.
pub(super) trait Peekable: AsyncRead + Unpin {
    /// Copies bytes that have come to `into`, and leaves them in the stream.
    async fn peek(&mut self, into: &mut [u8]) -> io::Result<usize>;
}

impl Peekable for TcpStream {
    async fn peek(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Self::peek(self, into).await
    }
}

/// Reads a header, and nothing after it.
pub(super) async fn read(stream: &mut impl Peekable) -> Result<Announced, ProxyHeaderError> {
    let mut start = [0; SIGNATURE.len()];
    // Both versions have at least so many bytes. A longer start tells earlier that it is something else.
    stream.read_exact(&mut start[..WORD.len()]).await?;
    let (word, rest) = start.split_at_mut(WORD.len());
    if *word != WORD[..] && !SIGNATURE.starts_with(word) {
        return Err(ProxyHeaderError::Missing);
    }
    stream.read_exact(rest).await?;
    if start == *SIGNATURE { version_2(stream).await } else { version_1(stream, &start).await }
}

async fn version_1(stream: &mut impl Peekable, start: &[u8]) -> Result<Announced, ProxyHeaderError> {
    if !start.starts_with(WORD) {
        return Err(ProxyHeaderError::Missing);
    }
    let mut line = [0; LONGEST_LINE];
    line[..start.len()].copy_from_slice(start);
    let mut length = start.len();
    loop {
        let Some(room) = line.get_mut(length..).filter(|room| !room.is_empty()) else {
            return Err(ProxyHeaderError::Malformed("the line is too long"));
        };
        let come = stream.peek(room).await?;
        // At the end of the stream, the read fails.
        let end = memchr::memchr(b'\n', &room[..come]);
        let taken = end.map_or(come.max(1), |end| end + 1);
        stream.read_exact(&mut room[..taken]).await?;
        length += taken;
        if end.is_some() {
            return line_of(&line[..length]).map_err(ProxyHeaderError::Malformed);
        }
    }
}

/// Section 2.1: `PROXY TCP4 SOURCE DESTINATION PORT PORT`, with CRLF.
fn line_of(line: &[u8]) -> Result<Announced, &'static str> {
    let line = line.strip_suffix(b"\r\n").ok_or("the line does not end with CRLF")?;
    let line = std::str::from_utf8(line).map_err(|_| "the line is no text")?;
    let mut words = line.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        // The receiver ignores everything after the word.
        return Ok(Announced::Unknown);
    }
    let mut address = || -> Option<IpAddr> {
        let address = words.next()?.parse().ok()?;
        matches!((family, address), ("TCP4", IpAddr::V4(_)) | ("TCP6", IpAddr::V6(_))).then_some(address)
    };
    let wrong = "not the addresses of its family";
    let (source, _destination) = (address().ok_or(wrong)?, address().ok_or(wrong)?);
    let mut port = || -> Option<u16> {
        let text = words.next()?;
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        text.parse().ok().filter(|_| plain)
    };
    let wrong = "not two ports";
    let (source_port, _destination_port) = (port().ok_or(wrong)?, port().ok_or(wrong)?);
    if words.next().is_some() { Err("more words than six") } else { Ok(caller(source, source_port)) }
}

async fn version_2(stream: &mut impl Peekable) -> Result<Announced, ProxyHeaderError> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let [version_and_command, family, high, low] = head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST_BLOCK {
        return Err(ProxyHeaderError::Malformed("it has more than 4096 bytes"));
    }
    let mut block = vec![0; length];
    stream.read_exact(&mut block).await?;
    block_of(version_and_command, family, &block).map_err(ProxyHeaderError::Malformed)
}

/// Section 2.2. The TLVs after the addresses are ignored.
fn block_of(version_and_command: u8, family: u8, block: &[u8]) -> Result<Announced, &'static str> {
    match version_and_command {
        0x20 => return Ok(Announced::Proxy),
        0x21 => {}
        _ => return Err("neither LOCAL nor PROXY of version 2"),
    }
    let short = "it is too short for its addresses";
    match family {
        0x11 => {
            let (source, rest) = block.split_first_chunk::<4>().ok_or(short)?;
            Ok(caller(Ipv4Addr::from(*source).into(), port_after(rest, 4).ok_or(short)?))
        }
        0x21 => {
            let (source, rest) = block.split_first_chunk::<16>().ok_or(short)?;
            Ok(caller(Ipv6Addr::from(*source).into(), port_after(rest, 16).ok_or(short)?))
        }
        // Two socket paths of 108 bytes.
        0x31 if block.len() < 216 => Err(short),
        // Unspecified, datagrams, and sockets of UNIX.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => Ok(Announced::Unknown),
        _ => Err("no known address family and transport"),
    }
}

/// The source port, which follows the destination address of `length` bytes. The destination port must follow.
fn port_after(rest: &[u8], length: usize) -> Option<u16> {
    let ports: &[u8; 4] = rest.get(length..length + 4)?.first_chunk()?;
    Some(u16::from_be_bytes([ports[0], ports[1]]))
}

fn caller(address: IpAddr, port: u16) -> Announced {
    Announced::Caller(SocketAddr::new(address.to_canonical(), port))
}

#[cfg(test)]
mod tests;
