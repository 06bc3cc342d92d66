//! Nobody but the check of its credentials says that a client is who it is.

use cambio::judgement::client::verify::{AuthenticatedBy, AuthenticatedClient};

fn vouch() -> AuthenticatedClient {
    AuthenticatedClient { client_id: "batch-job".to_owned(), by: AuthenticatedBy::Upstream }
}

fn main() {}
