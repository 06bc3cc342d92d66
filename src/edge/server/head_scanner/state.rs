//! The states of the head scanner.

/// The place of the next byte in a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScanState {
    /// This many bytes of the HTTP/2 preface have come, at the start of a connection.
    Preface(usize),
    /// Before a request line.
    Start,
    RequestLine,
    LineStart,
    /// After a CR at the start of a line.
    BlankLine,
    /// This many bytes of a name have come and match a framing header.
    Name(Field, usize),
    /// In a line that does not matter.
    Line,
    /// In the value of `Content-Length`; `over`: after the digits.
    Length {
        over: bool,
    },
    /// This many bytes of content are still to come.
    Content(u64),
    ChunkStart,
    ChunkSize,
    ChunkSpace,
    ChunkExtension,
    ChunkSizeLf,
    ChunkData,
    ChunkDataCr,
    ChunkDataLf,
    /// At the start of a trailer line, or of the empty line that ends them.
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    /// HTTP/2, an upgraded connection, or one that hyper is about to close.
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    ContentLength,
    TransferEncoding,
}

impl Field {
    pub(super) fn name(self) -> &'static [u8] {
        match self {
            Self::ContentLength => b"content-length",
            Self::TransferEncoding => b"transfer-encoding",
        }
    }

    pub(super) fn starting_with(byte: u8) -> Option<Self> {
        match byte {
            b'c' | b'C' => Some(Self::ContentLength),
            b't' | b'T' => Some(Self::TransferEncoding),
            _ => None,
        }
    }
}
