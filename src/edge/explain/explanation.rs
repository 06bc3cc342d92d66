//! The answer to a question, as JSON and in words.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::judgement::policy::decide::Decision;
use crate::judgement::policy::scopes::Scopes;
use crate::judgement::token::checked::CheckedToken;

/// What the gate would decide, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Whether the request is allowed.
    pub allowed: bool,
    /// Whether the request is observed: the identity provider answers, and the decision is only written down.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
    /// The reason of the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The particulars of the refusal, as the audit line has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What the caller gets instead of a token, if the request is not observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<CallerAnswer>,
    /// The realm.
    pub realm: String,
    /// The requesting client.
    pub client: String,
    /// The requested audiences or, if the request is allowed, all that it means.
    pub audiences: Vec<String>,
    /// The requested scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The subject token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_token: Option<ExplainedToken>,
    /// The actor token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_token: Option<ExplainedToken>,
    /// What each permission that names the client says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<ExplainedPermission>,
    /// The permissions that the decision used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<String>,
    /// What the new token may say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted: Option<Granted>,
    /// The roles before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Roles>,
    /// The smallest permissions that would allow the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to_allow: Vec<Paste>,
    /// What was not checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub supposed: Vec<String>,
}

/// The answer to the caller.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallerAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body in the realm's dialect.
    pub body: Value,
}

/// A token of the request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedToken {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// The token type.
    pub token_type: String,
    /// The `sub`.
    pub sub: String,
    /// The client that it was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_to: Option<String>,
}

/// What one permission says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPermission {
    /// The audience.
    pub audience: String,
    /// The owner of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The place in the file: `permissions[0]`.
    pub permission: String,
    /// The line in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Whether the permission holds for the request, scope aside.
    pub applies: bool,
    /// Whether the permission's conditions are true; absent if the permission is not about the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition_holds: Option<bool>,
    /// Why not, or what it permits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What the new token may say.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    /// How the token is made.
    pub issuance: String,
    /// The exact `aud`.
    pub aud: BTreeSet<String>,
    /// The `sub`, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The granted scope; absent if only the identity provider will say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The scope tokens that may be granted, `["*"]` if all may.
    pub permitted_scopes: Vec<String>,
    /// The longest lifetime in seconds.
    pub lifetime: i64,
    /// The latest `exp`, if the tokens of the request limit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_by: Option<String>,
    /// The `act`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Value>,
    /// The `may_act`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_act: Option<Value>,
    /// The `cnf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Value>,
    /// Claims that the audience's file adds.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub set: serde_json::Map<String, Value>,
    /// Whether a refresh token comes with it.
    pub refresh_token: bool,
    /// `oneTime` and `stillActive`, if the permissions demand them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<&'static str>,
}

/// The roles of the subject before and after.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Roles {
    /// Roles in the subject token: `realm: NAME` or `CLIENT: NAME`.
    pub before: BTreeSet<String>,
    /// Roles in the new token.
    pub after: Vec<Role>,
}

/// A role of the new token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Role {
    /// `realm: NAME` or `AUDIENCE: NAME`.
    pub role: String,
    /// The rule of the audience's file that gives it.
    pub from: String,
}

/// YAML to paste into an audience's file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Paste {
    /// The audience.
    pub audience: String,
    /// The owner to ask; absent if the audience has no file yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The file; absent if there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The entry of `permissions`, or the new file.
    pub yaml: String,
    /// Permissions of the file whose conditions do not hold for the request: the new permission has no condition, so the
    /// owner must know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub goes_around: Vec<String>,
}

impl Explanation {
    /// Notes something that was not checked.
    pub(super) fn suppose(&mut self, what: String) {
        if !self.supposed.contains(&what) {
            self.supposed.push(what);
        }
    }
}

impl ExplainedToken {
    pub(super) fn of(token: &CheckedToken) -> Self {
        Self {
            issuer: token.issuer().to_owned(),
            token_type: token.kind().name().to_owned(),
            sub: token.subject().to_owned(),
            issued_to: token.client().map(str::to_owned),
        }
    }
}

impl Granted {
    pub(super) fn of(decision: &Decision) -> Self {
        let contract = &decision.contract;
        let demands = [("oneTime", decision.demands.one_time), ("stillActive", decision.demands.still_active)];
        Self {
            issuance: contract.issuance.as_str().to_owned(),
            aud: contract.audience(),
            sub: contract.subject.clone(),
            scope: contract.scope_requested.as_ref().map(ToString::to_string),
            permitted_scopes: permitted(&contract.scope_permitted),
            lifetime: contract.lifetime.as_secs(),
            expires_by: contract.expires_by.map(|time| time.to_string()),
            act: contract.act.clone(),
            may_act: contract.may_act.clone(),
            cnf: contract.binding.clone(),
            set: contract.set.clone(),
            refresh_token: decision.refresh,
            demands: demands.into_iter().filter(|(_, is_demanded)| *is_demanded).map(|(name, _)| name).collect(),
        }
    }
}

