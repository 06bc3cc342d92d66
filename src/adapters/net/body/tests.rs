use http_body_util::BodyExt as _;

use super::*;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn full_keeps_its_length_and_ends() {
    let body = Body::full("hello");
    assert_eq!(body.size_hint().exact(), Some(5));
    assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
    assert!(Body::full("").is_end_stream());
}

#[test]
fn debug_hides_the_content() {
    assert!(!format!("{:?}", Body::full("client_secret=hush")).contains("hush"));
}

#[tokio::test]
async fn prefix_comes_first() {
    let body = Body::prefixed("ab", Body::prefixed("cd", Body::full("ef")));
    assert_eq!(body.size_hint().exact(), Some(6));
    assert_eq!(body.collect().await.unwrap().to_bytes(), "abcdef");
}

#[tokio::test]
async fn trailers_follow_the_data() {
    let trailers = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("x"))]);
    let (data, read) = read_bounded(Body::full_with_trailers("abc", Some(trailers.clone())), 3, SOON).await.unwrap();
    assert_eq!((data.as_ref(), read), (&b"abc"[..], Some(trailers)));
}

#[tokio::test]
async fn reading_is_bounded() {
    assert!(matches!(read_bounded(Body::full("abcd"), 3, SOON).await, Err(ReadError::TooLarge)));
    let unsized_body = Body::full_with_trailers("abcd", Some(HeaderMap::new()));
    assert!(matches!(read_bounded(unsized_body, 3, SOON).await, Err(ReadError::TooLarge)));
}
