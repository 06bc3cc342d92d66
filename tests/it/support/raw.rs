//! A caller that sends exactly the bytes it is told to.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::DEADLINE;

/// What came back until the peer closed or the first answer was complete.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// 0 if nothing that looks like an answer came.
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl RawAnswer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
    }
}

/// Sends the bytes on a new connection and reads one answer.
pub async fn send(address: SocketAddr, bytes: &[u8]) -> RawAnswer {
    let work = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // A server that answers early may close before it has read all.
        let _ = stream.write_all(bytes).await;
        read(&mut stream).await
    };
    tokio::time::timeout(DEADLINE, work).await.expect("an answer within the deadline")
}

/// Reads one answer; an informational one is skipped.
pub async fn read(stream: &mut TcpStream) -> RawAnswer {
    let mut got = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if let Some(answer) = complete(&got) {
            return answer;
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return parse(&got, None),
            Ok(count) => got.extend_from_slice(&buffer[..count]),
        }
    }
}

/// A request with a body of known length: the usual start of a raw request.
pub fn post(target: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {target} HTTP/1.1\r\nHost: sso.example.org\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn complete(got: &[u8]) -> Option<RawAnswer> {
    let end = head_end(got)?;
    let head = String::from_utf8_lossy(&got[..end]).into_owned();
    let answer = parse(got, Some(end));
    if (100..200).contains(&answer.status) && answer.status != 101 {
        return complete(&got[end..]);
    }
    if answer.status == 101 || answer.status == 204 || answer.status == 304 {
        return Some(answer);
    }
    let lower = head.to_ascii_lowercase();
    if lower.contains("transfer-encoding: chunked") {
        return got.ends_with(b"0\r\n\r\n").then_some(answer);
    }
    let length: usize = answer.header("content-length").parse().ok()?;
    (answer.body.len() >= length).then_some(answer)
}

fn parse(got: &[u8], end: Option<usize>) -> RawAnswer {
    let end = end.or_else(|| head_end(got)).unwrap_or(got.len());
    let head = String::from_utf8_lossy(&got[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    RawAnswer { status, head, body: got[end..].to_vec() }
}

fn head_end(got: &[u8]) -> Option<usize> {
    got.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}
