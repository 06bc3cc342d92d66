//! A small Keycloak-shaped identity provider for `cambio demo` and the hermetic tests.
