//! What RFC 8693 asks of a token endpoint, as cases that can be put to any.
//!
//! A case says which section it comes from, what is sent, what is expected, and judges the answers: [`case::Case`].
//! Everything here is pure. The command `cambio conformance` sends the requests and brings the answers back.

pub mod answer;
pub mod case;
pub mod cases;
pub mod command;
pub mod forge;
pub mod inputs;
pub mod judge;
pub mod request;
pub mod table;
pub mod verdict;
