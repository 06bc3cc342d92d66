//! Refuses what hyper silently repairs: in HTTP/1.1 a `Content-Length` next to `Transfer-Encoding` in either order, a
//! repeated `Content-Length` (even an identical one) and a repeated `Transfer-Encoding`. Each can make two servers
//! disagree about where a request ends (RFC 9112 sections 6.1 and 11.2), and hyper's `HeaderMap` no longer shows
//! them.
//!
//! The scanner sees the bytes before hyper does. It follows the framing of heads and bodies exactly as hyper does, so
//! that it finds each head on a kept-alive or pipelined connection. In a head that must not pass, it replaces the
//! colon of the second line with a NUL: hyper answers 400 and closes. If hyper refuses anyway (a bad length, a bad
//! chunk), the scanner stops, because no further head can follow.

mod state;

use memchr::memchr;

use self::state::{Field, ScanState};

/// The first bytes of an HTTP/2 connection.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The scanner of one connection.
#[derive(Debug)]
pub struct HeadScanner {
    at: ScanState,
    /// `Content-Length` of the head that is being read.
    length: Option<u64>,
    chunked: bool,
    /// Bytes of the present chunk that are still to come.
    chunk: u64,
    /// Heads that are complete.
    heads: u32,
    /// Bytes of the present head, while it is incomplete.
    head_bytes: usize,
}

impl Default for HeadScanner {
    fn default() -> Self {
        Self { at: ScanState::Preface(0), length: None, chunked: false, chunk: 0, heads: 0, head_bytes: 0 }
    }
}

impl HeadScanner {
    /// Scans the next bytes of the connection, and breaks a head that hyper must not accept.
    pub fn scan(&mut self, bytes: &mut [u8]) {
        let mut from = 0;
        while let Some(rest) = bytes.get_mut(from..).filter(|rest| !rest.is_empty()) {
            if self.at == ScanState::Off {
                return;
            }
            let taken = self.step(rest);
            self.head_bytes = if self.is_in_head() { self.head_bytes + taken } else { 0 };
            from += taken;
        }
    }

    /// Whether a request head has begun and is not complete.
    pub fn is_in_head(&self) -> bool {
        matches!(
            self.at,
            ScanState::Preface(1..)
                | ScanState::RequestLine
                | ScanState::LineStart
                | ScanState::BlankLine
                | ScanState::Name(..)
                | ScanState::Line
                | ScanState::Length { .. }
        )
    }

    /// Whether a request has begun and is not complete.
    pub fn is_in_request(&self) -> bool {
        !matches!(self.at, ScanState::Preface(0) | ScanState::Start | ScanState::Off)
    }

    /// Bytes of the head that has begun and is not complete.
    pub(crate) fn head_bytes(&self) -> usize {
        self.head_bytes
    }

    /// Whether the bytes are no HTTP/1 any more: HTTP/2, or an upgraded connection.
    pub(crate) fn is_off(&self) -> bool {
        self.at == ScanState::Off
    }

    /// Heads that were complete so far; the number may wrap around.
    pub(crate) fn heads(&self) -> u32 {
        self.heads
    }

    /// Whether all requests so far are complete, and no further one has begun.
    pub(crate) fn is_between_requests(&self) -> bool {
        matches!(self.at, ScanState::Preface(0) | ScanState::Start)
    }

    /// Stops scanning.
    pub fn stop(&mut self) {
        self.at = ScanState::Off;
    }

    /// Consumes one byte, or a run of bytes in one state, and returns their number.
    fn step(&mut self, rest: &mut [u8]) -> usize {
        let Some(&byte) = rest.first() else { return 0 };
        self.at = match self.at {
            ScanState::RequestLine | ScanState::Line => {
                let Some(end) = memchr(b'\n', rest) else { return rest.len() };
                self.at = ScanState::LineStart;
                return end + 1;
            }
            ScanState::Content(left) => return self.content(left, rest.len()),
            ScanState::ChunkData => return self.chunk_data(rest.len()),
            ScanState::Preface(seen) => match PREFACE.get(seen) {
                Some(expected) if *expected == byte && seen + 1 == PREFACE.len() => ScanState::Off,
                Some(expected) if *expected == byte => ScanState::Preface(seen + 1),
                // This is not the preface. hyper would refuse its whole first line, so only the first word matters.
                _ if seen == 0 => return self.begin(),
                _ if seen < 14 => return self.inside_request_line(),
                _ => ScanState::Off,
            },
            ScanState::Start if byte == b'\r' || byte == b'\n' => ScanState::Start,
            ScanState::Start => return self.begin(),
            ScanState::LineStart => match byte {
                b'\n' => self.head_over(),
                b'\r' => ScanState::BlankLine,
                _ => Field::starting_with(byte).map_or(ScanState::Line, |field| ScanState::Name(field, 1)),
            },
            ScanState::BlankLine if byte == b'\n' => self.head_over(),
            ScanState::Name(field, seen) => return self.name(field, seen, rest),
            ScanState::Length { over } => self.length_value(byte, over),
            // hyper refuses these.
            ScanState::BlankLine | ScanState::Off => ScanState::Off,
            chunked => self.in_chunks(chunked, byte),
        };
        1
    }

