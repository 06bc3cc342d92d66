//! Finds tokens of Cambio anywhere in a text, whatever stands around them.
//!
//! Everybody can send such a text, so the search is linear: of the text before a dot, only as much is read as a header
//! may have, in each of the three ways in which base64 can be aligned there, and from the end. Read from its end, JSON has
//! one beginning only: the brace that the last brace closes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::layers::{MAX_LAYERS, dense, unescape};
use crate::words::oauth::bytes::visited;

/// What every refresh token of Cambio begins with. It tells the token from the identity provider's, and tools that look
/// for leaked secrets find it.
pub const PREFIX: &str = "cambio_rt_";

/// Longest header of a JWS that is read, in base64url. Cambio's headers have about 150 characters.
const MAX_HEADER: usize = 2048;

/// What the header of every JWS begins with: `{` and a quote, a space or a like character, in base64url.
const BEGIN: &[u8] = b"ey";

/// Whether any parser could read a token of Cambio in `body`, in any parameter: a refresh token, or a JWS whose
/// header has a `kid` of Cambio.
pub fn carries_token_of_ours(body: &[u8], owns: impl Fn(&str) -> bool) -> bool {
    let mut layer = Cow::Borrowed(body);
    for _ in 0..MAX_LAYERS {
        let dense = dense(&layer);
        if has_refresh_token(&dense) || kids(&dense).any(|kid| owns(&kid)) {
            return true;
        }
        match unescape(&layer) {
            Some(decoded) => layer = Cow::Owned(decoded),
            None => return false,
        }
    }
    true
}

/// Whether the text has [`PREFIX`] in any case. Its underscores are rarer than its letters.
fn has_refresh_token(text: &[u8]) -> bool {
    let first = PREFIX.find('_').unwrap_or_default();
    visited(text.len());
    memchr::memchr_iter(b'_', text).any(|at| {
        let found = at.checked_sub(first).and_then(|start| text.get(start..start + PREFIX.len()));
        found.is_some_and(|found| found.eq_ignore_ascii_case(PREFIX.as_bytes()))
    })
}

/// The `kid` of everything that looks like the header of a compact JWS: base64url of `{"…`, and a dot.
fn kids(text: &[u8]) -> impl Iterator<Item = String> {
    memchr::memchr_iter(b'.', text).flat_map(move |dot| kids_at_end(base64url_before(text, dot)))
}

/// The characters of base64url before the dot, as many as a header may have.
fn base64url_before(text: &[u8], dot: usize) -> &[u8] {
    let window = text.get(dot.saturating_sub(MAX_HEADER)..dot).unwrap_or_default();
    let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let other = window.iter().rposition(|byte| !is_base64url(byte)).map_or(0, |other| other + 1);
    visited(window.len() - other + 1);
    window.get(other..).unwrap_or_default()
}

/// The `kid` of each header that ends with the text and begins anywhere in the text: one at most for each alignment.
fn kids_at_end(text: &[u8]) -> impl Iterator<Item = String> {
    let mut first = [None; 4];
    for at in memchr::memmem::find_iter(text, BEGIN) {
        first[at % 4] = first[at % 4].or(Some(at));
    }
    first.into_iter().flatten().filter_map(|at| kid_at_end(text.get(at..)?))
}

/// The `kid` of the header that ends with `encoded`, which begins where the header begins or whole groups of four characters
/// before.
fn kid_at_end(encoded: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Header {
        kid: String,
    }
    visited(encoded.len());
    let decoded = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let start = last_object(&decoded)?;
    // Only a header that begins with a whole group is base64 of its own.
    let begins = start.is_multiple_of(3) && encoded.get(start / 3 * 4..).is_some_and(|rest| rest.starts_with(BEGIN));
    let header = decoded.get(start..).filter(|_| begins)?;
    visited(header.len());
    serde_json::from_slice::<Header>(header).ok().map(|header| header.kid)
}

/// Where the JSON object begins that ends with the bytes, if one does: its brace is the one that the last brace closes.
/// Outside of strings JSON has no backslash, so a quote with an odd number of backslashes before stands within a string.
fn last_object(bytes: &[u8]) -> Option<usize> {
    let bytes = bytes.trim_ascii_end();
    if bytes.last() != Some(&b'}') {
        return None;
    }
    let (mut depth, mut in_string, mut at) = (0_usize, false, bytes.len());
    while let Some((&byte, before)) = bytes.get(..at).and_then(<[u8]>::split_last) {
        at = before.len();
        visited(1);
        match byte {
            b'"' => {
                let slashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
                visited(slashes);
                in_string = !in_string || slashes % 2 == 1;
            }
            b'}' if !in_string => depth += 1,
            b'{' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
