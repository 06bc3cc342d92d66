//! Health, metrics and the loaded configuration, on their own listener.
