//! Two gates between which every decision lies: one for which all conditions are true, and one for which none is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, json};

use super::recorded::{FilesDecision, is_certain};
use crate::adapters::audit::KEPT;
use crate::adapters::config::Config;
use crate::edge::explain::explanation::Explanation;
use crate::edge::explain::question::ExplainQuestion;
use crate::judgement::expression::Expression;
use crate::judgement::jose::checks::TokenChecks;
use crate::judgement::policy::model::{Audience, Permission, Policy, RoleSource, SubjectRule};
use crate::tools::explain::{AuditLine, Gate};
use crate::tools::failure::CommandFailure;
use crate::words::secret::Secret;

/// Most decisions that are remembered.
const REMEMBERED: usize = 100_000;

const JWT_BEARER: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";

/// What the new configuration decides about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Replayed {
    /// Whatever the claims of the token are.
    Certain(FilesDecision),
    /// Nobody can say without what the text names.
    Unknown(String),
}

/// What a decision is made from.
type Asked = (Vec<Option<String>>, Vec<String>, Vec<String>);

/// The two gates.
pub(super) struct Bounds {
    most: Gate,
    least: Gate,
    /// Realm, audience and place → the condition of a permission.
    conditions: BTreeMap<(String, String), String>,
    /// Issuer → its `iss`, and an `aud` that it accepts.
    issuers: BTreeMap<String, (String, Option<String>)>,
    /// Issuers with rules about claims → these rules.
    rules: BTreeMap<String, String>,
    now: Timestamp,
    known: BTreeMap<Asked, Replayed>,
}

impl Bounds {
    /// The gates of a configuration, as of `now`.
    pub(super) fn new(config: Config, now: Timestamp) -> Result<Self, CommandFailure> {
        let (mut conditions, mut issuers, mut rules) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (realm, audiences) in &config.policy.realms {
            for audience in audiences.values() {
                for (index, permission) in audience.permissions.iter().enumerate() {
                    let Some(condition) = &permission.condition else { continue };
                    let place = format!("{} permissions[{index}]", audience.name);
                    conditions.insert((realm.clone(), place), condition.source().to_owned());
                }
            }
        }
        for realm in config.realms.values() {
            issuers.insert(realm.name.clone(), (realm.issuer.clone(), None));
            rules.extend(rules_of(&realm.tokens).map(|text| (realm.name.clone(), text)));
        }
        for issuer in config.issuers.values() {
            issuers.insert(issuer.name.clone(), (issuer.url.clone(), issuer.audiences.first().cloned()));
            rules.extend(rules_of(&issuer.tokens).map(|text| (issuer.name.clone(), text)));
        }
        let most = Gate::of(without_claims(config.clone(), &|permission| {
            Some(Permission { condition: None, ..permission.clone() })
        }))?;
        let least =
            Gate::of(without_claims(config, &|permission| permission.condition.is_none().then(|| permission.clone())))?;
        Ok(Self { most, least, conditions, issuers, rules, now, known: BTreeMap::new() })
    }

    /// Decides a line again.
    pub(super) fn decide(&mut self, line: &AuditLine) -> Replayed {
        if let Some(why) = unknowable(line) {
            return Replayed::Unknown(why.to_owned());
        }
        let texts = [
            &line.realm,
            &line.client,
            &line.subject_issuer,
            &line.subject_token_type,
            &line.requested_token_type,
            &line.scope_requested,
            &line.door,
        ];
        let asked = (texts.map(Clone::clone).into(), line.audience.clone(), line.resource.clone());
        if let Some(known) = self.known.get(&asked) {
            return known.clone();
        }
        let replayed = self.decide_anew(line);
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(asked, replayed.clone());
        replayed
    }

    fn decide_anew(&self, line: &AuditLine) -> Replayed {
        let denied = |reason: &str| Replayed::Certain(FilesDecision::Denied(reason.to_owned()));
        let Some(realm) = line.realm.as_ref().filter(|name| self.most.generation().realm(name).is_some()) else {
            return denied("the realm is not governed");
        };
        let Some(issuer) = &line.subject_issuer else {
            return Replayed::Unknown("claim iss: the line does not name the token's issuer".to_owned());
        };
        let Some((iss, aud)) = self.issuers.get(issuer) else { return denied("subject_token_issuer_untrusted") };
        let mut question = ExplainQuestion::default();
        line.clone().ask(&mut question);
        let mut claims = Map::from_iter([("iss".to_owned(), json!(iss))]);
        claims.extend(aud.as_ref().map(|aud| ("aud".to_owned(), json!(aud))));
        question.claims = Some(claims);
        if line.door.as_deref() == Some("jwt_bearer") {
            question.form = Some(Secret::new(JWT_BEARER));
            question.requested_token_type = None;
        }
        let answer = |gate: &Gate| gate.explain(&question, self.now).map_err(|error| error.to_string());
        let most = match answer(&self.most) {
            Ok(most) => most,
            Err(error) => return Replayed::Unknown(error),
        };
        if !most.allowed {
            let reason = most.reason.unwrap_or_default();
            return if is_certain(&reason) {
                denied(&reason)
            } else {
                Replayed::Unknown(format!("the token: {reason}"))
            };
        }
        match answer(&self.least) {
            Ok(least) if least.allowed && !self.rules.contains_key(issuer) => allowed(&most, &least),
            _ => Replayed::Unknown(self.depends(realm, issuer, &most)),
        }
    }

