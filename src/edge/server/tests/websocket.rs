use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;

use super::harness::*;
use crate::adapters::drain::DrainOutcome;

async fn echo() -> std::net::SocketAddr {
    upstream(|stream| async move {
        let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn messages_go_both_ways() {
    let gate = gate(echo().await);
    let (mut socket, response) =
        soon(tokio_tungstenite::connect_async(format!("ws://{}/chat", gate.address))).await.unwrap();
    assert_eq!(response.status().as_u16(), 101);
    // Text that the scanner would spoil if it still looked.
    let text = "\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n".repeat(1000);
    for _ in 0..3 {
        soon(socket.send(Message::text(text.clone()))).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap().into_text().unwrap(), text);
    }
    soon(socket.close(None)).await.unwrap();
    assert!(matches!(soon(socket.next()).await, Some(Ok(Message::Close(_)))));
}

#[tokio::test]
async fn a_tunnel_holds_the_drain_until_its_deadline() {
    let gate = gate(echo().await);
    let (mut socket, _) = soon(tokio_tungstenite::connect_async(format!("ws://{}/", gate.address))).await.unwrap();
    soon(socket.send(Message::text("a"))).await.unwrap();
    soon(socket.next()).await.unwrap().unwrap();
    let outcome = soon(gate.drain.drain(std::time::Duration::ZERO, std::time::Duration::from_millis(50))).await;
    assert!(matches!(outcome, DrainOutcome::Cut(1..)), "{outcome:?}");
    assert!(!matches!(soon(socket.next()).await, Some(Ok(_))), "cut");
}

#[tokio::test]
async fn an_upstream_that_declines_is_passed_on() {
    let (upstream, mut received) = answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
    let mut caller = Caller::new(gate(upstream).address).await;
    let ask = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    for _ in 0..2 {
        assert!(caller.ask(ask).await.starts_with("HTTP/1.1 403"));
        let request = received.recv().await.unwrap();
        assert_eq!(header(&request, "upgrade"), Some("websocket"));
        assert_eq!(header(&request, "connection"), Some("upgrade"));
    }
}
