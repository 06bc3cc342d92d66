//! Ambiguous HTTP/1 framing that hyper repairs silently, refused before hyper reads it.
