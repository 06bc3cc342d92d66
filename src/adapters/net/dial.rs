//! TCP connections to a host with several addresses (RFC 8305): an address that does not answer costs a quarter of a
//! second, not the time limit of the connection.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

pub(crate) use crate::adapters::net::names::Purpose;
use crate::adapters::net::names::addresses;
use crate::adapters::net::transport::tune;

/// The time after which the next address is tried beside the earlier ones (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to a host, which is a name or an address without brackets.
///
/// # Errors
/// The name has no address, or no address answers: the last error.
pub(crate) async fn dial(host: &str, port: u16, purpose: Purpose) -> io::Result<TcpStream> {
    let addresses = addresses(host, port, purpose).await?;
    let stream = first(interleaved(addresses.into_iter())).await?;
    tune(&stream)?;
    Ok(stream)
}

/// The addresses in the resolver's order, but with the families in turn (RFC 8305 section 4).
fn interleaved(addresses: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut ordered = VecDeque::new();
    let mut waiting = VecDeque::new();
    let mut last = None;
    for address in addresses {
        if last == Some(address.is_ipv6()) {
            waiting.push_back(address);
            continue;
        }
        ordered.push_back(address);
        last = Some(address.is_ipv6());
        if let Some(next) = waiting.pop_front() {
            last = Some(next.is_ipv6());
            ordered.push_back(next);
        }
    }
    ordered.extend(waiting);
    ordered
}

/// The first connection that is made.
async fn first(mut addresses: VecDeque<SocketAddr>) -> io::Result<TcpStream> {
    let nowhere = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut next = addresses.pop_front().ok_or_else(nowhere)?;
    if addresses.is_empty() {
        return TcpStream::connect(next).await;
    }
    let mut attempts = JoinSet::new();
    loop {
        attempts.spawn(TcpStream::connect(next));
        next = loop {
            tokio::select! {
                ended = attempts.join_next() => {
                    let failure = match ended {
                        Some(Ok(Ok(stream))) => return Ok(stream),
                        Some(Ok(Err(error))) => error,
                        Some(Err(error)) => io::Error::other(error),
                        None => nowhere(),
                    };
                    match addresses.pop_front() {
                        Some(address) => break address,
                        None if attempts.is_empty() => return Err(failure),
                        None => {}
                    }
                }
                () = tokio::time::sleep(STAGGER), if !addresses.is_empty() => {
                    if let Some(address) = addresses.pop_front() {
                        break address;
                    }
                }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::{Instant, timeout};

    use super::*;

    #[test]
    fn families_take_turns() {
        let cases = [
            ("none", "", ""),
            ("one", "4a", "4a"),
            ("one family", "4a 4b 4c", "4a 4b 4c"),
            ("in turn", "6a 4a", "6a 4a"),
            ("six first", "6a 6b 6c 4a 4b", "6a 4a 6b 4b 6c"),
            ("four first", "4a 4b 6a 6b", "4a 6a 4b 6b"),
            ("mixed", "6a 4a 4b 4c 6b", "6a 4a 6b 4b 4c"),
        ];
        let address = |name: &str| match name.split_at(1) {
            ("4", last) => format!("192.0.2.{}:1", last.as_bytes()[0]).parse::<SocketAddr>().unwrap(),
            (_, last) => format!("[2001:db8::{last}]:1").parse().unwrap(),
        };
        for (name, given, expected) in cases {
            let list = |text: &'static str| text.split_whitespace().map(address);
            assert_eq!(interleaved(list(given)), list(expected).collect::<VecDeque<_>>(), "{name}");
        }
    }

    /// An address whose kernel answers no further connection, and what keeps it so.
    async fn silent() -> (SocketAddr, Box<dyn std::any::Any>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let listener = socket.listen(1).unwrap();
        let mut held = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            held.push(stream.unwrap());
        }
        (address, Box::new((listener, held)))
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_costs_a_quarter_of_a_second() {
        let (dead, _dead) = silent().await;
        let (other, _other) = silent().await;
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = alive.local_addr().unwrap();
        let refusing = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
        let began = Instant::now();
        for (name, addresses, delays) in [
            ("alone", vec![address], 0),
            ("alive first", vec![address, dead], 0),
            ("dead first", vec![dead, address], 1),
            ("two dead first", vec![dead, other, address], 2),
            ("refused at once", vec![refusing, refusing, address], 0),
            ("refused while another is silent", vec![dead, refusing, address], 1),
        ] {
            let began = Instant::now();
            let stream = timeout(STAGGER * 8, first(addresses.into())).await;
            assert_eq!(stream.expect(name).unwrap().peer_addr().unwrap(), address, "{name}");
            assert!(began.elapsed() >= STAGGER * delays, "{name}: {:?}", began.elapsed());
        }
        assert!(began.elapsed() < STAGGER * 12, "{:?}", began.elapsed());
        for (name, addresses) in [("none", vec![]), ("one", vec![refusing]), ("two", vec![refusing, refusing])] {
            assert!(first(addresses.into()).await.is_err(), "{name}");
        }
    }

    #[tokio::test]
    async fn names_and_addresses_are_dialled() {
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = alive.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            assert!(dial(host, port, Purpose::Other).await.is_ok(), "{host}");
        }
    }
}
