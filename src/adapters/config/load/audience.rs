//! Audience files.

mod claims;
mod context;
mod delegation;
mod mutable;
mod permission;
mod roles;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::context::{Context, Home, Issuances, names};
use super::problem::At;
use super::value::{expression, expression_about, observed};
use crate::adapters::config::file::audience as file;
use crate::adapters::config::file::realm::Realm;
use crate::adapters::config::settings::issuer::TrustedIssuer;
use crate::judgement::expression::{Expression, Other};
use crate::judgement::policy::claim_names::ClaimClass;
use crate::judgement::policy::model::{Audience, Issuance, Permission, RoleOutput, SubjectRule, TokenRules};
use crate::words::oauth::names::Names;

/// Clients of every realm of Keycloak for which Keycloak itself is the resource server, or which stand for its own pages.
const KEYCLOAKS_OWN: [&str; 7] =
    ["account", "account-console", "admin-cli", "broker", "master-realm", "realm-management", "security-admin-console"];

/// An audience and the name of its realm.
pub(super) struct Placed {
    pub(super) realm: String,
    pub(super) audience: Arc<Audience>,
}

/// What audience files refer to in `cambio.yaml`; `None` if it could not be read, or not be checked.
#[derive(Clone, Copy)]
pub(super) struct Main<'a> {
    pub(super) realms: Option<&'a BTreeMap<String, Realm>>,
    /// The foreign issuers.
    pub(super) issuers: Option<&'a BTreeMap<String, TrustedIssuer>>,
}

/// Checks one file.
pub(super) fn audience(file: &file::Audience, main: Main<'_>, at: &At<'_>) -> Option<Placed> {
    let home = home(file, main, &at.field("realm"));
    let issuances = Issuances::of(file, at);
    issuances.check(home);
    let at_keycloak = home.is_none_or(|home| home.realm.endpoints.is_none());
    if at_keycloak && KEYCLOAKS_OWN.contains(&file.audience.as_str()) && issuances.sign() {
        at.field("audience").warning(
            "Keycloak itself reads the tokens for this client, and does not accept a token that Cambio signed: use \
             `issuance: forward`",
        );
    }
    let permissions_at = at.field("permissions");
    if file.permissions.is_empty() {
        permissions_at.warning("no permission: every exchange for this audience is refused");
    }
    let directory = file.roles.source == file::roles::RoleOrigin::Directory;
    let permissions = permissions_at.all(&file.permissions, |one, at| {
        let issuance = one.issuance.unwrap_or(file.issuance).into();
        permission::permission(one, Context { issuance, directory, home }, at)
    });
    if let Some(home) = home {
        still_active(file, home, &permissions_at);
    }
    let roles = roles::roles(&file.roles, &issuances, home, &at.field("roles"));
    if let Some(roles) = &roles {
        mutable::roles(roles, main.issuers, &at.field("roles"));
    }
    let output = roles.as_ref().map(|roles| &roles.output);
    let token = token(&file.token, &issuances, output, home, &at.field("token"));
    if let (Some(permissions), Some(token), Some(home)) = (&permissions, &token, home) {
        let claims_at = at.field("token").field("claims");
        claims::without_effect(&file.token.claims, &issuances, permissions, home, &claims_at);
        let foreign = foreign(permissions, home.name);
        let subject_at = at.field("token").field("subject");
        subjects(&foreign, token.subject, main, &subject_at);
        mutable::subject(foreign.iter().copied(), token.subject, main.issuers, &subject_at);
        mutable::permissions(permissions, main.issuers, &permissions_at);
        if !foreign.is_empty() && token.claims == Names::Any {
            let message =
                "\"*\" copies nothing from the tokens of foreign issuers: name the claims that their tokens may bring";
            claims_at.warning(message);
        }
    }
    let observed_until = at.optional("observeUntil", file.observe_until.as_deref(), |day, at| {
        if issuances.need_cambio() {
            return at.refuse(
                "not with `translate` or `mint`: without Cambio there is no answer that could pass; remove observeUntil",
            );
        }
        observed(day, "exchanges for this audience are", at)
    });
    Some(Placed {
        realm: home?.name.to_owned(),
        audience: Arc::new(Audience {
            name: file.audience.clone(),
            owner: file.owner.trim().to_owned(),
            resources: file.resources.iter().cloned().collect(),
            permissions: permissions?.into(),
            roles: roles?,
            token: token?,
            issuance: file.issuance.into(),
            observed_until: observed_until?,
        }),
    })
}

/// To ask whether a token is still active, Cambio needs a client of its own, and the realm must know the token.
fn still_active(file: &file::Audience, home: Home<'_>, at: &At<'_>) {
    let name = home.name;
    for (at, one) in at.items(&file.permissions).filter(|(_, one)| one.still_active) {
        let at = at.field("stillActive");
        if home.realm.introspection.is_none() {
            at.problem(format!("needs realms.{name}.introspection in cambio.yaml"));
        }
        if one.issuers.iter().flatten().any(|issuer| issuer != name) {
            let way = "put other issuers into a permission without stillActive";
            at.problem(format!("the realm {name} can answer only for its own tokens: {way}"));
        }
    }
}

/// The foreign issuers for whose subjects tokens are minted.
fn foreign<'p>(permissions: &'p [Permission], own: &str) -> BTreeSet<&'p String> {
    let mints = permissions.iter().filter(|one| one.issuance == Some(Issuance::Mint));
    let listed = mints.filter_map(|one| match &one.issuers {
        Names::Listed(names) => Some(names),
        Names::Any => None,
    });
    listed.flat_map(|names| names.iter()).filter(|name| *name != own).collect()
}

