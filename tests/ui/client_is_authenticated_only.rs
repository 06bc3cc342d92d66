//! A parsed request does not become an authenticated one by being called so.

use cambio::judgement::exchange::authenticated::Authenticated;
use cambio::judgement::exchange::parse::Parsed;

fn pass_off(parsed: Parsed) -> Authenticated {
    Authenticated { parsed }
}

fn main() {}
