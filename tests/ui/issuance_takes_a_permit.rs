//! Nothing is issued on the strength of a validated request alone.

use cambio::issue::{Issued, forward};
use cambio::token::Validated;

fn issue(validated: &Validated, issued: &Issued, now: jiff::Timestamp) {
    let _ = forward::conform(validated, issued, now);
}

fn main() {}
