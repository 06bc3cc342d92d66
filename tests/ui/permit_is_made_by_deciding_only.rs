//! A permit can't be built, only decided.

use cambio::permit::Permit;
use cambio::token::Validated;

fn forge(validated: Validated) -> Permit {
    Permit { validated }
}

fn main() {}
