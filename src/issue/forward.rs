//! The identity provider exchanges; its answer is passed on.
