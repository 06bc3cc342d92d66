//! What each permission says about a request: the same checks as in the decision, one by one.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::context::{DecisionContext, GrantedScope};
use super::evaluate::Evaluation;
use super::missing::Missing;
use super::reach::{Reach, reach};
use super::{held, targets};
use crate::judgement::expression::StepBudget;
use crate::judgement::policy::delegation::Delegated;
use crate::judgement::policy::model::{Audience, Policy};
use crate::judgement::policy::request::ExchangeRequest;
use crate::judgement::policy::scopes::Offer;
use crate::words::oauth::scope::Scope;
use crate::words::refusal::Refusal;

/// What one permission says about a request.
#[derive(Clone, Debug, PartialEq)]
pub struct PermissionTrace {
    /// The audience.
    pub audience: String,
    /// The place in the audience's `permissions`, from 0.
    pub index: usize,
    /// What the permission says.
    pub verdict: PermissionVerdict,
}

/// What a permission says about a request.
#[derive(Clone, Debug, PartialEq)]
pub enum PermissionVerdict {
    /// The permission is not about the request: something besides scope and conditions is missing.
    Elsewhere(Refusal),
    /// A condition is false, or can't be evaluated.
    Unmet(Refusal),
    /// The permission holds, for these of the requested scope tokens and not for those.
    Holds {
        /// The requested scope tokens that the permission permits.
        permitted: Vec<String>,
        /// The requested scope tokens that the permission does not permit. Another permission may.
        beyond: Vec<String>,
    },
}

/// What each permission that names the client says about a request, in the order of the audiences and their files. `scope` is
/// the scope that conditions see; `None`: conditions about the scope are left out. Nothing, if the audiences or the subject
/// token's statements about delegation are refused before any permission.
pub fn trace(
    policy: &Policy,
    realm: &str,
    request: &ExchangeRequest<'_>,
    scope: Option<&Scope>,
    now: Timestamp,
) -> Vec<PermissionTrace> {
    let (Ok(audiences), Ok(delegated)) = (targets(policy, realm, request), Delegated::of(request)) else {
        return Vec::new();
    };
    let (held, budget) = (held(&audiences, request), StepBudget::default());
    let today = now.to_zoned_datetime(TimeZone::UTC).date();
    let context =
        DecisionContext { request, budget: &budget, realm, held: held.as_ref(), delegated: &delegated, today };
    let tokens: Vec<String> = scope.into_iter().flat_map(Scope::iter).map(str::to_owned).collect();
    let granted = if scope.is_some() { GrantedScope::Exactly(&tokens) } else { GrantedScope::Open };
    audiences.iter().flat_map(|audience| of_audience(&context, audience, granted)).collect()
}

fn of_audience(context: &DecisionContext<'_>, audience: &Audience, granted: GrantedScope<'_>) -> Vec<PermissionTrace> {
    let evaluation = Evaluation::new(context, audience);
    let expressions = evaluation.expressions(granted);
    let missing = Missing { context, audience };
    let of_client = audience.permissions.of_client(context.request.client);
    let traces = of_client.map(|(position, permission)| {
        let verdict = match reach(context, audience, permission) {
            Reach::Covers => expressions.unmet(permission, position).map_or_else(
                || {
                    let offer = Offer::new(&permission.scopes, context.held);
                    let scopes = granted.tokens().iter().cloned();
                    let (permitted, beyond) = scopes.partition(|scope| offer.contains(scope));
                    PermissionVerdict::Holds { permitted, beyond }
                },
                PermissionVerdict::Unmet,
            ),
            reach => PermissionVerdict::Elsewhere(missing.refusal(reach, position)),
        };
        PermissionTrace { audience: audience.name.clone(), index: position.saturating_sub(1), verdict }
    });
    traces.collect()
}
