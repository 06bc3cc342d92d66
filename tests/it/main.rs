//! The hermetic suite: everything through the front door, over real sockets.
#![expect(unreachable_pub, reason = "a test binary has no outside")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what fails here fails the test")]
#![expect(clippy::type_complexity, reason = "tables of named rows")]

mod admin;
mod answer_lock;
mod api_access;
mod attacks;
mod audience_files;
mod audit;
mod broken_bodies;
mod browsers;
mod check;
mod clients;
mod clock_jumps;
mod coded_answers;
mod command_line;
mod conformance;
mod delegation;
mod demo_idp;
mod demo_walk;
mod descriptors;
mod dialects;
mod docs;
mod doors;
mod drain;
mod exchange_allowed;
mod exchange_denied;
mod granted_scopes;
mod id_jag;
mod impersonation;
mod jwks_rotation;
mod layering;
mod loops;
mod lost_claim;
mod malformed;
mod mint;
mod outgoing;
mod own_tokens;
mod passthrough;
mod protocols;
mod proxies;
mod published_keys;
mod redaction;
mod refresh_families;
mod refresh_tokens;
mod reload;
mod sender_constrained;
mod session_end;
mod signing_keys;
mod startup;
mod strangers;
mod support;
mod token_kinds;
mod translate;
mod ui;
mod upstream_faults;
