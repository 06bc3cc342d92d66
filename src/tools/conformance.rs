//! The requirements of RFC 8693 for a token endpoint, as cases that can be tried with any token endpoint.
//!
//! A case ([`case::ConformanceCase`]) has its section, what is sent, what is expected, and a judge of the answers. This
//! module is pure. The command `cambio conformance` sends the requests and returns the answers.

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
