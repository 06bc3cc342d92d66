"""The names that Cambio gives things: its command line, admin paths, metrics and audit fields. In one place only."""

from __future__ import annotations

# Command line.
SERVE = ["serve", "--config"]
GENERATE_KEY = ["keys", "generate"]

# Admin listener.
READY = "/readyz"
LIVE = "/livez"
METRICS = "/metrics"
LOADED = "/config"

# Audit line.
AUDIT_EVENT = "event"
EXCHANGE_EVENT = "token_exchange"
AUDIT_OUTCOME = "outcome"
AUDIT_REASON = "reason"
AUDIT_CLIENT = "client"
AUDIT_AUDIENCE = "audience"
AUDIT_ID = "id"
AUDIT_ISSUANCE = "issuance"
AUDIT_ISSUED_JTI = "issued_jti"

# Metrics.
EXCHANGES = "cambio_exchanges_total"
WITHHELD = "cambio_answers_withheld_total"

# Answers.
CORRELATION_ID = "x-correlation-id"
DENIED = (403, "access_denied", "Client not allowed to exchange")
DOOR_CLOSED = (403, "access_denied", "This grant is closed by policy")
ELSEWHERE = (400, "invalid_request", "This grant_type is served at the token endpoint only")
UNAVAILABLE = (502, 503)
TIMED_OUT = 504
