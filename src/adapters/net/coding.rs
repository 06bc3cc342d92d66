//! Content codings (RFC 9110 section 8.4) of answers to Cambio's own requests. Cambio asks for none, but some proxies
//! compress whatever passes.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

/// Codings that one answer may have.
const MAX_CODINGS: usize = 3;

/// Why the codings of an answer can't be undone. The text repeats nothing of what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// Cambio does not know the coding; the text names it if it is registered.
    #[error("the answer has the content coding {0:?}; Cambio asked for none, and can undo gzip and deflate only")]
    Unknown(&'static str),
    /// The content is not what its coding says.
    #[error("the answer's content coding is broken")]
    Broken,
    /// The decoded content is larger than the limit.
    #[error("the decoded answer is larger than {} KiB", .0 / 1024)]
    TooLarge(usize),
}

/// Undoes the codings that `headers` name, and removes them there. Neither the result nor an intermediate one is larger
/// than `limit`.
pub(crate) fn undo(headers: &mut HeaderMap, mut body: Bytes, limit: usize) -> Result<Bytes, CodingError> {
    if !headers.contains_key(CONTENT_ENCODING) {
        return Ok(body);
    }
    for coding in codings(headers)?.into_iter().rev() {
        body = coding.undo(&body, limit)?.into();
    }
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    Ok(body)
}

#[derive(Clone, Copy, Debug)]
enum Coding {
    Gzip,
    Deflate,
}

/// The codings in the order in which they were applied.
fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, CodingError> {
    let mut codings = Vec::new();
    for line in headers.get_all(CONTENT_ENCODING) {
        for name in line.to_str().map_err(|_| unknown(""))?.split(',') {
            let name = name.trim().to_ascii_lowercase();
            codings.push(match name.as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "deflate" => Coding::Deflate,
                other => return Err(unknown(other)),
            });
        }
    }
    if codings.len() > MAX_CODINGS { Err(CodingError::Broken) } else { Ok(codings) }
}

/// A coding that Cambio does not know. The name is never repeated as it came.
fn unknown(name: &str) -> CodingError {
    let registered = ["br", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "zstd"];
    CodingError::Unknown(registered.into_iter().find(|one| *one == name).unwrap_or("unknown"))
}

impl Coding {
    fn undo(self, body: &[u8], limit: usize) -> Result<Vec<u8>, CodingError> {
        match self {
            Self::Gzip => bounded(MultiGzDecoder::new(body), limit),
            Self::Deflate if is_zlib(body) => bounded(ZlibDecoder::new(body), limit),
            // Some servers leave out the zlib format that RFC 9110 section 8.4.1.2 asks for.
            Self::Deflate => bounded(DeflateDecoder::new(body), limit),
        }
    }
}

/// Whether a zlib header (RFC 1950 section 2.2) begins the content.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}

fn bounded(decoder: impl Read, limit: usize) -> Result<Vec<u8>, CodingError> {
    let mut content = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(one_more).read_to_end(&mut content).map_err(|_| CodingError::Broken)?;
    if content.len() > limit { Err(CodingError::TooLarge(limit)) } else { Ok(content) }
}

#[cfg(test)]
mod tests;
