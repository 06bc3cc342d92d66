//! A request whose subject token nobody checked can't be judged.

use cambio::client::Authenticated;
use cambio::permit::Permit;
use cambio::policy::model::Policy;

fn skip(authenticated: Authenticated, policy: &Policy) {
    let _ = Permit::decide(authenticated, policy, &Default::default(), Default::default());
}

fn main() {}
