//! A permit can't be built, only decided.

use cambio::permit::Permit;
use cambio::policy::decide::Decision;
use cambio::token::Validated;

fn forge(validated: Validated, decision: Decision) -> Permit {
    Permit { validated, decision }
}

fn main() {}
