//! The JSON Schema and the documentation of the configuration, from its types.
