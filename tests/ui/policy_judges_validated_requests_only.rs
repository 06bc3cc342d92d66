//! A request whose subject token nobody checked can't be judged.

use cambio::judgement::exchange::authenticated::Authenticated;
use cambio::judgement::permit::Permit;
use cambio::judgement::policy::model::Policy;

fn skip(authenticated: Authenticated, policy: &Policy) {
    let _ = Permit::decide(authenticated, policy, &Default::default(), Default::default());
}

fn main() {}
