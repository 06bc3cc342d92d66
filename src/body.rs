//! The body type of every answer.
