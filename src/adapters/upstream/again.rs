//! Which requests may be sent a second time, and how they come back: hyper does not return what it has written, and a
//! copy of every request would cost more than the rare second one is worth.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body::Body as _;

use crate::adapters::net::body::Body;
use crate::judgement::route::overrides_method;

/// Whether a request may be sent again: its method is safe (RFC 9110 section 9.2.1), no header gives it another method, and
/// it has no body.
pub(super) fn may_repeat(request: &Request<Body>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        && !overrides_method(request.headers())
        && request.body().is_end_stream()
}

/// The request without a body whose head was written. `None` if the head is not whole.
pub(super) fn read_back(head: &[u8]) -> Option<Request<Body>> {
    let mut lines = vec![httparse::EMPTY_HEADER; memchr::memchr_iter(b'\n', head).count()];
    let mut parsed = httparse::Request::new(&mut lines);
    parsed.parse(head).ok().filter(httparse::Status::is_complete)?;
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for line in &*parsed.headers {
        headers.append(HeaderName::from_bytes(line.name.as_bytes()).ok()?, HeaderValue::from_bytes(line.value).ok()?);
    }
    let mut request = Request::new(Body::empty());
    *request.method_mut() = parsed.method?.parse().ok()?;
    *request.uri_mut() = parsed.path?.parse::<Uri>().ok()?;
    *request.headers_mut() = headers;
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_as_it_was() {
        let head = b"GET /a//b/%2e?x=%zz&&y HTTP/1.1\r\nhost: sso.example.org\r\ncookie: a=\xe9\r\nx-two: 1\r\nx-two: 2\r\nx-none: \r\n\r\n";
        let request = read_back(head).unwrap();
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::GET, "/a//b/%2e?x=%zz&&y"));
        let lines: Vec<_> = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let expected: [(&str, &[u8]); 5] =
            [("host", b"sso.example.org"), ("cookie", b"a=\xe9"), ("x-two", b"1"), ("x-two", b"2"), ("x-none", b"")];
        assert_eq!(lines, expected);
        assert!(request.body().is_end_stream() && may_repeat(&request));
        for cut in 0..head.len() {
            assert!(read_back(&head[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn safe_requests_without_a_body_may_be_repeated() {
        for (method, body, expected) in [
            ("GET", "", true),
            ("HEAD", "", true),
            ("OPTIONS", "", true),
            ("GET", "x", false),
            ("TRACE", "", false),
            ("POST", "", false),
            ("PUT", "", false),
            ("DELETE", "", false),
            ("PATCH", "", false),
            ("get", "", false),
        ] {
            let request = Request::builder().method(method).body(Body::full(body)).unwrap();
            assert_eq!(may_repeat(&request), expected, "{method} {body}");
        }
        let request = Request::get("/").header("x-http-method-override", "POST").body(Body::empty()).unwrap();
        assert!(!may_repeat(&request));
    }
}
