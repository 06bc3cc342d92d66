//! Key sets and which keys are admitted to them.
