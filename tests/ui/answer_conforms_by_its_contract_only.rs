//! Nothing leaves as an answer to an exchange but what was held to its contract.

use cambio::judgement::issue::{Conformed, IssuedFacts};

fn forge(facts: IssuedFacts) -> Conformed {
    Conformed { members: Default::default(), facts }
}

fn main() {}
