//! A permit can't be built, only decided.

use cambio::judgement::permit::Permit;
use cambio::judgement::policy::decide::Decision;
use cambio::judgement::token::Validated;

fn forge(validated: Validated, decision: Decision) -> Permit {
    Permit { validated, decision }
}

fn main() {}
