//! What the gate would decide about a request, and why, for people who ask: `cambio explain`, `cambio test` and `/explain` on
//! the admin listener. The checks and decisions are the gate's own; only signatures, credentials and what another system
//! would say are supposed ([`Explanation::supposed`]).

pub mod explanation;
pub mod question;
mod roles;

use http::request::Parts;
use jiff::Timestamp;
use serde_json::Value;

use self::explanation::{CallerAnswer, ExplainedPermission, ExplainedToken, Explanation, Granted, Paste};
use self::question::{ExplainQuestion, PreparedQuestion, QuestionError};
use crate::adapters::config::load::permission_lines;
use crate::edge::gateway::generation::Generation;
use crate::edge::gateway::realm_runtime::RealmRuntime;
use crate::judgement::dialect::claims::{DialectInput, check};
use crate::judgement::dialect::{DialectRefusal, RequestKind};
use crate::judgement::exchange::accepts::Accepts;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::exchange::classify::{Classified, carries_token_of_ours, classify};
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::parse::{Parsed, parse};
use crate::judgement::permit::preview::{Grounds, Supposed};
use crate::judgement::policy::decide::Decision;
use crate::judgement::policy::decide::trace::{PermissionTrace, PermissionVerdict};
use crate::judgement::policy::model::Issuance;
use crate::judgement::policy::observe::{Targets, is_observed};
use crate::judgement::policy::suggest::{Possible, Suggestion};
use crate::judgement::token::presented::PresentedToken;
use crate::judgement::token::{AudienceRule, SubjectChecks};
use crate::words::oauth::form::Form;
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// The types of subject tokens that a permission can list.
const SUBJECT_TOKENS: [TokenType; 4] = [TokenType::AccessToken, TokenType::IdToken, TokenType::Jwt, TokenType::IdJag];

/// The types of requested tokens that a permission can list.
const REQUESTED_TOKENS: [TokenType; 4] =
    [TokenType::AccessToken, TokenType::IdToken, TokenType::RefreshToken, TokenType::Jwt];

/// Explains what the gate would decide about a request, as of `now`.
///
/// # Errors
/// The question itself is wrong: it names no realm, or the wrong one, or its request is not judged.
pub fn explain(
    generation: &Generation,
    question: &ExplainQuestion,
    now: Timestamp,
) -> Result<Explanation, QuestionError> {
    let realm = question.realm(generation)?;
    let asked = question.asked(generation, realm, now)?;
    let inquiry = Inquiry { generation, realm, now };
    inquiry.explain(asked)
}

/// What a question is answered with.
struct Inquiry<'a> {
    generation: &'a Generation,
    realm: &'a RealmRuntime,
    now: Timestamp,
}

