//! One JSON line per exchange.
