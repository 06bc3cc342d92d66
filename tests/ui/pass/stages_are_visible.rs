//! What the other files name is there, and may be used in its order.

use cambio::judgement::exchange::authenticated::Authenticated;
use cambio::judgement::exchange::parse::Parsed;
use cambio::judgement::issue::{Conformed, Verified};
use cambio::judgement::permit::Permit;
use cambio::judgement::policy::model::Policy;
use cambio::judgement::jose::keys::KeySet;
use cambio::judgement::jose::verify::VerifiedToken;
use cambio::judgement::token::{SubjectChecks, Validated, validate};

fn client(parsed: Parsed) -> Authenticated {
    Authenticated::by_upstream(parsed)
}

fn subject(authenticated: Authenticated, keys: &KeySet, checks: &SubjectChecks<'_>) -> Option<Validated> {
    validate(authenticated, keys, checks, Default::default(), Default::default()).ok()
}

fn permit(validated: Validated, policy: &Policy) -> Option<Permit> {
    Permit::decide(validated, policy, &Default::default(), Default::default()).ok()
}

fn issued(token: &VerifiedToken) -> Verified<'_> {
    Verified::new(token, "https://sso.example.org/realms/corp")
}

fn body(conformed: &Conformed) -> Vec<u8> {
    conformed.body()
}

fn main() {}
