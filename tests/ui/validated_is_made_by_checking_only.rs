//! A subject token that nobody checked is not validated.

use cambio::client::Authenticated;
use cambio::token::Validated;
use cambio::token::verify::VerifiedToken;

fn forge(authenticated: Authenticated, subject: VerifiedToken) -> Validated {
    Validated { authenticated, subject, issuer: String::from("corp") }
}

fn main() {}
