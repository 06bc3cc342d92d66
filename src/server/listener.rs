//! Accepting connections within limits.
