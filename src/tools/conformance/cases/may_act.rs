//! RFC 8693 section 4.4: `may_act`, the statement of who may become the actor.

use serde_json::Value;

use super::delegation::delegated;
use crate::tools::conformance::case::{ConformanceCase, Premise, should};
use crate::tools::conformance::inputs::{Inputs, Need};
use crate::tools::conformance::judge::SeenAnswers;
use crate::tools::conformance::request::{CaseRequest, exchange};
use crate::tools::conformance::verdict::{CaseResult, ensure};

/// Section 4.4 states no MUST: the claim "makes a statement", which the server "can use".
const MAY_ACT: ConformanceCase =
    should("", "RFC 8693 4.4", "").expects("400 invalid_request").after(Premise::Delegation);

pub(super) const CASES: &[ConformanceCase] = &[
    MAY_ACT
        .named("may-act-authorised", "whom may_act names may act")
        .sends("a subject token whose may_act names the actor, and the actor token")
        .expects("200, act.sub is the actor's")
        .needs(&[Need::Actor, Need::MayAct])
        .asks(
            |with| by_the_actor(with, Need::MayAct),
            |seen| {
                crate::tools::conformance::judge::issued(seen.answer)?;
                let actor = seen.with.token(Need::Actor).claim("sub");
                let claims = seen.claims()?;
                let named = claims.get("act").and_then(|act| act.get("sub")).and_then(Value::as_str);
                ensure(named == actor.as_deref(), "the issued token does not name the actor")
            },
        ),
    MAY_ACT
        .named("may-act-other", "whom may_act does not name may not act")
        .sends("a subject token whose may_act names somebody else, and the actor token")
        .needs(&[Need::Actor, Need::OtherMayAct])
        .asks(|with| by_the_actor(with, Need::OtherMayAct), invalid),
    MAY_ACT
        .named("may-act-empty", "a may_act that names nobody authorises nobody")
        .sends("a subject token whose may_act is {}, and the actor token")
        .needs(&[Need::Actor, Need::EmptyMayAct])
        .asks(|with| by_the_actor(with, Need::EmptyMayAct), invalid),
    MAY_ACT
        .named("may-act-malformed", "a may_act that is no object authorises nobody")
        .sends("a subject token whose may_act is a text, and the actor token")
        .needs(&[Need::Actor, Need::MalformedMayAct])
        .asks(|with| by_the_actor(with, Need::MalformedMayAct), invalid),
    MAY_ACT
        .named("may-act-other-client", "a client that may_act does not name gets no token of its own")
        .sends("a subject token whose may_act names somebody else, without an actor token")
        .needs(&[Need::OtherMayAct])
        .after(Premise::Exchange)
        .asks(|with| exchange(with).subject(&with.token(Need::OtherMayAct)), invalid),
    MAY_ACT
        .named("may-act-empty-client", "nor does it by a may_act that names nobody")
        .sends("a subject token whose may_act is {}, without an actor token")
        .needs(&[Need::EmptyMayAct])
        .after(Premise::Exchange)
        .asks(|with| exchange(with).subject(&with.token(Need::EmptyMayAct)), invalid),
];

fn by_the_actor(with: &Inputs, subject: Need) -> CaseRequest {
    delegated(with).subject(&with.token(subject))
}

fn invalid(seen: &SeenAnswers<'_>) -> CaseResult {
    seen.refused(&["invalid_request"])
}
