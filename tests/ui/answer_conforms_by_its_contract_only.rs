//! Nothing leaves as an answer to an exchange but what was held to its contract.

use cambio::judgement::issue::{Conformed, Facts};

fn forge(body: Vec<u8>, facts: Facts) -> Conformed {
    Conformed { body, facts }
}

fn main() {}