    /// What decides whether a request is allowed.
    fn depends(&self, realm: &str, issuer: &str, most: &Explanation) -> String {
        let condition = |place: &String| {
            let source = self.conditions.get(&(realm.to_owned(), place.clone()))?;
            Some(format!("{} (the condition of {place})", claims_in(source)))
        };
        let mut all: Vec<_> = most.applied.iter().filter_map(condition).collect();
        if let Some(rules) = self.rules.get(issuer) {
            all.push(format!("{} (the rules of {issuer} about tokens)", claims_in(rules)));
        }
        if all.is_empty() { "the conditions of several permissions".to_owned() } else { all.join(" and ") }
    }
}

/// Why nobody can decide a line again.
fn unknowable(line: &AuditLine) -> Option<&'static str> {
    let has_actor = line.actor.is_some() || line.actor_token_type.is_some() || !line.actors.is_empty();
    let texts = line.audience.iter().chain(&line.resource).chain(&line.client).chain(&line.scope_requested);
    if line.impersonation.is_some() {
        Some("the requested subject, whom the directory knows")
    } else if has_actor {
        Some("claims act and may_act, and the actor token")
    } else if line.door.as_deref() == Some("api_access") {
        Some("the form of api-access/token, which the line does not hold")
    } else if texts.map(|text| text.chars().count()).any(|length| length >= KEPT) {
        Some("a text of which the line holds the beginning alone")
    } else {
        None
    }
}

/// What both gates allow, as far as they agree.
fn allowed(most: &Explanation, least: &Explanation) -> Replayed {
    let of = |explanation: &Explanation| {
        let granted = explanation.granted.as_ref();
        let scope = granted.map(|granted| match &granted.scope {
            Some(scope) => scope.split_whitespace().map(str::to_owned).collect(),
            None => granted.permitted_scopes.clone(),
        });
        (granted.map(|granted| granted.issuance.clone()), scope)
    };
    let ((issuance, scope), (other_issuance, other_scope)) = (of(most), of(least));
    let issuance = issuance.filter(|issuance| Some(issuance) == other_issuance.as_ref());
    Replayed::Certain(FilesDecision::Allowed {
        issuance,
        scope: scope.filter(|scope| Some(scope) == other_scope.as_ref()),
    })
}

/// The configuration without what looks at claims. `of` says what becomes of a permission.
fn without_claims(mut config: Config, of: &dyn Fn(&Permission) -> Option<Permission>) -> Config {
    let realms = config.policy.realms.iter().map(|(realm, audiences)| {
        let audiences = audiences.values().map(|audience| {
            let mut changed = Audience::clone(audience);
            changed.permissions = audience.permissions.iter().filter_map(of).collect();
            changed.roles.map.retain(|line| !matches!(line.from, RoleSource::When(_)));
            changed.token.set.clear();
            changed.token.may_act = None;
            if changed.token.subject == SubjectRule::Mapped {
                changed.token.subject = SubjectRule::Qualified;
            }
            changed
        });
        (realm.clone(), audiences.collect())
    });
    config.policy = Policy { realms: realms.collect(), ..config.policy.clone() };
    for realm in config.realms.values_mut() {
        realm.tokens.rules.clear();
        realm.tokens.kinds.access_tokens = None;
    }
    for issuer in config.issuers.values_mut() {
        issuer.tokens.rules.clear();
        issuer.tokens.kinds.access_tokens = None;
    }
    config
}

/// The expressions of an issuer about its tokens.
fn rules_of(checks: &TokenChecks) -> Option<String> {
    let rules = checks.rules.iter().map(|rule| rule.expression.source());
    let all: Vec<_> = rules.chain(checks.kinds.access_tokens.iter().map(Expression::source)).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// The claims that expressions name, in words.
fn claims_in(source: &str) -> String {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let names = source.split("claims").skip(1).filter_map(|rest| {
        let rest = rest.strip_prefix('.').or_else(|| rest.strip_prefix("[\"")).or_else(|| rest.strip_prefix("['"))?;
        let quoted = rest.split(['"', '\'']).next();
        let plain = rest.split(|letter| !is_name(letter)).next();
        plain.filter(|name| !name.is_empty()).or(quoted)
    });
    let names: BTreeSet<_> = names.collect();
    match names.len() {
        0 => "what the line does not hold".to_owned(),
        1 => format!("claim {}", names.into_iter().collect::<String>()),
        _ => format!("claims {}", names.into_iter().collect::<Vec<_>>().join(", ")),
    }
}
