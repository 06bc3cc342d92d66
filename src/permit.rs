//! Stage 4: the only maker of a permit.
