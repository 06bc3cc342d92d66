//! An exchange is read, never put together.

use cambio::exchange::parse::Parsed;
use cambio::secret::Secret;

fn forge(subject_token: Secret) -> Parsed {
    Parsed { subject_token }
}

fn main() {}