/// The subjects of minted tokens: `mapped` needs a mapping for each issuer, and `keep` a warning.
fn subjects(foreign: &BTreeSet<&String>, rule: SubjectRule, main: Main<'_>, at: &At<'_>) {
    match rule {
        SubjectRule::Keep if !foreign.is_empty() => {
            let has_tenants = |name: &String| {
                main.issuers.and_then(|all| all.get(name)).is_some_and(|one| !one.tokens.claims.tenants.is_empty())
            };
            for name in foreign.iter().filter(|name| has_tenants(name)) {
                at.problem(format!(
                    "keep: users of two tenants of {name} may have the same sub; use qualified or mapped"
                ));
            }
            at.warning(
                "keep: a foreign issuer's subject keeps its sub, which may be equal to the sub of somebody else in the realm",
            );
        }
        SubjectRule::Mapped => {
            let unmapped =
                |name: &String| main.issuers.is_some_and(|all| all.get(name).is_none_or(|one| one.username.is_none()));
            for name in foreign.iter().filter(|name| unmapped(name)) {
                at.problem(format!("mapped: set issuers.{name}.claimMappings.username in cambio.yaml"));
            }
        }
        SubjectRule::Keep | SubjectRule::Qualified | SubjectRule::Uuid => {}
    }
}

fn home<'a>(file: &file::Audience, main: Main<'a>, at: &At<'_>) -> Option<Home<'a>> {
    // If there is no realm at all, that is a problem of cambio.yaml.
    let realms = main.realms.filter(|realms| !realms.is_empty())?;
    let found = match &file.realm {
        Some(name) => realms.get_key_value(name),
        None => realms.first_key_value().filter(|_| realms.len() == 1),
    };
    match (found, &file.realm) {
        (Some((name, realm)), _) => Some(Home { name, realm }),
        (None, None) => at.refuse("is missing: cambio.yaml has more than one realm"),
        (None, Some(name)) => {
            let known = realms.keys().cloned().collect::<Vec<_>>().join(", ");
            at.refuse(format!("{name:?} is not a realm of cambio.yaml, which has {known}"))
        }
    }
}

/// `token` of an audience file.
fn token(
    file: &file::TokenRules,
    issuances: &Issuances<'_>,
    output: Option<&RoleOutput>,
    home: Option<Home<'_>>,
    at: &At<'_>,
) -> Option<TokenRules> {
    let signed = [("set", !file.set.is_empty()), ("mayAct", file.may_act.is_some())];
    issuances.need_signature(&signed, at);
    if !issuances.have(Issuance::Mint) {
        let profile = file.profile != file::Profile::Keycloak;
        let subject = file.subject != file::SubjectRule::Qualified;
        at.unused(
            &[("profile", profile), ("subject", subject)],
            "needs `issuance: mint`: otherwise the upstream decides",
        );
    }
    let claims_at = at.field("claims");
    let claims = if file.claims.is_empty() {
        Some(Names::default())
    } else {
        names(&file.claims, "every claim of the realm's own tokens", &claims_at)
    };
    if claims == Some(Names::Any) && issuances.have(Issuance::Forward) {
        claims_at.problem(
            "\"*\" can't stand beside `issuance: forward`: a mapper can write roles into any claim; name the claims",
        );
    }
    let flat = output.and_then(|output| output.claim.as_deref());
    for (at, _) in claims_at.items(&file.claims).filter(|(_, claim)| Some(claim.as_str()) == flat).take(1) {
        at.problem("is the claim of roles.claim");
    }
    let set = templates(&file.set, flat, home, &at.field("set"));
    let may_act =
        at.optional("mayAct", file.may_act.as_deref(), |source, at| expression_about(source, &[Other::Actor], at));
    if !file.within_subject
        && (issuances.have(Issuance::Forward) || issuances.have(Issuance::Reissue) || issuances.have(Issuance::Mint))
    {
        at.field("withinSubject").warning(
            "false: the new token can outlive the subject token, so whoever may exchange it again can go on for ever \
             (CVE-2026-96460)",
        );
    }
    Some(TokenRules {
        lifetime: file.lifetime.signed()?,
        within_subject: file.within_subject,
        claims: claims?,
        set: set?,
        may_act: may_act?,
        profile: file.profile.into(),
        subject: file.subject.into(),
        refresh_lifetime: file.refresh_lifetime.signed()?,
    })
}

/// The claims of `token.set`, without those about the user or the login that the platform's file does not allow.
fn templates(
    set: &BTreeMap<String, String>,
    flat: Option<&str>,
    home: Option<Home<'_>>,
    at: &At<'_>,
) -> Option<BTreeMap<String, Expression>> {
    let allowed = home.map_or(&[][..], |home| &home.realm.identity_claims);
    let is_left_out = |claim: &str| ClaimClass::of(claim).is_identity() && !allowed.iter().any(|one| one == claim);
    let mut templates: BTreeMap<String, Expression> = at.entries(set, |claim, source, at| {
        if ClaimClass::of(claim).is_reserved() || Some(claim) == flat {
            at.problem("can't be set: the claim identifies the token or its subject, or names roles");
        } else if is_left_out(claim) {
            let realm = home.map_or("*", |home| home.name);
            at.warning(format!(
                "is left out of the tokens: the claim says who the user is, or how they logged in. If the platform's team \
                 agrees, add {claim} to realms.{realm}.identityClaims in cambio.yaml"
            ));
        }
        expression(source, at)
    })?;
    templates.retain(|claim, _| !is_left_out(claim));
    Some(templates)
}
