//! An exchange is read, never put together.

use cambio::judgement::exchange::parse::Parsed;
use cambio::words::secret::Secret;

fn forge(subject_token: Secret) -> Parsed {
    Parsed { subject_token }
}

fn main() {}
