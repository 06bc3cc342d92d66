//! Stage 3: the subject token, checked: its signature and times, whom it is for, what kind of token it is, and that
//! the caller is the one that it is bound to; and the actor token, where one came.

pub mod actor;
pub mod confirmation;
pub mod dpop;
mod id_jag;
pub mod introspected;
mod kind;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::jose::checks::{TokenChecks, rules_hold};
use crate::judgement::jose::claims;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::{self, Expectations, Unverified, VerifiedToken};
use crate::words::oauth::introspection::IntrospectionAnswer;
use crate::words::oauth::names::Names;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;
use actor::ActorToken;
use confirmation::{Binding, Evidence};

/// A request whose subject token was read, with nothing in it believed: it says whose keys to ask for.
#[derive(Debug)]
pub struct Presented {
    authenticated: Authenticated,
    subject: Unverified,
}

/// A request whose subject token was checked, now or when the exchange that is renewed was allowed.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with a name")]
pub struct Validated {
    authenticated: Authenticated,
    subject: VerifiedToken,
    issuer: String,
    own: bool,
    kind: TokenType,
    asked: Asked,
    binding: Binding,
    is_held: bool,
    settled: bool,
    ours: bool,
    actor: Option<ActorToken>,
}

/// What is asked for, by the request or by the subject token in its place.
#[derive(Debug)]
struct Asked {
    resources: Vec<String>,
    scope: Option<Scope>,
}

/// Whom a subject token must be for.
#[derive(Clone, Copy, Debug)]
pub enum AudienceRule<'a> {
    /// The realm's own token: the client is in `aud`, or the token was issued to it (`azp`).
    Client,
    /// The same, or the token was issued to one of these clients (`azp`). Which of them the caller may come with, a
    /// permission has to say.
    ClientOr(&'a Names),
    /// A foreign token: one of these is in `aud`.
    AnyOf(&'a [String]),
}

/// How the subject token of one issuer is checked.
#[derive(Clone, Copy, Debug)]
pub struct SubjectChecks<'a> {
    /// The issuer's name in the configuration.
    pub issuer_name: &'a str,
    /// The exact `iss`.
    pub issuer: &'a str,
    /// Algorithms, leeway and claim rules.
    pub checks: &'a TokenChecks,
    /// Whom the token must be for.
    pub audience: AudienceRule<'a>,
}

/// [`Presented::read`] and [`Presented::validate`] in one, for whoever has the keys at hand.
pub fn validate(
    authenticated: Authenticated,
    keys: &KeySet,
    checks: &SubjectChecks<'_>,
    evidence: Evidence<'_>,
    now: Timestamp,
) -> Result<Validated, Refusal> {
    Presented::read(authenticated)?.validate(keys, checks, evidence, now)
}

impl Presented {
    /// Reads the subject token of an authenticated request.
    pub fn read(authenticated: Authenticated) -> Result<Self, Refusal> {
        let subject = verify::peek(authenticated.parsed().subject_token().expose()).map_err(refusal)?;
        Ok(Self { authenticated, subject })
    }

    /// The subject token as it says of itself.
    pub fn subject(&self) -> &Unverified {
        &self.subject
    }

    /// Checks the subject token against its issuer's keys and rules.
    pub fn validate(
        self,
        keys: &KeySet,
        checks: &SubjectChecks<'_>,
        evidence: Evidence<'_>,
        now: Timestamp,
    ) -> Result<Validated, Refusal> {
        let Self { authenticated, subject } = self;
        let parsed = authenticated.parsed();
        let kind = kind::of(parsed, &subject);
        let subject = subject.verify(keys, &checks.expectations(), now).map_err(refusal)?;
        accept(&subject, kind, authenticated.client_id(), checks, evidence)?;
        let asked = match kind {
            TokenType::IdJag => id_jag::asked(parsed, &subject)?,
            _ => Asked { resources: parsed.resources().to_vec(), scope: parsed.scope().cloned() },
        };
        let binding = Binding::read(subject.claims())?.strengthened(evidence);
        Validated::of(authenticated, (subject, kind), asked, binding, checks)
    }
}

