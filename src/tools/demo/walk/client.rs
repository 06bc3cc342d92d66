//! Requests of the story: printed as a `curl` line, and sent.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::tools::demo::walk::error::WalkError;

/// The time limit of a request.
const LIMIT: Duration = Duration::from_secs(20);

/// A request before it is sent. Without fields it is a `GET`.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) address: SocketAddr,
    /// The Host header, if it is not the address.
    pub(super) host: Option<String>,
    pub(super) path: &'static str,
    pub(super) fields: Vec<(&'static str, String)>,
    /// The shell variable that stands for the subject token in the line to paste.
    pub(super) variable: &'static str,
}

/// What came back.
#[derive(Debug)]
pub(super) struct CallReply {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Call {
    /// The line to paste. Tokens are shell variables; the line of a login sets the variable that `sets` names.
    pub(super) fn curl(&self, sets: Option<&str>) -> String {
        let host = self.host.iter().map(|host| format!(" -H 'Host: {host}'"));
        let fields = self.fields.iter().map(|(name, value)| match *name {
            "subject_token" => format!(" \\\n    -d subject_token=\"${}\"", self.variable),
            "actor_token" => " \\\n    -d actor_token=\"$BOB\"".to_owned(),
            name => format!(" \\\n    -d {name}={value}"),
        });
        let parts: Vec<_> = host.chain(fields).collect();
        let line = format!("curl -s http://{}{}{}", self.address, self.path, parts.concat());
        match sets {
            Some(name) => {
                format!("{name}=$({line} \\\n    | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')")
            }
            None => line,
        }
    }

    /// Sends the request on a new connection.
    pub(super) async fn send(&self) -> Result<CallReply, WalkError> {
        let failed = |why: String| WalkError::NoAnswer(self.address, why);
        match tokio::time::timeout(LIMIT, self.exchange()).await {
            Ok(sent) => sent.map_err(failed),
            Err(_) => Err(failed("it took too long".to_owned())),
        }
    }

    async fn exchange(&self) -> Result<CallReply, String> {
        let stream = TcpStream::connect(self.address).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        let request = self.request().map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        connection.abort();
        Ok(CallReply { status, body })
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, http::Error> {
        let host = self.host.clone().unwrap_or_else(|| self.address.to_string());
        if self.fields.is_empty() {
            return Request::get(self.path).header(HOST, host).body(Full::default());
        }
        let field = |(name, value): &(&str, String)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        let body = self.fields.iter().map(field).collect::<Vec<_>>().join("&");
        Request::post(self.path)
            .header(HOST, host)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body)))
    }
}

impl CallReply {
    /// The body, if it is JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The token in an answer of the token endpoint.
    pub(super) fn access_token(&self) -> Option<String> {
        self.json().get("access_token")?.as_str().map(str::to_owned)
    }

    /// The key ids in a JWK set.
    pub(super) fn kids(&self) -> Vec<String> {
        let json = self.json();
        let keys = json.get("keys").and_then(Value::as_array).into_iter().flatten();
        keys.filter_map(|key| key.get("kid")?.as_str()).map(str::to_owned).collect()
    }
}
