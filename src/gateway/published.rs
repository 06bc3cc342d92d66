//! Keys and discovery, merged and cached.
