//! A token that nobody checked is no checked token, and a request with it is not validated.

use cambio::judgement::exchange::authenticated::Authenticated;
use cambio::judgement::jose::verify::VerifiedToken;
use cambio::judgement::token::Validated;
use cambio::judgement::token::checked::CheckedToken;

fn forge(authenticated: Authenticated, subject: CheckedToken) -> Validated {
    Validated { authenticated, subject }
}

fn pass_off(token: VerifiedToken) -> CheckedToken {
    CheckedToken { token }
}

fn main() {}
