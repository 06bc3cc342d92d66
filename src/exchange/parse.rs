//! A token exchange request, read strictly.
