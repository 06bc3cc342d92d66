//! Who may exchange whose token for which audience, and what the new token may say. Pure: ids, claims, scopes.

pub mod admin_roles;
pub mod broken;
mod check;
pub mod claim_names;
mod claim_values;
pub mod contract;
pub mod decide;
pub mod delegation;
mod forwarded;
pub mod mint;
pub mod model;
pub mod narrow;
pub mod observe;
pub mod observed_until;
pub mod permission;
pub mod permissions;
pub mod provenance;
pub mod request;
pub mod roles;
pub mod scopes;
pub mod subject;
pub mod suggest;

#[cfg(test)]
pub(crate) mod samples;
