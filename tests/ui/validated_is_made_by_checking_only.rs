//! A subject token that nobody checked is not validated.

use cambio::judgement::exchange::authenticated::Authenticated;
use cambio::judgement::token::Validated;
use cambio::judgement::jose::verify::VerifiedToken;

fn forge(authenticated: Authenticated, subject: VerifiedToken) -> Validated {
    Validated { authenticated, subject, issuer: String::from("corp") }
}

fn main() {}
