//! Reads the files and checks them.
