//! Claims of a checked token.
