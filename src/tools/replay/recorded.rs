//! What was decided about a line, as the line has it.

use crate::tools::explain::AuditLine;
use crate::words::refusal::Reason;

/// A decision of the audience files, with what the log and the gate both say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FilesDecision {
    /// Permitted. What another party would have to say is absent.
    Allowed {
        issuance: Option<String>,
        /// The scope tokens that were granted, or all that may be granted.
        scope: Option<Vec<String>>,
    },
    /// Refused, for this reason.
    Denied(String),
}

/// What a line says of the decision.
pub(super) enum Recorded {
    /// The audience files decided.
    Decision(FilesDecision),
    /// Something else decided, or nothing did.
    Elsewhere(String),
}

/// Reasons for which the configuration refuses a request, whatever the claims of its token are.
const REASONS: [Reason; 18] = [
    Reason::ClientNotPermitted,
    Reason::IssuerNotPermitted,
    Reason::SubjectTokenTypeNotPermitted,
    Reason::RequestedTokenTypeNotPermitted,
    Reason::ScopeNotPermitted,
    Reason::PermissionExpired,
    Reason::AudienceUnknown,
    Reason::AudienceMisconfigured,
    Reason::IssuanceConflict,
    Reason::OfflineNotPermitted,
    Reason::ActorRequired,
    Reason::ActorTokenUnsupported,
    Reason::SubjectTokenTypeUnsupported,
    Reason::RequestedTokenTypeUnsupported,
    Reason::RefreshTokenRefused,
    Reason::SubjectTokenIssuerUntrusted,
    Reason::GrantTypeUnsupported,
    Reason::DoorClosed,
];

/// Whether the configuration alone gives this reason.
pub(super) fn is_certain(reason: &str) -> bool {
    REASONS.iter().any(|one| one.as_str() == reason)
}

/// What a line says of the decision.
pub(super) fn recorded(line: &AuditLine) -> Recorded {
    let (outcome, reason) = match &line.shadow_outcome {
        Some(outcome) => (outcome, line.shadow_reason.as_deref()),
        None => (&line.outcome, line.reason.as_deref()),
    };
    if reason == Some(Reason::Internal.as_str()) {
        return Recorded::Elsewhere("reason internal".to_owned());
    }
    if line.realm.is_none() || line.client.is_none() {
        return Recorded::Elsewhere(format!("without realm or client: {}", reason.unwrap_or(outcome)));
    }
    // A later step can have refused what the audience files permit.
    if outcome == "allowed" || !line.permissions.is_empty() {
        let scope = line.scope_granted.as_ref().map(|text| text.split_whitespace().map(str::to_owned).collect());
        return Recorded::Decision(FilesDecision::Allowed { issuance: line.issuance.clone(), scope });
    }
    let conditions = [Reason::ConditionNotMet, Reason::ConditionFailed].map(Reason::as_str);
    match reason {
        Some(reason) if is_certain(reason) || conditions.contains(&reason) => {
            Recorded::Decision(FilesDecision::Denied(reason.to_owned()))
        }
        other => Recorded::Elsewhere(format!("reason {}", other.unwrap_or(outcome))),
    }
}