fn permitted(scopes: &Scopes) -> Vec<String> {
    match scopes.listed() {
        Some(names) => names.map(str::to_owned).collect(),
        None => vec!["*".to_owned()],
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.allowed {
            writeln!(f, "allowed by {}", self.applied.join(", "))?;
        } else {
            writeln!(f, "refused: {}", self.reason.as_deref().unwrap_or_default())?;
            writeln!(f, "  {}", self.detail.as_deref().unwrap_or_default())?;
        }
        if self.observed {
            writeln!(f, "observed the identity provider answers; the decision is only written down (observeUntil)")?;
        }
        if let Some(answer) = &self.answer {
            writeln!(f, "caller   {} {}", answer.status, answer.body)?;
        }
        let scope = self.scope.as_ref().map(|scope| format!(", scope [{scope}]")).unwrap_or_default();
        let Self { realm, client, audiences, .. } = self;
        writeln!(f, "request  realm {realm}, client {client}, audience {}{scope}", audiences.join(", "))?;
        for (role, token) in [("subject", &self.subject_token), ("actor  ", &self.actor_token)] {
            if let Some(token) = token {
                writeln!(f, "{role}  {token}")?;
            }
        }
        for line in &self.permissions {
            writeln!(f, "{line}")?;
        }
        if let Some(granted) = &self.granted {
            granted.fmt(f)?;
        }
        if let Some(roles) = &self.roles {
            roles.fmt(f)?;
        }
        for paste in &self.to_allow {
            paste.fmt(f)?;
        }
        for supposed in &self.supposed {
            writeln!(f, "supposed {supposed}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ExplainedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.issued_to.as_ref().map(|client| format!(", issued to {client}")).unwrap_or_default();
        write!(f, "{} of {}, sub {}{to}", self.token_type, self.issuer, self.sub)
    }
}

impl fmt::Display for ExplainedPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}      {} {}", if self.applies { "yes" } else { "no " }, self.audience, self.permission)?;
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            write!(f, ", {file}:{line}")?;
        }
        match &self.why {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aud: Vec<_> = self.aud.iter().map(String::as_str).collect();
        write!(f, "token    {}, aud [{}]", self.issuance, aud.join(", "))?;
        if let Some(sub) = &self.sub {
            write!(f, ", sub {sub}")?;
        }
        match &self.scope {
            Some(scope) => write!(f, ", scope [{scope}]")?,
            None => {
                write!(f, ", scope of the identity provider's answer within [{}]", self.permitted_scopes.join(" "))?;
            }
        }
        write!(f, ", at most {} s", self.lifetime)?;
        if let Some(time) = &self.expires_by {
            write!(f, ", not after {time}")?;
        }
        if self.refresh_token {
            write!(f, ", with a refresh token")?;
        }
        for demand in &self.demands {
            write!(f, ", {demand}")?;
        }
        writeln!(f)?;
        let claims = [("act", &self.act), ("may_act", &self.may_act), ("cnf", &self.cnf)];
        for (name, value) in claims.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            writeln!(f, "claim    {name} {value}")?;
        }
        for (name, value) in &self.set {
            writeln!(f, "claim    {name} {value}, from token.set")?;
        }
        Ok(())
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for role in &self.after {
            writeln!(f, "role     {}, from {}", role.role, role.from)?;
        }
        let kept: BTreeSet<_> = self.after.iter().map(|role| role.role.as_str()).collect();
        let dropped: Vec<_> = self.before.iter().map(String::as_str).filter(|role| !kept.contains(role)).collect();
        if dropped.is_empty() { Ok(()) } else { writeln!(f, "dropped  {}", dropped.join(", ")) }
    }
}

impl fmt::Display for Paste {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.owner, &self.file) {
            (Some(owner), Some(file)) => {
                writeln!(f, "to allow it, {owner} adds this to permissions in {file}:")?;
            }
            _ => writeln!(f, "to allow it, the team that runs {} adds this file to the audiences:", self.audience)?,
        }
        for line in self.yaml.lines() {
            writeln!(f, "    {line}")?;
        }
        if self.goes_around.is_empty() {
            return Ok(());
        }
        let around = self.goes_around.join(", ");
        writeln!(
            f,
            "beware   this goes around the condition of {around}: add a condition, or do not add the permission"
        )
    }
}
