//! How the tokens of one issuer are checked, and whom they must be for.

use serde_json::{Map, Value};

use super::kind::{self, IssuerKinds, TokenKind};
use crate::judgement::jose::checks::{OptionalMember, TokenChecks, rules_hold};
use crate::judgement::jose::claims;
use crate::judgement::jose::verify::{Expectations, VerifiedToken};
use crate::words::oauth::confirmation::{Binding, Evidence};
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// How the subject and actor tokens of one issuer are checked.
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

/// Whom a token must be for.
#[derive(Clone, Copy, Debug)]
pub enum AudienceRule<'a> {
    /// The realm's own token: the client is in `aud`, or the token was issued to it (`azp`).
    Client,
    /// As `Client`, or the token was issued to one of these clients (`azp`). A permission says whose tokens the caller
    /// may present.
    ClientOr(&'a Names),
    /// A foreign token: one of these is in `aud`.
    AnyOf(&'a [String]),
}

impl AudienceRule<'_> {
    /// Whether the rule is about the realm's own tokens.
    pub fn is_own(self) -> bool {
        matches!(self, Self::Client | Self::ClientOr(_))
    }
}

impl<'a> SubjectChecks<'a> {
    /// The expectations of signature, issuer and times.
    pub fn expectations(&self) -> Expectations<'a> {
        Expectations { issuer: self.issuer, algorithms: &self.checks.algorithms, leeway: self.checks.leeway }
    }

    /// Checks a verified token: its kind, whom it is for, its binding, and the issuer's rules, in this order. Policy
    /// judges `act` and `may_act`. Returns the kind.
    pub fn accept(
        &self,
        token: &VerifiedToken,
        stated: TokenType,
        client: &str,
        evidence: Evidence<'_>,
    ) -> Result<TokenKind, Refusal> {
        let kind = self.kind(token, stated)?;
        self.fit(token, client, evidence)?;
        Ok(kind)
    }

    /// Checks that the token is of the stated type.
    pub(super) fn kind(&self, token: &VerifiedToken, stated: TokenType) -> Result<TokenKind, Refusal> {
        let (rules, of_realm) = (&self.checks.kinds, self.audience.is_own());
        let kinds = IssuerKinds { issuer: self.issuer_name, own: of_realm && !rules.unnamed, of_realm, rules };
        kind::check(token, stated, kinds)
    }

    /// Checks what the configuration says about claims: whom the token is for, its binding, and the issuer's rules.
    pub(super) fn fit(&self, token: &VerifiedToken, client: &str, evidence: Evidence<'_>) -> Result<(), Refusal> {
        if !self.is_vouched_for(token) {
            audience_is(token.claims(), client, self.audience)?;
        }
        Binding::read(token.claims())?.proved_by(evidence)?;
        rules_hold(token.claims(), client, &self.checks.rules)
    }

    /// Whether the issuer's answer says nothing about the audience, and need not. The issuer answered Cambio's own client, so
    /// the token is meant for that client.
    fn is_vouched_for(&self, token: &VerifiedToken) -> bool {
        let may_lack = token.is_opaque() && self.checks.may_lack.contains(&OptionalMember::Aud);
        may_lack && !token.claims().contains_key("aud")
    }
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
pub(super) fn is_held_by(claims: &Map<String, Value>, client: &str) -> Result<bool, Refusal> {
    let audiences = claims::audiences(claims).map_err(wrong_type)?;
    let party = party(claims)?;
    Ok(!client.is_empty() && (audiences.contains(&client) || party == Some(client)))
}

/// Refuses a token of the realm that was not issued to the public client that presents it. Whoever was given a token
/// for a public client could call themselves by its id. Keycloak, too, lets such a client exchange the tokens of its
/// own logins only.
pub(super) fn was_issued_to(claims: &Map<String, Value>, client: &str) -> Result<(), Refusal> {
    if party(claims)? == Some(client) {
        return Ok(());
    }
    let detail = "a public client exchanges tokens that were issued to it (azp) only";
    Err(Refusal::new(Reason::SubjectTokenAudience, detail))
}

/// The client that a token of the realm was issued to: `azp`, or `client_id` of RFC 9068's profile.
fn party(claims: &Map<String, Value>) -> Result<Option<&str>, Refusal> {
    let named = |name| claims::string(claims, name).map_err(wrong_type);
    Ok(named("azp")?.or(named("client_id")?))
}

fn wrong_type(error: claims::WrongType) -> Refusal {
    Refusal::new(Reason::SubjectTokenClaims, error.to_string())
}
