//! Request head to route: one canonical path or a refusal.
