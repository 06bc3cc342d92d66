//! No answer is made without a permit: a request whose token was checked is not judged yet.

use cambio::issue::answer::Answer;
use cambio::issue::{Conformed, Verified, forward};
use cambio::policy::reason::Refusal;
use cambio::token::Validated;

fn skip(validated: &Validated, answer: Answer, token: &Verified<'_>) -> Result<Conformed, Refusal> {
    forward::conform(validated, answer, token, unreachable!())
}

fn main() {}
