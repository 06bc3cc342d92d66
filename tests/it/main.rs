//! The hermetic suite: everything through the front door, over real sockets.

mod support {}
