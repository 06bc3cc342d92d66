//! Refuses what hyper repairs silently: in HTTP/1.1 a `Content-Length` beside `Transfer-Encoding` in either order, a
//! repeated `Content-Length` (even an identical one) and a repeated `Transfer-Encoding`. Each can make two servers
//! disagree about where a request ends (RFC 9112 sections 6.1 and 11.2), and hyper's `HeaderMap` no longer shows them.
//!
//! The scanner watches the bytes on their way to hyper. It follows the framing of heads and bodies exactly as hyper
//! does, so that it finds each head on a kept-alive or pipelined connection. In a head that must not pass, it replaces
//! the colon of the second line with a NUL: hyper answers 400 and closes. When hyper refuses by itself (a bad length, a
//! bad chunk), the scanner stops, because no further head can come.

mod state;

use memchr::memchr;

use self::state::{At, Field};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The scanner of one connection.
#[derive(Debug)]
pub struct HeadScanner {
    at: At,
    /// `Content-Length` of the head that is being read.
    length: Option<u64>,
    chunked: bool,
    /// Bytes of the present chunk that are still to come.
    chunk: u64,
}

impl Default for HeadScanner {
    fn default() -> Self {
        Self { at: At::Preface(0), length: None, chunked: false, chunk: 0 }
    }
}

impl HeadScanner {
    /// Scans the next bytes of the connection, and spoils a head that hyper must not accept.
    pub fn scan(&mut self, bytes: &mut [u8]) {
        let mut from = 0;
        while let Some(rest) = bytes.get_mut(from..).filter(|rest| !rest.is_empty()) {
            if self.at == At::Off {
                return;
            }
            from += self.step(rest);
        }
    }

    /// Whether a request head has begun and is not complete.
    pub fn is_in_head(&self) -> bool {
        matches!(
            self.at,
            At::Preface(1..)
                | At::RequestLine
                | At::LineStart
                | At::BlankLine
                | At::Name(..)
                | At::Line
                | At::Length { .. }
        )
    }

    /// Stops scanning.
    pub fn stop(&mut self) {
        self.at = At::Off;
    }

    /// Consumes one byte, or a run of bytes in one state, and returns their number.
    fn step(&mut self, rest: &mut [u8]) -> usize {
        let Some(&byte) = rest.first() else { return 0 };
        self.at = match self.at {
            At::RequestLine | At::Line => {
                let Some(end) = memchr(b'\n', rest) else { return rest.len() };
                self.at = At::LineStart;
                return end + 1;
            }
            At::Content(left) => return self.content(left, rest.len()),
            At::ChunkData => return self.chunk_data(rest.len()),
            At::Preface(seen) => match PREFACE.get(seen) {
                Some(expected) if *expected == byte && seen + 1 == PREFACE.len() => At::Off,
                Some(expected) if *expected == byte => At::Preface(seen + 1),
                // This is not the preface. hyper would refuse its whole first line, so only the first word matters.
                _ if seen == 0 => return self.begin(),
                _ if seen < 14 => return self.inside_request_line(),
                _ => At::Off,
            },
            At::Start if byte == b'\r' || byte == b'\n' => At::Start,
            At::Start => return self.begin(),
            At::LineStart => match byte {
                b'\n' => self.head_over(),
                b'\r' => At::BlankLine,
                _ => Field::starting_with(byte).map_or(At::Line, |field| At::Name(field, 1)),
            },
            At::BlankLine if byte == b'\n' => self.head_over(),
            At::Name(field, seen) => return self.name(field, seen, rest),
            At::Length { over } => self.length_value(byte, over),
            // What hyper refuses.
            At::BlankLine | At::Off => At::Off,
            chunked => self.in_chunks(chunked, byte),
        };
        1
    }

