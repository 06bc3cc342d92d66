//! Claims that nobody verified are no verified token.

use cambio::judgement::issue::Verified;
use cambio::judgement::jose::verify::{UnverifiedToken, VerifiedToken};

fn forge(subject: String) -> VerifiedToken {
    VerifiedToken { subject }
}

fn pass_off(unverified: &UnverifiedToken) {
    let _ = Verified::new(unverified, "https://sso.example.org/realms/corp");
}

fn main() {}
