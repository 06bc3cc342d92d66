//! The identity provider exchanges; its answer is narrowed and signed again.
