//! Claims that nobody verified are no verified token.

use cambio::issue::Verified;
use cambio::token::verify::{Unverified, VerifiedToken};

fn forge(subject: String) -> VerifiedToken {
    VerifiedToken { subject }
}

fn pass_off(unverified: &Unverified) {
    let _ = Verified::new(unverified, "https://sso.example.org/realms/corp");
}

fn main() {}
