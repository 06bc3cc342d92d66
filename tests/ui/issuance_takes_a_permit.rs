//! No answer is made without a permit: a request whose token was checked is not judged yet.

use cambio::judgement::issue::answer::UpstreamAnswer;
use cambio::judgement::issue::{Conformed, Verified, forward};
use cambio::words::refusal::Refusal;
use cambio::judgement::token::Validated;

fn skip(validated: &Validated, answer: UpstreamAnswer, token: &Verified<'_>) -> Result<Conformed, Refusal> {
    forward::conform(validated, answer, token, unreachable!())
}

fn main() {}
