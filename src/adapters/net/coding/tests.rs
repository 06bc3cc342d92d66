use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::HeaderValue;

use super::*;

const LIMIT: usize = 1000;
const TEXT: &str = r#"{"keys":[]}"#;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn undone(lines: &[&'static str], body: Vec<u8>) -> Result<String, CodingError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    for line in lines {
        headers.append(CONTENT_ENCODING, HeaderValue::from_static(line));
    }
    let content = undo(&mut headers, body.into(), LIMIT)?;
    assert!(lines.is_empty() || headers.is_empty(), "{headers:?}");
    Ok(String::from_utf8(content.to_vec()).unwrap())
}

#[test]
fn codings_are_undone() {
    let text = TEXT.as_bytes();
    let whole = "x".repeat(LIMIT);
    let twice = [gzip(&text[..4]), gzip(&text[4..])].concat();
    for (name, lines, body, expected) in [
        ("none", &[][..], text.to_vec(), TEXT),
        ("identity", &["identity"], text.to_vec(), TEXT),
        ("an empty line", &[""], text.to_vec(), TEXT),
        ("gzip", &["gzip"], gzip(text), TEXT),
        ("in capitals, under its old name", &["X-GZIP"], gzip(text), TEXT),
        ("in two members", &["gzip"], twice, TEXT),
        ("deflate", &["deflate"], zlib(text), TEXT),
        ("deflate without zlib", &["deflate"], deflate(text), TEXT),
        ("beside identity", &["identity, gzip"], gzip(text), TEXT),
        ("twice, in the order of the list", &["deflate, gzip"], gzip(&zlib(text)), TEXT),
        ("twice, on two lines", &["deflate", "gzip"], gzip(&zlib(text)), TEXT),
        ("up to the limit", &["gzip"], gzip(whole.as_bytes()), whole.as_str()),
        ("nothing", &["gzip"], gzip(b""), ""),
    ] {
        assert_eq!(undone(lines, body).as_deref(), Ok(expected), "{name}");
    }
}

#[test]
fn what_can_not_be_undone_is_refused() {
    let text = TEXT.as_bytes();
    let bomb = gzip(&vec![b' '; 50 << 20]);
    let nested = gzip(&bomb);
    let cut = gzip(text)[..20].to_vec();
    let mut altered = gzip(text);
    altered[12] ^= 1;
    for (name, lines, body, expected) in [
        ("a bomb", &["gzip"][..], bomb, CodingError::TooLarge(LIMIT)),
        ("a bomb in a bomb", &["gzip, gzip"], nested, CodingError::TooLarge(LIMIT)),
        ("a bomb by deflate", &["deflate"], deflate(&[b' '; LIMIT + 1]), CodingError::TooLarge(LIMIT)),
        ("cut", &["gzip"], cut, CodingError::Broken),
        ("altered", &["gzip"], altered, CodingError::Broken),
        ("not coded", &["gzip"], text.to_vec(), CodingError::Broken),
        ("not coded", &["deflate"], text.to_vec(), CodingError::Broken),
        ("empty", &["gzip"], Vec::new(), CodingError::Broken),
        ("brotli", &["br"], text.to_vec(), CodingError::Unknown("br")),
        ("zstandard under gzip", &["zstd, gzip"], gzip(text), CodingError::Unknown("zstd")),
        ("a secret", &["s3cret"], text.to_vec(), CodingError::Unknown("unknown")),
        ("too often", &["gzip, gzip, gzip, gzip"], text.to_vec(), CodingError::Broken),
    ] {
        assert_eq!(undone(lines, body), Err(expected), "{name}");
    }
}
