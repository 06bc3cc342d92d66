//! An HTTP proxy as companies have one at their border: it leads to servers that nobody else can reach.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The running proxy; dropping it ends it.
pub struct ForwardProxy {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl ForwardProxy {
    /// A proxy that leads to `server`, whatever host is asked for. With `credentials` (the value of the header), it lets
    /// nobody else pass.
    pub async fn start(server: SocketAddr, credentials: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, server, credentials, Arc::clone(&seen)));
            }
        });
        Self { address, heads, server }
    }

    /// The first line of every request.
    pub fn asked(&self) -> Vec<String> {
        self.heads().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }

    /// The head of every request.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn forward(
    stream: TcpStream,
    server: SocketAddr,
    credentials: Option<&str>,
    seen: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let mut client = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    seen.lock().unwrap().push(head.clone());
    let authorization =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("proxy-authorization: ").map(|_| line));
    let given = authorization.and_then(|line| line.split_once(": ")).map(|(_, value)| value);
    if credentials.is_some() && given != credentials {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return client.write_all(refusal.as_bytes()).await.ok();
    }
    let mut upstream = TcpStream::connect(server).await.ok()?;
    let line = head.lines().next()?;
    let (method, rest) = line.split_once(' ')?;
    if method == "CONNECT" {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
    } else {
        // Absolute form becomes origin form, and what is for the proxy stays here.
        let path = rest.strip_prefix("http://")?;
        let lines = head.lines().skip(1).filter(|line| !line.to_ascii_lowercase().starts_with("proxy-"));
        let headers: Vec<_> = lines.collect();
        let text = format!("{method} {}\r\n{}\r\n", &path[path.find('/')?..], headers.join("\r\n"));
        upstream.write_all(text.as_bytes()).await.ok()?;
    }
    copy_bidirectional(&mut client, &mut upstream).await.ok()?;
    Some(())
}
