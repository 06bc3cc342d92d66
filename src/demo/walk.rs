//! The story that `cambio demo` tells.