impl Inquiry<'_> {
    fn explain(&self, asked: PreparedQuestion) -> Result<Explanation, QuestionError> {
        let PreparedQuestion { head, body, supposed } = asked;
        let mut explanation = Explanation { realm: self.realm.config.name.clone(), supposed, ..Explanation::default() };
        let (grant, form) = match classify(&head, &body, &self.realm.config.doors) {
            Classified::Exchange(grant, form) => (grant, form),
            Classified::Refused(refusal) | Classified::Closed(_, refusal) => {
                let until = self.realm.config.observed_until;
                explanation.observed =
                    until.is_some_and(|until| until.is_on(self.now)) && !self.has_token_of_ours(&body);
                self.refused(&refusal, Grant::TokenExchange, &mut explanation);
                return Ok(explanation);
            }
            Classified::Open(door) => {
                return Err(QuestionError(format!("the request passes: realms.*.doors opens {}", door.name())));
            }
            Classified::Other => return Err(QuestionError("the request passes: it exchanges no token".to_owned())),
            Classified::Refresh(_) => {
                let text = "explain can't open a refresh token of Cambio: ask about the exchange that it came from";
                return Err(QuestionError(text.to_owned()));
            }
        };
        explanation.observed = self.is_observed(&form, &body);
        form.one("client_id").unwrap_or_default().clone_into(&mut explanation.client);
        match parse(grant, form.clone(), &head, &self.realm.accepts) {
            Ok(parsed) => self.parsed(parsed, &mut explanation),
            Err(refusal) => self.refused(&refusal, grant, &mut explanation),
        }
        if explanation.to_allow.is_empty() && explanation.reason.as_deref().is_some_and(is_for_want_of_permissions) {
            explanation.to_allow = self.pastes_for_unusual(grant, form, &head).unwrap_or_default();
        }
        Ok(explanation)
    }

    /// Whether the identity provider answers the request, whatever the decision is.
    fn is_observed(&self, form: &Form, body: &[u8]) -> bool {
        let policy = self.generation.config.policy.realms.get(&self.realm.config.name);
        is_observed(&Targets::of(form), self.realm.config.observed_until, policy, self.now)
            && !self.has_token_of_ours(body)
    }

    /// Whether the form has a token that only Cambio knows.
    fn has_token_of_ours(&self, body: &[u8]) -> bool {
        carries_token_of_ours(body, |kid| self.realm.signing.as_ref().is_some_and(|ring| ring.owns(kid)))
    }

    /// The smallest permissions for what no permission of the realm allows yet: an actor token, a token type, or another
    /// client's token. The gate refuses that before it looks at any permission.
    fn pastes_for_unusual(&self, grant: Grant, form: Form, head: &Parts) -> Option<Vec<Paste>> {
        let accepts = Accepts {
            subject_tokens: SUBJECT_TOKENS.into(),
            requested_tokens: REQUESTED_TOKENS.into(),
            foreign: true,
            actors: true,
            ..self.realm.accepts.clone()
        };
        let parsed = parse(grant, form, head, &accepts).ok()?;
        let everybodys = Names::Any;
        let checks = |iss: &str| {
            let checks = self.checks(iss)?;
            let audience = if checks.audience.is_own() { AudienceRule::ClientOr(&everybodys) } else { checks.audience };
            Ok(SubjectChecks { audience, ..checks })
        };
        let supposed = Supposed::new(Authenticated::by_upstream(parsed), checks, self.now).ok()?;
        self.check_dialect(&supposed, grant).ok()?;
        let circumstances = self.realm.circumstances();
        let policy = &self.generation.config.policy;
        Some(self.pastes(&supposed, Grounds { policy, circumstances: &circumstances, now: self.now }, &[]))
    }

    fn parsed(&self, parsed: Parsed, explanation: &mut Explanation) {
        let grant = parsed.grant();
        parsed.credentials().client_id().clone_into(&mut explanation.client);
        explanation.audiences = parsed.audiences().to_vec();
        explanation.scope = parsed.scope().map(ToString::to_string);
        explanation.suppose(format!("client {} authenticates", explanation.client));
        if parsed.requested_subject().is_some() {
            let detail = "explain can't look up the user of requested_subject: the directory says who that is";
            return self.refused(&Refusal::new(Reason::ImpersonationNotPermitted, detail), grant, explanation);
        }
        let lengths = [Some(PresentedToken::subject(&parsed)), PresentedToken::actor(&parsed)];
        let limit = self.generation.config.listen.max_token_bytes;
        if let Some(refusal) = lengths.into_iter().flatten().find_map(|token| token.check_length(limit).err()) {
            return self.refused(&refusal, grant, explanation);
        }
        let supposed = match Supposed::new(Authenticated::by_upstream(parsed), |iss| self.checks(iss), self.now) {
            Ok(supposed) => supposed,
            Err(refusal) => return self.refused(&refusal, grant, explanation),
        };
        explanation.subject_token = Some(ExplainedToken::of(supposed.subject()));
        explanation.actor_token = supposed.actor().map(ExplainedToken::of);
        suppose(&supposed, explanation);
        if let Err(refusal) = self.check_dialect(&supposed, grant) {
            return self.refused(&refusal, grant, explanation);
        }
        let circumstances = self.realm.circumstances();
        let grounds = Grounds { policy: &self.generation.config.policy, circumstances: &circumstances, now: self.now };
        let decided = supposed.decide(grounds);
        let traces = supposed.trace(grounds, decided.as_ref().ok());
        explanation.permissions = traces.iter().map(|trace| self.permission(trace)).collect();
        match decided {
            Ok(decision) => allowed(&decision, &supposed, explanation),
            Err(refusal) => {
                explanation.to_allow = self.pastes(&supposed, grounds, &traces);
                self.refused(&refusal, grant, explanation);
            }
        }
    }

    /// The checks of tokens with this `iss`.
    fn checks(&self, iss: &str) -> Result<SubjectChecks<'_>, Refusal> {
        let trusted = self.generation.issuers.trusted(self.realm, iss).map(|trusted| trusted.checks);
        trusted.ok_or_else(|| {
            let why = self.generation.issuers.why_untrusted(&self.realm.config, iss);
            Refusal::new(Reason::SubjectTokenIssuerUntrusted, why)
        })
    }

    fn check_dialect(&self, supposed: &Supposed, grant: Grant) -> Result<(), Refusal> {
        if grant != Grant::TokenExchange {
            return Ok(());
        }
        let rules = self.realm.config.dialect.rules();
        let hosts = if rules.audience_is_host { self.realm.origins.hosts() } else { Vec::new() };
        let claims = supposed.subject().claims();
        check(rules, &DialectInput { claims, hosts: &hosts, subject_issuer: supposed.subject_issuer() })
    }

    fn permission(&self, trace: &PermissionTrace) -> ExplainedPermission {
        let file = self.file(&trace.audience);
        let line = file.as_ref().and_then(|file| file.lines.get(trace.index).copied());
        let condition_holds = match &trace.verdict {
            PermissionVerdict::Elsewhere(_) => None,
            PermissionVerdict::Unmet(_) => Some(false),
            PermissionVerdict::Holds { .. } => Some(true),
        };
        let (applies, why) = match &trace.verdict {
            PermissionVerdict::Elsewhere(refusal) | PermissionVerdict::Unmet(refusal) => {
                (false, Some(refusal.detail.clone()))
            }
            PermissionVerdict::Holds { permitted, beyond } if beyond.is_empty() => {
                (true, (!permitted.is_empty()).then(|| format!("permits scope [{}]", permitted.join(", "))))
            }
            PermissionVerdict::Holds { permitted, beyond } => {
                (true, Some(format!("permits scope [{}], not [{}]", permitted.join(", "), beyond.join(", "))))
            }
        };
        ExplainedPermission {
            audience: trace.audience.clone(),
            owner: file.as_ref().map(|file| file.owner.clone()),
            file: file.map(|file| file.path),
            permission: format!("permissions[{}]", trace.index),
            line,
            applies,
            condition_holds,
            why,
        }
    }

    fn refused(&self, refusal: &Refusal, grant: Grant, explanation: &mut Explanation) {
        let kind = if grant == Grant::JwtBearer { RequestKind::Assertion } else { RequestKind::Exchange };
        let rules = self.realm.config.dialect.rules();
        let answer = (rules.refusal)(&DialectRefusal::new(refusal, kind));
        explanation.reason = Some(refusal.reason.to_string());
        explanation.detail = Some(refusal.detail.clone());
        let body: Value = serde_json::from_slice(&answer.body()).unwrap_or_default();
        let answer = CallerAnswer { status: answer.status.as_u16(), body };
        explanation.answer = Some(answer).filter(|_| !explanation.observed);
    }

    fn pastes(&self, supposed: &Supposed, grounds: Grounds<'_>, traces: &[PermissionTrace]) -> Vec<Paste> {
        let config = &self.realm.config;
        let possible = Possible {
            signing: config.signing.is_some(),
            refresh_tokens: config.refresh_tokens.is_some(),
            translate: !config.dialect.rules().audience_is_host,
        };
        let suggested = supposed.suggest(grounds, possible).unwrap_or_default();
        let unmet = |audience: &str| -> Vec<String> {
            let of_audience = traces.iter().filter(|trace| trace.audience == audience);
            let unmet = of_audience.filter(|trace| matches!(trace.verdict, PermissionVerdict::Unmet(_)));
            unmet.map(|trace| format!("permissions[{}]", trace.index)).collect()
        };
        let paste = |suggestion: &Suggestion| Paste {
            audience: suggestion.audience.clone(),
            owner: suggestion.owner.clone(),
            file: self.file(&suggestion.audience).map(|file| file.path),
            yaml: suggestion.yaml(),
            goes_around: unmet(&suggestion.audience),
        };
        suggested.iter().map(paste).collect()
    }

    fn file(&self, audience: &str) -> Option<FoundFile> {
        let realm = Some(self.realm.config.name.as_str());
        let files = &self.generation.config.audience_files.in_force;
        let found = files
            .iter()
            .find(|(_, version)| version.audience.name == audience && version.names.realm.as_deref() == realm);
        found.map(|(path, version)| FoundFile {
            path: path.display().to_string(),
            owner: version.audience.owner.clone(),
            lines: permission_lines(&version.bytes),
        })
    }
}

