//! How the most liberal server reads a token request.

use cambio::tools::demo::{RealmEndpoint, Received};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Method};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Makes the plain request of what a liberal server takes for a token request: its path is not normal, in another case,
/// or has parameters; any method; fields in the query string; repeated fields; JSON bodies; a coding that is ignored.
pub fn read(request: Received) -> Received {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut plain = Received { target: normal_path(path), ..request.clone() };
    if plain.route().is_none_or(|route| route.1 != RealmEndpoint::Token) {
        return request;
    }
    let kind = request.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let json = kind.trim_ascii_start().to_ascii_lowercase().starts_with(b"application/json");
    let mut read = if json { Vec::new() } else { pairs(&request.body) };
    if let Ok(object) = serde_json::from_slice::<serde_json::Map<_, _>>(&request.body) {
        read.extend(object.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))));
    }
    read.extend(pairs(query.as_bytes()));
    let mut fields: Vec<(String, String)> = Vec::new();
    for (name, value) in read.into_iter().filter(|(_, value)| !value.is_empty()) {
        if matches!(&*name, "audience" | "resource") || fields.iter().all(|(known, _)| *known != name) {
            fields.push((name, value));
        }
    }
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let written = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    plain.body = written.collect::<Vec<_>>().join("&").into();
    plain.method = Method::POST;
    plain.headers.remove(CONTENT_ENCODING);
    plain.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    plain
}

/// The fields of a form, in order. What is not encoded rightly is read as it stands.
pub fn pairs(form: &[u8]) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let text = String::from_utf8_lossy(form);
    let fields = text.split('&').map(|field| field.split_once('=').unwrap_or((field, "")));
    fields.map(|(name, value)| (decode(name), decode(value))).collect()
}

fn normal_path(path: &str) -> String {
    let mut decoded = path.to_owned();
    // Twice: some servers behind a proxy decode what was decoded.
    for _ in 0..2 {
        decoded = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        match segment.split(';').next().unwrap_or_default().trim() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/")).to_ascii_lowercase()
}

#[test]
fn strict_and_lenient_paths() {
    for (path, strict, lenient) in [
        ("/realms/corp/protocol/openid-connect/token", true, true),
        ("/realms/corp/protocol/openid-connect/token/?a=b", true, true),
        ("/realms/corp//protocol/openid-connect/token", false, true),
        ("/x/../realms/corp/protocol/./openid-connect/%74oken", false, true),
        ("/realms/corp/protocol/openid-connect/Token;x=y", false, true),
        ("/realms/corp/protocol/openid-connect/tokens", false, false),
    ] {
        let (method, headers) = (Method::POST, http::HeaderMap::new());
        let request = Received { method, target: path.to_owned(), headers, body: bytes::Bytes::new() };
        let is_token = |request: &Received| request.route() == Some(("corp", RealmEndpoint::Token));
        assert_eq!(is_token(&request), strict, "{path}");
        assert_eq!(is_token(&read(request)), lenient, "{path}");
    }
}
