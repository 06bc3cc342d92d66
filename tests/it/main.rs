//! The hermetic suite: everything through the front door, over real sockets.
#![expect(unreachable_pub, reason = "a test binary has no outside")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]
#![expect(clippy::type_complexity, reason = "tables of named rows")]
#![expect(clippy::expect_used, reason = "a deadline that is missed fails the test")]

mod demo_idp;
mod layering;
mod support;