fn suppose(supposed: &Supposed, explanation: &mut Explanation) {
    let tokens = [("subject", Some(supposed.subject())), ("actor", supposed.actor())];
    for (role, token) in tokens.into_iter().filter_map(|(role, token)| Some((role, token?))) {
        explanation.suppose(format!("the signature of the {role} token is good"));
        if token.claims().contains_key("cnf") {
            explanation.suppose(format!("the caller has the key to which the {role} token is bound"));
        }
    }
}

fn allowed(decision: &Decision, supposed: &Supposed, explanation: &mut Explanation) {
    let contract = &decision.contract;
    explanation.allowed = true;
    explanation.audiences.clone_from(&decision.audiences);
    explanation.applied = decision.applied().collect();
    explanation.roles = Some(roles::roles(contract, supposed.subject().claims()));
    explanation.granted = Some(Granted::of(decision));
    let unknowns = [
        (decision.demands.still_active, "the identity provider says that the subject token is active"),
        (decision.demands.one_time, "the subject token was not exchanged before"),
        (
            contract.issuance != Issuance::Mint,
            "the identity provider allows the exchange, and its token has the roles of the subject token and meets the contract",
        ),
        (contract.from_directory, "the directory states the roles that the subject token has"),
    ];
    for (_, what) in unknowns.into_iter().filter(|(is_supposed, _)| *is_supposed) {
        explanation.suppose(what.to_owned());
    }
}

/// Whether the gate refuses a request for this reason because no permission of the realm is about such requests.
fn is_for_want_of_permissions(reason: &str) -> bool {
    let reasons = [
        Reason::ActorTokenUnsupported,
        Reason::SubjectTokenTypeUnsupported,
        Reason::RequestedTokenTypeUnsupported,
        Reason::RefreshTokenRefused,
        Reason::SubjectTokenAudience,
    ];
    reasons.iter().any(|one| one.as_str() == reason)
}

/// The file of an audience.
struct FoundFile {
    path: String,
    owner: String,
    /// The line of each permission, from 1.
    lines: Vec<u64>,
}
