//! `cambio`: argv to command to exit code.

fn main() {}
