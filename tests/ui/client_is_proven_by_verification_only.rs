//! Nobody but the check of its credentials says that a client is who it is.

use cambio::judgement::client::verify::AuthenticatedClient;

fn vouch() -> AuthenticatedClient {
    AuthenticatedClient { client_id: "batch-job".to_owned(), by: "upstream" }
}

fn main() {}
