//! Where the scanner of heads stands.

/// Where in a connection the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// So many bytes of the HTTP/2 preface have come, at the start of a connection.
    Preface(usize),
    /// Before a request line.
    Start,
    RequestLine,
    LineStart,
    /// After a CR at the start of a line.
    BlankLine,
    /// So many bytes of a header's name have come and are those of a framing header.
    Name(Field, usize),
    /// In a line without interest.
    Line,
    /// In the value of `Content-Length`; whether digits are over.
    Length {
        over: bool,
    },
    /// So many bytes of content are still to come.
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