/// The same for an opaque subject token, by what its issuer says about it.
pub fn validate_introspected(
    authenticated: Authenticated,
    answer: &IntrospectionAnswer,
    checks: &SubjectChecks<'_>,
    evidence: Evidence<'_>,
    now: Timestamp,
) -> Result<Validated, Refusal> {
    let parsed = authenticated.parsed();
    let kind = parsed.subject_token_type();
    let subject = check_introspected(answer, kind, authenticated.client_id(), checks, evidence, now)?;
    let asked = Asked { resources: parsed.resources().to_vec(), scope: parsed.scope().cloned() };
    let binding = Binding::read(subject.claims())?.strengthened(evidence);
    Validated::of(authenticated, (subject, kind), asked, binding, checks)
}

/// The same for a subject token that was checked when its exchange was allowed, and is remembered with it and with what
/// the issued token was bound to. Signature and times are what they were; what the configuration may have changed since is
/// checked again, and the caller proves to be the one again.
pub(crate) fn validate_again(
    authenticated: Authenticated,
    ((subject, kind), bound): ((VerifiedToken, TokenType), Binding),
    scope: Option<Scope>,
    (checks, evidence): (&SubjectChecks<'_>, Evidence<'_>),
) -> Result<Validated, Refusal> {
    if claims::string(subject.claims(), "iss") != Ok(Some(checks.issuer)) {
        return Err(Refusal::new(Reason::SubjectTokenIssuerUntrusted, "the issuer has another iss now"));
    }
    fit(&subject, authenticated.client_id(), checks, evidence)?;
    bound.proved_by(evidence)?;
    let binding = bound.strengthened(evidence);
    let asked = Asked { resources: Vec::new(), scope };
    Validated::of(authenticated, (subject, kind), asked, binding, checks)
}

impl Validated {
    fn of(
        authenticated: Authenticated,
        (subject, kind): (VerifiedToken, TokenType),
        asked: Asked,
        binding: Binding,
        checks: &SubjectChecks<'_>,
    ) -> Result<Self, Refusal> {
        let own = checks.audience.is_own();
        let is_held = !own || is_held_by(subject.claims(), authenticated.client_id())?;
        if own && authenticated.is_public() {
            was_issued_to(subject.claims(), authenticated.client_id())?;
        }
        let issuer = checks.issuer_name.to_owned();
        Ok(Self {
            authenticated,
            subject,
            issuer,
            own,
            kind,
            asked,
            binding,
            is_held,
            settled: false,
            ours: false,
            actor: None,
        })
    }

    /// The request and its client.
    pub fn authenticated(&self) -> &Authenticated {
        &self.authenticated
    }

    /// The subject token.
    pub fn subject(&self) -> &VerifiedToken {
        &self.subject
    }

    /// Whether the subject token is the realm's own. Those of another realm are foreign, like those of any issuer.
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// Whether the subject token was issued to or for the client that presents it, as far as the realm's own are
    /// concerned. If not, a permission must name the client that it was issued to.
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// What the subject token is.
    pub fn kind(&self) -> TokenType {
        self.kind
    }

    /// The resources asked for: those of the request, or the one that an ID-JAG names.
    pub fn resources(&self) -> &[String] {
        &self.asked.resources
    }

    /// The scope asked for: that of the request, or that of an ID-JAG.
    pub fn scope(&self) -> Option<&Scope> {
        self.asked.scope.as_ref()
    }

    /// The name that the configuration gives to the subject token's issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What a token that is made from the subject token is bound to.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }
}

impl AudienceRule<'_> {
    /// Whether it is that of the realm's own tokens.
    pub fn is_own(self) -> bool {
        matches!(self, Self::Client | Self::ClientOr(_))
    }
}

impl<'a> SubjectChecks<'a> {
    /// What the token is held to before its claims are judged.
    pub fn expectations(&self) -> Expectations<'a> {
        Expectations { issuer: self.issuer, algorithms: &self.checks.algorithms, leeway: self.checks.leeway }
    }
}

/// The same for a token outside a request: every check of [`validate`], for the client that presents the token.
pub fn check(
    (token, kind): (&Secret, TokenType),
    client: &str,
    keys: &KeySet,
    checks: &SubjectChecks<'_>,
    evidence: Evidence<'_>,
    now: Timestamp,
) -> Result<VerifiedToken, Refusal> {
    let token = verify::verify(token, keys, &checks.expectations(), now).map_err(refusal)?;
    accept(&token, kind, client, checks, evidence)?;
    Ok(token)
}

