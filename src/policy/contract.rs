//! What an issued token must look like.
