//! The hermetic suite: everything through the front door, over real sockets.
#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod demo_idp;
mod support;
