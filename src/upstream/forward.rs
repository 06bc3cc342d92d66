//! Pass-through, streaming both ways.