/// What is asked of a verified token: that it is of this kind, is for the client or an accepted audience, is
/// bound to nobody else, and meets the issuer's rules. The checks are made in this order. What `act` and `may_act` ask
/// for, policy judges.
pub fn accept(
    token: &VerifiedToken,
    kind: TokenType,
    client: &str,
    checks: &SubjectChecks<'_>,
    evidence: Evidence<'_>,
) -> Result<(), Refusal> {
    kind::is(token, kind, checks.audience.is_own())?;
    fit(token, client, checks, evidence)
}

/// The same for an opaque token, by what its issuer says about it.
pub fn check_introspected(
    answer: &IntrospectionAnswer,
    kind: TokenType,
    client: &str,
    checks: &SubjectChecks<'_>,
    evidence: Evidence<'_>,
    now: Timestamp,
) -> Result<VerifiedToken, Refusal> {
    if kind != TokenType::AccessToken {
        return Err(Refusal::new(
            Reason::SubjectTokenMalformed,
            format!("the subject token is no JWT, and a subject token of type {} must be one", kind.name()),
        ));
    }
    let token = introspected::token(answer, checks.issuer, checks.checks.leeway, now)?;
    fit(&token, client, checks, evidence)?;
    Ok(token)
}

/// Whom a token is for, and what else it must and must not say.
fn fit(
    token: &VerifiedToken,
    client: &str,
    checks: &SubjectChecks<'_>,
    evidence: Evidence<'_>,
) -> Result<(), Refusal> {
    audience_is(token.claims(), client, checks.audience)?;
    Binding::read(token.claims())?.proved_by(evidence)?;
    rules_hold(token.claims(), client, &checks.checks.rules)
}

fn refusal(error: verify::TokenError) -> Refusal {
    Refusal::new(error.reason(), error.to_string())
}

fn audience_is(claims: &Map<String, Value>, client: &str, rule: AudienceRule<'_>) -> Result<(), Refusal> {
    const NOT_HELD: &str = "the client is neither in aud nor azp";
    let (held, detail) = match rule {
        AudienceRule::Client => (is_held_by(claims, client)?, NOT_HELD),
        AudienceRule::ClientOr(others) => {
            let others = party(claims)?.is_some_and(|party| others.contains(party));
            (is_held_by(claims, client)? || others, NOT_HELD)
        }
        AudienceRule::AnyOf(accepted) => {
            let audiences = claims::audiences(claims).map_err(wrong_type)?;
            let held = audiences.iter().any(|audience| accepted.iter().any(|one| one == audience));
            (held, "no accepted audience is in aud")
        }
    };
    if held { Ok(()) } else { Err(Refusal::new(Reason::SubjectTokenAudience, detail)) }
}

/// Whether a token of the realm was issued for the client, or to it.
fn is_held_by(claims: &Map<String, Value>, client: &str) -> Result<bool, Refusal> {
    let audiences = claims::audiences(claims).map_err(wrong_type)?;
    let party = party(claims)?;
    Ok(!client.is_empty() && (audiences.contains(&client) || party == Some(client)))
}

/// The client that a token of the realm was issued to: `azp`, or `client_id` where a token of RFC 9068's profile has that.
fn party(claims: &Map<String, Value>) -> Result<Option<&str>, Refusal> {
    let named = |name| claims::string(claims, name).map_err(wrong_type);
    Ok(named("azp")?.or(named("client_id")?))
}

/// Whether a token of the realm was issued to a public client. Whoever has been given a token for one could call himself
/// by its id, and Keycloak, too, lets it exchange the tokens of its own logins only.
fn was_issued_to(claims: &Map<String, Value>, client: &str) -> Result<(), Refusal> {
    if party(claims)? == Some(client) {
        return Ok(());
    }
    let detail = "a public client exchanges tokens that were issued to it (azp) only";
    Err(Refusal::new(Reason::SubjectTokenAudience, detail))
}

fn wrong_type(error: claims::WrongType) -> Refusal {
    Refusal::new(Reason::SubjectTokenClaims, error.to_string())
}

#[cfg(test)]
mod tests;
