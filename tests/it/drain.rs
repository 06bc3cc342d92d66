//! A stop lets requests in flight end, up to a deadline.

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::client::{self, DEADLINE};
use crate::support::faults::{Endpoint, Fault};
use crate::support::raw;
use crate::support::world::{World, until};

const USERINFO: &[u8] = b"GET /realms/corp/protocol/openid-connect/userinfo HTTP/1.1\r\nHost: sso.example.org\r\n\r\n";

async fn ask(stream: &mut TcpStream) -> raw::RawAnswer {
    stream.write_all(USERINFO).await.unwrap();
    tokio::time::timeout(DEADLINE, raw::read(stream)).await.unwrap()
}

async fn refuses(address: std::net::SocketAddr) {
    until("a closed port", async || TcpStream::connect(address).await.is_err().then_some(())).await;
}

#[tokio::test]
async fn a_request_in_flight_is_answered_and_new_ones_are_not_taken() {
    let world = World::start().await;
    let (address, faults) = (world.address(), world.idp.faults().clone());
    faults.set(Endpoint::Userinfo, Fault::Hang);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let arrived = faults.arrived();
    stream.write_all(USERINFO).await.unwrap();
    faults.reached(arrived + 1).await;
    let stopping = tokio::spawn(world.cambio.stop());
    refuses(address).await;
    assert!(!stopping.is_finished());
    faults.release();
    let answer = tokio::time::timeout(DEADLINE, raw::read(&mut stream)).await.unwrap();
    assert_eq!(answer.status, 401, "{}", answer.head);
    tokio::time::timeout(DEADLINE, stopping).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_it_and_a_stuck_one_not_for_long() {
    let world = World::start().await;
    let mut idle = TcpStream::connect(world.address()).await.unwrap();
    idle.write_all(USERINFO).await.unwrap();
    assert_eq!(raw::read(&mut idle).await.status, 401);
    world.idp.faults().set(Endpoint::Userinfo, Fault::Hang);
    let mut stuck = TcpStream::connect(world.address()).await.unwrap();
    let arrived = world.idp.faults().arrived();
    stuck.write_all(USERINFO).await.unwrap();
    world.idp.faults().reached(arrived + 1).await;

    let begun = Instant::now();
    tokio::time::timeout(DEADLINE, world.cambio.stop()).await.unwrap();
    assert!(begun.elapsed().as_secs() < 10, "drainTimeout is 2s");
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, idle.read_to_end(&mut rest)).await.unwrap();
}

#[tokio::test]
async fn callers_learn_of_a_stop_before_it_comes() {
    let world = World::start().await;
    let (address, admin) = (world.address(), world.cambio.admin);
    let mut active = TcpStream::connect(address).await.unwrap();
    assert_eq!(ask(&mut active).await.header("connection"), "");
    let mut idle = TcpStream::connect(address).await.unwrap();
    ask(&mut idle).await;
    let stopping = tokio::spawn(world.cambio.stop());
    let unready = async || (client::get(admin, "/readyz").await.status == 503).then_some(());
    until("not ready", unready).await;
    assert_eq!(client::get(admin, "/livez").await.status, 200);
    // The connection that was open, and a new one: each has one more answer, which says that it is the last.
    let mut new = TcpStream::connect(address).await.unwrap();
    for stream in [&mut active, &mut new] {
        let answer = ask(stream).await;
        assert_eq!((answer.status, answer.header("connection")), (401, "close"), "{}", answer.head);
    }
    let mut rest = Vec::new();
    tokio::time::timeout(DEADLINE, idle.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty());
    refuses(address).await;
    tokio::time::timeout(DEADLINE, stopping).await.unwrap().unwrap();
}
