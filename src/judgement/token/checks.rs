//! How the tokens of one issuer are checked, and whom they must be for.

use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::groups;
use super::kind::{self, IssuerKinds, TokenKind};
use crate::judgement::jose::checks::{OptionalMember, TokenChecks, rules_hold};
use crate::judgement::jose::claims::{self, WrongType};
use crate::judgement::jose::issuer_claims::{GroupsOverage, Tenant};
use crate::judgement::jose::verify::{Expectations, TokenError, UnverifiedToken, VerifiedToken};
use crate::judgement::policy::claim_names::client_of;
use crate::words::oauth::confirmation::{Binding, Evidence};
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::excerpt::names;
use crate::words::refusal::{Reason, Refusal};

/// Claims that issuers use in the place of `aud`.
const AUDIENCE_CLAIMS: [&str; 4] = ["client_id", "azp", "appid", "cid"];

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

/// What a JWT that is not verified says of itself, for its refusal.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusedToken {
    algorithm: Algorithm,
    is_refresh: bool,
}

/// Whom a token must be for.
#[derive(Clone, Copy, Debug)]
pub enum AudienceRule<'a> {
    /// The realm's own token: the client is in `aud`, or the token was issued to it (`azp`).
    Client,
    /// As `Client`, or the token was issued to one of these clients (`azp`). A permission says whose tokens the caller
    /// may present.
    ClientOr(&'a Names),
    /// The token of another realm: the issuer of the realm at which it is exchanged is in `aud`.
    AnotherRealm(&'a str),
    /// A foreign token: one of these is in `aud`.
    AnyOf(&'a [String]),
}

impl RefusedToken {
    /// A token, before it is verified.
    pub(super) fn of(token: &UnverifiedToken) -> Self {
        Self { algorithm: token.algorithm(), is_refresh: token.says_refresh() }
    }
}

impl AudienceRule<'_> {
    /// Whether the rule is about the realm's own tokens.
    pub fn is_own(self) -> bool {
        matches!(self, Self::Client | Self::ClientOr(_))
    }
}

impl<'a> SubjectChecks<'a> {
    /// The token as its issuer writes claims.
    pub fn prepared(&self, token: UnverifiedToken) -> UnverifiedToken {
        token.of_issuer(&self.checks.claims)
    }

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
        kind::check(token, stated, IssuerKinds { issuer: self.issuer_name, of_realm, rules })
    }

    /// Checks what the configuration says about claims: whom the token is for, its binding, and the issuer's rules.
    pub(super) fn fit(&self, token: &VerifiedToken, client: &str, evidence: Evidence<'_>) -> Result<(), Refusal> {
        self.is_of_tenant(token.claims())?;
        if !self.is_vouched_for(token) {
            self.audience_is(token.claims(), client)?;
        }
        self.has_its_groups(token.claims())?;
        Binding::read(token.claims())?.proved_by(evidence)?;
        rules_hold(token.claims(), client, &self.checks.rules)
    }

    /// Whether the issuer's answer says nothing about the audience, and need not. The issuer answered Cambio's own client, so
    /// the token is meant for that client.
    fn is_vouched_for(&self, token: &VerifiedToken) -> bool {
        let may_lack = token.is_opaque() && self.checks.may_lack.contains(&OptionalMember::Aud);
        may_lack && !token.claims().contains_key("aud")
    }

    /// The tenant whose `iss` is expected, if the issuer has tenants.
    pub(super) fn tenant(&self) -> Option<&'a Tenant> {
        self.checks.claims.tenant(self.issuer)
    }

    /// Checks that a token of an earlier exchange names its subject where the issuer's settings say so now.
    pub(super) fn names_its_subject(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        match &self.checks.claims.subject {
            Some(name) if claims.get(name) != claims.get("sub") => {
                let detail = format!("issuers.{}.subjectClaim names another subject now", self.issuer_name);
                Err(Refusal::new(Reason::SubjectTokenClaims, detail))
            }
            _ => Ok(()),
        }
    }

    /// The client that a token was issued to.
    pub(super) fn client_of<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c str> {
        match self.checks.claims.client {
            Some(name) => claims.get(name)?.as_str(),
            None => client_of(claims),
        }
    }

    /// What the audit log must say about an accepted token.
    pub(super) fn note(&self, claims: &Map<String, Value>) -> Option<String> {
        let is_accepted = self.checks.claims.groups_overage == Some(GroupsOverage::Accept);
        let mark = groups::left_out(claims).filter(|_| is_accepted)?;
        Some(format!(
            "accepted without its user's groups, which {mark} leaves out (issuers.{}.groupsOverage)",
            self.issuer_name
        ))
    }

    /// The refusal of a JWT that could not be verified.
    pub(super) fn refusal_of(&self, token: RefusedToken, error: TokenError) -> Refusal {
        match error {
            TokenError::AlgorithmNotAllowed => self.wrong_algorithm(token),
            _ => self.refusal(error),
        }
    }

    /// The refusal of a token that could not be verified.
    pub(super) fn refusal(&self, error: TokenError) -> Refusal {
        let name = self.issuer_name;
        let hint = match (&self.checks.claims.subject, self.audience.is_own()) {
            (Some(claim), _) => {
                format!("the subject's claim {claim} (issuers.{name}.subjectClaim) is missing, empty or no text")
            }
            (None, false) => format!(
                "{error}; if the issuer names the subject in another claim, set issuers.{name}.subjectClaim; in Keycloak, give \
                 the token's client the client scope basic"
            ),
            (None, true) => return error.into(),
        };
        match error {
            TokenError::ClaimMissing("sub") | TokenError::ClaimType(WrongType("sub")) => {
                Refusal::new(error.reason(), hint)
            }
            _ => error.into(),
        }
    }

    /// Checks that `tid` names the tenant of `iss`: the tokens of an issuer's tenants have the same keys.
    fn is_of_tenant(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let Some(tenant) = self.tenant() else { return Ok(()) };
        if claims::string(claims, "tid").map_err(wrong_type)? == Some(tenant.id.as_str()) {
            return Ok(());
        }
        Err(Refusal::new(Reason::SubjectTokenIssuerUntrusted, "the claim tid does not name the tenant of iss"))
    }

    fn audience_is(&self, claims: &Map<String, Value>, client: &str) -> Result<(), Refusal> {
        let held = match self.audience {
            AudienceRule::Client => is_held_by(claims, client)?,
            AudienceRule::ClientOr(others) => {
                is_held_by(claims, client)? || party(claims)?.is_some_and(|party| others.contains(party))
            }
            AudienceRule::AnotherRealm(issuer) => return self.is_for(claims, &[issuer]),
            AudienceRule::AnyOf(accepted) => {
                return self.is_for(claims, &accepted.iter().map(String::as_str).collect::<Vec<_>>());
            }
        };
        if held {
            return Ok(());
        }
        let (audiences, party) = (claims::audiences(claims).map_err(wrong_type)?, party(claims)?);
        let azp = party.map_or_else(|| "missing".to_owned(), |party| names([party]));
        let detail = format!(
            "client {client} is neither in aud [{}] nor azp ({azp}): in Keycloak, add an Audience mapper for {client} to a client \
             scope of the client that the token is issued to",
            names(audiences)
        );
        Err(Refusal::new(Reason::SubjectTokenAudience, detail))
    }

    /// Checks that one of these audiences is in `aud`; or, if there is no `aud`, in the claim that the issuer's settings name.
    fn is_for(&self, claims: &Map<String, Value>, accepted: &[&str]) -> Result<(), Refusal> {
        let wrong = |detail: String| Err(Refusal::new(Reason::SubjectTokenAudience, detail));
        let is_accepted = |value: &str| accepted.contains(&value);
        let expected = || format!("{} must be for one of [{}]", self.tokens(), names(accepted.iter().copied()));
        let (audiences, issuer) = (claims::audiences(claims).map_err(wrong_type)?, self.issuer_name);
        if audiences.into_iter().any(is_accepted) {
            return Ok(());
        }
        // An empty list names nobody, as the access tokens of Ory Hydra show.
        if claims.get("aud").is_some_and(|aud| aud.as_array().is_none_or(|many| !many.is_empty())) {
            let found = names(claims::audiences(claims).map_err(wrong_type)?);
            return wrong(format!("aud is [{found}], and {}", expected()));
        }
        let Some(name) = self.checks.claims.audience else {
            let others = AUDIENCE_CLAIMS.iter().filter(|name| claims.contains_key(**name)).copied();
            let hint = match others.collect::<Vec<_>>() {
                others if others.is_empty() => String::new(),
                others => format!(
                    "; if the issuer says by {} whom the token is for, set issuers.{issuer}.issuer.audienceClaim",
                    others.join(" or ")
                ),
            };
            return wrong(format!("the claim aud is missing{hint}"));
        };
        match claims::string(claims, name).map_err(wrong_type)? {
            Some(value) if is_accepted(value) => Ok(()),
            Some(value) => wrong(format!(
                "{name} (issuers.{issuer}.issuer.audienceClaim) is {}, and {}",
                names([value]),
                expected()
            )),
            None => wrong(format!("aud and {name} are missing (issuers.{issuer}.issuer.audienceClaim)")),
        }
    }

    /// The tokens that are checked, with the setting that says whom they are for.
    fn tokens(&self) -> String {
        let name = self.issuer_name;
        match self.audience {
            AudienceRule::AnotherRealm(_) => format!("tokens of realm {name}, as another realm's,"),
            _ => format!("tokens of {name} (issuers.{name}.issuer.audiences)"),
        }
    }

    /// The refusal of a token whose algorithm is none of the issuer's.
    fn wrong_algorithm(&self, token: RefusedToken) -> Refusal {
        let (name, expected) = (self.issuer_name, &self.checks.algorithms);
        let row = if matches!(self.audience, AudienceRule::AnyOf(_)) { "issuers" } else { "realms" };
        let expected: Vec<_> = expected.iter().map(|algorithm| format!("{algorithm:?}")).collect();
        let found = token.algorithm;
        let mut detail =
            format!("the token's alg is {found:?}, and {row}.{name}.algorithms is [{}]", expected.join(", "));
        if token.is_refresh {
            detail.push_str(": it is a refresh token, and only the access token can be exchanged");
        }
        Refusal::new(Reason::SubjectTokenAlgorithm, detail)
    }

    /// Refuses a token that leaves out its user's groups, unless the issuer's settings accept it.
    fn has_its_groups(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        if self.checks.claims.groups_overage != Some(GroupsOverage::Refuse) {
            return Ok(());
        }
        let Some(mark) = groups::left_out(claims) else { return Ok(()) };
        let name = self.issuer_name;
        Err(Refusal::new(
            Reason::SubjectTokenClaims,
            format!(
                "{mark} says that the user has more groups than the token can hold: have the issuer write fewer groups, or set \
                 issuers.{name}.groupsOverage: accept"
            ),
        ))
    }
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

fn wrong_type(error: WrongType) -> Refusal {
    Refusal::new(Reason::SubjectTokenClaims, error.to_string())
}
