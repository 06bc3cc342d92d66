//! An exchange that somebody saw: a line of Cambio's audit log, or an event of Keycloak.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::adapters::audit::KEPT;
use crate::tools::explain::AuditLine;

/// What a line or an event says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SeenExchange {
    /// The identity provider or Cambio gave a token.
    Exchange(Box<Exchange>),
    /// A line about something else, or about an exchange that gave no token.
    Other,
    /// No line of an audit log and no event: cut off, or of another program.
    Unreadable,
}

/// A successful exchange.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Exchange {
    pub(super) time: Timestamp,
    /// `None`: the event does not name the realm.
    pub(super) realm: Option<String>,
    pub(super) client: String,
    pub(super) audiences: Vec<String>,
    /// The requested scopes.
    pub(super) scopes: Vec<String>,
    pub(super) requested_token: Option<String>,
    /// Whether there was an actor token, an impersonated user, or a subject token of another issuer or kind: a permission for
    /// these is for an owner to write.
    pub(super) special: bool,
    /// Whether the line holds the beginning of a name alone.
    pub(super) cut: bool,
}

/// An event as Keycloak's admin API gives it (`EventRepresentation`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeycloakEvent {
    /// Milliseconds since the Unix epoch.
    time: i64,
    #[serde(rename = "type")]
    kind: String,
    client_id: Option<String>,
    error: Option<String>,
    #[serde(default)]
    details: Option<EventDetails>,
}

#[derive(Debug, Default, Deserialize)]
struct EventDetails {
    audience: Option<String>,
    scope: Option<String>,
    requested_token_type: Option<String>,
    // Of Keycloak's legacy exchange (V1): other issuers' tokens, and impersonation.
    requested_issuer: Option<IgnoredAny>,
    requested_subject: Option<IgnoredAny>,
    subject_issuer: Option<IgnoredAny>,
    impersonator: Option<IgnoredAny>,
}

impl SeenExchange {
    /// Reads a line.
    pub(super) fn of_line(line: &[u8]) -> Self {
        serde_json::from_slice(line).map_or(Self::Unreadable, Self::of)
    }

    /// Reads a line or an event.
    pub(super) fn of(value: Value) -> Self {
        if value.get("type").is_some() {
            return serde_json::from_value(value).map_or(Self::Unreadable, Self::of_event);
        }
        serde_json::from_value(value).map_or(Self::Unreadable, Self::of_audit)
    }

    fn of_audit(line: AuditLine) -> Self {
        let (Ok(time), false) = (line.time.parse(), line.event.is_empty()) else { return Self::Unreadable };
        let Some(client) = line.client else { return Self::Other };
        if line.event != "token_exchange" || line.outcome != "allowed" {
            return Self::Other;
        }
        let texts = line.audience.iter().chain(&line.scope_requested).chain([&client]);
        let cut = texts.map(|text| text.chars().count()).any(|length| length >= KEPT);
        Self::Exchange(Box::new(Exchange {
            time,
            cut,
            special: line.actor_token_type.is_some()
                || line.impersonation.is_some()
                || line.subject_issuer.is_some_and(|issuer| Some(issuer) != line.realm)
                || line.subject_token_type.is_some_and(|kind| kind != ACCESS_TOKEN),
            realm: line.realm,
            client,
            audiences: line.audience,
            scopes: words(line.scope_requested.as_deref()),
            requested_token: line.requested_token_type.filter(|kind| kind != ACCESS_TOKEN),
        }))
    }

    fn of_event(event: KeycloakEvent) -> Self {
        let (Some(client), None) = (event.client_id, event.error) else { return Self::Other };
        let (Ok(time), "TOKEN_EXCHANGE") = (Timestamp::from_millisecond(event.time), event.kind.as_str()) else {
            return Self::Other;
        };
        let details = event.details.unwrap_or_default();
        let legacy =
            [&details.requested_issuer, &details.requested_subject, &details.subject_issuer, &details.impersonator];
        let special = legacy.into_iter().any(Option::is_some);
        let requested = details.requested_token_type.as_deref().and_then(|urn| urn.rsplit(':').next());
        Self::Exchange(Box::new(Exchange {
            time,
            client,
            special,
            audiences: words(details.audience.as_deref()),
            scopes: words(details.scope.as_deref()),
            requested_token: requested.filter(|kind| *kind != ACCESS_TOKEN).map(str::to_owned),
            ..Exchange::default()
        }))
    }
}

/// The token type that a permission permits without being told.
const ACCESS_TOKEN: &str = "access_token";

/// The words of a list, which Keycloak separates with commas or spaces.
fn words(list: Option<&str>) -> Vec<String> {
    let words = list.unwrap_or_default().split([' ', ',']);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
