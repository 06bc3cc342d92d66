//! How a request is routed, answered and audited.
//!
//! ```text
//! accept → route(head) ─ Pass ───────────────────────► upstream ─ answer lock ─► stream back
//!                      ─ Form ─► bounded read ─ no governed grant in it ─► upstream ─ answer lock ─►
//!                      ─ Keys | Discovery ─► merged + cached
//!                      ─ Reject ─► respond
//!                      ─ Own ─► `own_tokens`: does it carry a token that Cambio signed? ─ no ─► upstream
//!                      ─ Door ─► `token_endpoint`: bounded read → classify → `exchange`
//! ```

pub mod answer_lock;
pub mod authenticate;
mod authenticator;
pub mod case;
mod dispatch;
mod endpoint_doors;
pub mod evidence;
pub mod exchange;
pub mod generation;
pub mod introspection;
pub mod issuers;
mod key_cache;
mod limits;
pub mod metadata;
mod observe;
pub mod own_tokens;
pub mod page;
pub mod passing;
pub mod realm_runtime;
pub mod record;
pub mod refreshes;
pub mod replay;
pub mod respond;
pub mod services;
mod sessions;
pub mod setup_error;
pub mod signing;
pub mod token_endpoint;
