//! Keycloak's error answers.
