//! Role mapping.
