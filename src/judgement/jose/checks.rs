//! How the tokens of an issuer are checked besides their signature.

use jiff::SignedDuration;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use crate::judgement::expression::{Expression, Variables};
use crate::judgement::jose::issuer_claims::IssuerClaims;
use crate::words::refusal::{Reason, Refusal};

/// How an issuer's tokens are checked.
#[derive(Clone, Debug)]
pub struct TokenChecks {
    /// How the issuer writes its claims.
    pub claims: IssuerClaims,
    /// The only algorithms that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// Tolerance for `exp`, `nbf` and `iat`.
    pub leeway: SignedDuration,
    /// Expressions that must hold.
    pub rules: Vec<ClaimRule>,
    /// How the kinds of the issuer's tokens are told apart.
    pub kinds: KindRules,
    /// The members that the issuer's introspection answers may lack.
    pub may_lack: Vec<OptionalMember>,
}

/// A member of introspection answers that is optional (RFC 7662 section 2.2), and that Cambio needs unless the
/// configuration says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionalMember {
    /// `token_type`
    TokenType,
    /// `aud`
    Aud,
    /// `sub`
    Sub,
    /// `exp`
    Exp,
}

impl OptionalMember {
    /// Every such member.
    pub const ALL: [Self; 4] = [Self::TokenType, Self::Aud, Self::Sub, Self::Exp];

    /// Its name in the answer.
    pub fn name(self) -> &'static str {
        match self {
            Self::TokenType => "token_type",
            Self::Aud => "aud",
            Self::Sub => "sub",
            Self::Exp => "exp",
        }
    }
}

/// Claims that name the kind of their token: Keycloak's `typ`, Cognito's `token_use`, ForgeRock's `tokenName`, and
/// `token_type` of several servers.
pub(in crate::judgement) const NAMES_OF_KINDS: [&str; 4] = ["typ", "token_use", "token_type", "tokenName"];

/// Hashes that only an ID token has (OpenID Connect Core 1.0 section 3.3.2.11; FAPI 1.0 part 2 section 5.1).
pub(in crate::judgement) const HASHES: [&str; 3] = ["at_hash", "c_hash", "s_hash"];

/// Claims of an ID token about the login and the person (OpenID Connect Core 1.0 sections 2 and 5.1). `email` is missing on
/// purpose: PACE's access tokens have nothing else.
pub(in crate::judgement) const LOGIN: [&str; 11] = [
    "acr",
    "amr",
    "auth_time",
    "azp",
    "email_verified",
    "family_name",
    "given_name",
    "name",
    "picture",
    "preferred_username",
    "sid",
];

/// How the kinds of an issuer's tokens are told apart. The default is strict.
#[derive(Clone, Debug, Default)]
pub struct KindRules {
    /// Is true for the issuer's access tokens, and for no other tokens. Without it, an access token has a mark.
    pub access_tokens: Option<Expression>,
    /// Claims that mark a token of another kind at other issuers, and say nothing at this one: some of [`Self::marks`].
    pub may_have: Vec<String>,
    /// Whether an ID token is exchanged for an access token without a proof of possession. An ID token has no `cnf`, also
    /// if the access token of its login is bound.
    pub unbound_id_tokens: bool,
    /// Whether a realm's tokens need not name their kind: the identity provider is not Keycloak, whose tokens all do.
    pub unnamed: bool,
}

impl KindRules {
    /// The claims that [`Self::may_have`] can list: hashes and the nonce of ID tokens, what ID tokens say about login and
    /// person, and the claims that name the kind of their token.
    pub fn marks() -> impl Iterator<Item = &'static str> {
        HASHES.into_iter().chain(["nonce"]).chain(LOGIN).chain(NAMES_OF_KINDS)
    }

    /// Whether the claim marks no other kind at this issuer.
    pub(in crate::judgement) fn tolerates(&self, mark: &str) -> bool {
        self.may_have.iter().any(|name| name == mark)
    }
}

/// A CEL expression over claims that must be true.
#[derive(Clone, Debug)]
pub struct ClaimRule {
    /// The expression.
    pub expression: Expression,
    /// What audit says when it does not hold.
    pub message: String,
}

/// The issuer's claim validation rules.
pub(crate) fn rules_hold(claims: &Map<String, Value>, client: &str, rules: &[ClaimRule]) -> Result<(), Refusal> {
    if rules.is_empty() {
        return Ok(());
    }
    // A rule is about the token, whatever is asked for with it.
    let scene = Variables { claims, client, audience: "", scopes: &[] }.scene();
    for rule in rules {
        match rule.expression.holds_in(&scene) {
            Ok(true) => {}
            Ok(false) => return Err(Refusal::new(Reason::SubjectTokenRule, rule.message.clone())),
            Err(error) => {
                let detail = format!("{}: can't be evaluated: {error}", rule.message);
                return Err(Refusal::new(Reason::SubjectTokenRule, detail));
            }
        }
    }
    Ok(())
}
