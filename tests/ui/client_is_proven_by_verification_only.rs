//! Nobody but the check of its credentials says that a client is who it is.

use cambio::judgement::client::verify::{Proven, ProvenBy};

fn vouch() -> Proven {
    Proven { client_id: "batch-job".to_owned(), by: ProvenBy::Upstream }
}

fn main() {}