    /// The state after a byte of a chunked body (RFC 9112 section 7.1), outside of its data. hyper refuses everything
    /// that leads to [`ScanState::Off`].
    fn in_chunks(&mut self, at: ScanState, byte: u8) -> ScanState {
        match (at, byte) {
            (ScanState::ChunkStart | ScanState::ChunkSize, _) => self.chunk_size(byte),
            (ScanState::ChunkSpace, b' ' | b'\t') => ScanState::ChunkSpace,
            (ScanState::ChunkSpace | ScanState::ChunkExtension, b'\r') => ScanState::ChunkSizeLf,
            (ScanState::ChunkExtension, b'\n') => ScanState::Off,
            (ScanState::ChunkSpace, b';') | (ScanState::ChunkExtension, _) => ScanState::ChunkExtension,
            (ScanState::ChunkSizeLf, b'\n') if self.chunk == 0 => ScanState::TrailerStart,
            (ScanState::ChunkSizeLf, b'\n') => ScanState::ChunkData,
            (ScanState::ChunkDataCr, b'\r') => ScanState::ChunkDataLf,
            (ScanState::ChunkDataLf, b'\n') => ScanState::ChunkStart,
            (ScanState::TrailerStart, b'\r') => ScanState::EndLf,
            (ScanState::Trailer, b'\r') => ScanState::TrailerLf,
            (ScanState::TrailerStart | ScanState::Trailer, _) => ScanState::Trailer,
            (ScanState::TrailerLf, b'\n') => ScanState::TrailerStart,
            (ScanState::EndLf, b'\n') => ScanState::Start,
            _ => ScanState::Off,
        }
    }

    /// A request line begins with the byte at hand (or, at the start of a connection, an empty line).
    fn begin(&mut self) -> usize {
        if let ScanState::Preface(_) = self.at {
            self.at = ScanState::Start;
            return 0;
        }
        self.length = None;
        self.chunked = false;
        self.at = ScanState::RequestLine;
        0
    }

    fn inside_request_line(&mut self) -> usize {
        self.at = ScanState::RequestLine;
        0
    }

    fn name(&mut self, field: Field, seen: usize, rest: &mut [u8]) -> usize {
        let name = field.name();
        let Some(byte) = rest.first_mut() else { return 0 };
        if seen < name.len() {
            let same = name.get(seen).is_some_and(|expected| byte.eq_ignore_ascii_case(expected));
            // The byte is scanned again as part of a line: it may be the line's end.
            self.at = if same { ScanState::Name(field, seen + 1) } else { ScanState::Line };
            return usize::from(same);
        }
        if *byte != b':' {
            self.at = ScanState::Line;
            return 0;
        }
        if self.chunked || self.length.is_some() {
            *byte = 0;
            self.at = ScanState::Off;
        } else if field == Field::TransferEncoding {
            // hyper accepts it only if the body is chunked, and never in HTTP/1.0.
            self.chunked = true;
            self.at = ScanState::Line;
        } else {
            self.length = Some(0);
            self.at = ScanState::Length { over: false };
        }
        1
    }

    fn length_value(&mut self, byte: u8, over: bool) -> ScanState {
        match byte {
            b'\n' => ScanState::LineStart,
            b'0'..=b'9' if !over => {
                let length = self.length.unwrap_or(0).checked_mul(10);
                self.length = length.and_then(|length| length.checked_add(u64::from(byte - b'0')));
                if self.length.is_some() { ScanState::Length { over } } else { ScanState::Off }
            }
            // Spaces may stand before or after the digits; hyper refuses them in between.
            b' ' | b'\t' if self.length == Some(0) => ScanState::Length { over },
            b' ' | b'\t' | b'\r' => ScanState::Length { over: true },
            _ => ScanState::Off,
        }
    }

    fn head_over(&mut self) -> ScanState {
        self.heads = self.heads.wrapping_add(1);
        match self.length {
            _ if self.chunked => self.next_chunk(),
            None | Some(0) => ScanState::Start,
            Some(length) => ScanState::Content(length),
        }
    }

    fn content(&mut self, left: u64, here: usize) -> usize {
        let taken = usize::try_from(left).map_or(here, |left| left.min(here));
        let left = left - taken as u64;
        self.at = if left == 0 { ScanState::Start } else { ScanState::Content(left) };
        taken
    }

    fn next_chunk(&mut self) -> ScanState {
        self.chunk = 0;
        ScanState::ChunkStart
    }

    fn chunk_size(&mut self, byte: u8) -> ScanState {
        let started = self.at == ScanState::ChunkSize;
        if !started {
            self.chunk = 0;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b' ' | b'\t' if started => return ScanState::ChunkSpace,
            b';' if started => return ScanState::ChunkExtension,
            b'\r' if started => return ScanState::ChunkSizeLf,
            _ => return ScanState::Off,
        };
        match self.chunk.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit))) {
            Some(size) => {
                self.chunk = size;
                ScanState::ChunkSize
            }
            None => ScanState::Off,
        }
    }

    fn chunk_data(&mut self, here: usize) -> usize {
        let taken = usize::try_from(self.chunk).map_or(here, |left| left.min(here));
        self.chunk -= taken as u64;
        self.at = if self.chunk == 0 { ScanState::ChunkDataCr } else { ScanState::ChunkData };
        taken
    }
}

#[cfg(test)]
mod tests;
