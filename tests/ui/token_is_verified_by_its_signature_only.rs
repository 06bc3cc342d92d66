//! Claims that nobody verified are no verified token.

use cambio::issue::Verified;
use cambio::token::verify::{Peek, VerifiedToken};

fn forge(subject: String) -> VerifiedToken {
    VerifiedToken { subject }
}

fn pass_off(peeked: &Peek) {
    let _ = Verified::new(peeked, "https://sso.example.org/realms/corp");
}

fn main() {}