    /// Where the next byte stands in a chunked body (RFC 9112 section 7.1), outside of its data. hyper refuses whatever
    /// leads to [`At::Off`].
    fn in_chunks(&mut self, at: At, byte: u8) -> At {
        match (at, byte) {
            (At::ChunkStart | At::ChunkSize, _) => self.chunk_size(byte),
            (At::ChunkSpace, b' ' | b'\t') => At::ChunkSpace,
            (At::ChunkSpace | At::ChunkExtension, b'\r') => At::ChunkSizeLf,
            (At::ChunkExtension, b'\n') => At::Off,
            (At::ChunkSpace, b';') | (At::ChunkExtension, _) => At::ChunkExtension,
            (At::ChunkSizeLf, b'\n') if self.chunk == 0 => At::TrailerStart,
            (At::ChunkSizeLf, b'\n') => At::ChunkData,
            (At::ChunkDataCr, b'\r') => At::ChunkDataLf,
            (At::ChunkDataLf, b'\n') => At::ChunkStart,
            (At::TrailerStart, b'\r') => At::EndLf,
            (At::Trailer, b'\r') => At::TrailerLf,
            (At::TrailerStart | At::Trailer, _) => At::Trailer,
            (At::TrailerLf, b'\n') => At::TrailerStart,
            (At::EndLf, b'\n') => At::Start,
            _ => At::Off,
        }
    }

    /// A request line begins with the byte at hand (or, at the start of a connection, an empty line).
    fn begin(&mut self) -> usize {
        if let At::Preface(_) = self.at {
            self.at = At::Start;
            return 0;
        }
        self.length = None;
        self.chunked = false;
        self.at = At::RequestLine;
        0
    }

    fn inside_request_line(&mut self) -> usize {
        self.at = At::RequestLine;
        0
    }

    fn name(&mut self, field: Field, seen: usize, rest: &mut [u8]) -> usize {
        let name = field.name();
        let Some(byte) = rest.first_mut() else { return 0 };
        if seen < name.len() {
            let same = name.get(seen).is_some_and(|expected| byte.eq_ignore_ascii_case(expected));
            // The byte is scanned again as part of a line: it may be the line's end.
            self.at = if same { At::Name(field, seen + 1) } else { At::Line };
            return usize::from(same);
        }
        if *byte != b':' {
            self.at = At::Line;
            return 0;
        }
        if self.chunked || self.length.is_some() {
            *byte = 0;
            self.at = At::Off;
        } else if field == Field::TransferEncoding {
            // hyper accepts it only if the body is chunked, and never in HTTP/1.0.
            self.chunked = true;
            self.at = At::Line;
        } else {
            self.length = Some(0);
            self.at = At::Length { over: false };
        }
        1
    }

    fn length_value(&mut self, byte: u8, over: bool) -> At {
        match byte {
            b'\n' => At::LineStart,
            b'0'..=b'9' if !over => {
                let length = self.length.unwrap_or(0).checked_mul(10);
                self.length = length.and_then(|length| length.checked_add(u64::from(byte - b'0')));
                if self.length.is_some() { At::Length { over } } else { At::Off }
            }
            // Spaces may stand before or after the digits; hyper refuses them in between.
            b' ' | b'\t' if self.length == Some(0) => At::Length { over },
            b' ' | b'\t' | b'\r' => At::Length { over: true },
            _ => At::Off,
        }
    }

    fn head_over(&mut self) -> At {
        match self.length {
            _ if self.chunked => self.next_chunk(),
            None | Some(0) => At::Start,
            Some(length) => At::Content(length),
        }
    }

    fn content(&mut self, left: u64, here: usize) -> usize {
        let taken = usize::try_from(left).map_or(here, |left| left.min(here));
        let left = left - taken as u64;
        self.at = if left == 0 { At::Start } else { At::Content(left) };
        taken
    }

    fn next_chunk(&mut self) -> At {
        self.chunk = 0;
        At::ChunkStart
    }

    fn chunk_size(&mut self, byte: u8) -> At {
        let started = self.at == At::ChunkSize;
        if !started {
            self.chunk = 0;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b' ' | b'\t' if started => return At::ChunkSpace,
            b';' if started => return At::ChunkExtension,
            b'\r' if started => return At::ChunkSizeLf,
            _ => return At::Off,
        };
        match self.chunk.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit))) {
            Some(size) => {
                self.chunk = size;
                At::ChunkSize
            }
            None => At::Off,
        }
    }

    fn chunk_data(&mut self, here: usize) -> usize {
        let taken = usize::try_from(self.chunk).map_or(here, |left| left.min(here));
        self.chunk -= taken as u64;
        self.at = if self.chunk == 0 { At::ChunkDataCr } else { At::ChunkData };
        taken
    }
}

#[cfg(test)]
mod tests;
