//! `roles` of an audience file.

use std::collections::BTreeSet;

use super::context::{Home, Issuances, names};
use crate::adapters::config::file::audience::roles as file;
use crate::adapters::config::load::problem::At;
use crate::adapters::config::load::value::expression;
use crate::judgement::policy::claim_names::ClaimClass;
use crate::judgement::policy::model::{Issuance, RoleMapping, RoleOutput, RoleRules, RoleSource};
use crate::words::oauth::names::Names;

/// The name of the claim, unless the file has another (RFC 9068 section 2.2.3.1).
const CLAIM: &str = "roles";

pub(super) fn roles(
    file: &file::RoleRules,
    issuances: &Issuances<'_>,
    home: Option<Home<'_>>,
    at: &At<'_>,
) -> Option<RoleRules> {
    let signed = [
        ("map", !file.map.is_empty()),
        ("static", !file.fixed.is_empty()),
        ("default", !file.default.is_empty()),
        ("output", file.output != file::RoleClaims::Keycloak),
    ];
    issuances.need_signature(&signed, at);
    if !file.fixed.is_empty() && !file.default.is_empty() {
        at.field("default").problem("has no effect: every token has the roles of `static`");
    }
    let map = at.field("map").all(&file.map, |one, at| mapping(one, home, at));
    Some(RoleRules {
        own: file.own,
        realm: set(&file.realm),
        map: map?,
        fixed: set(&file.fixed),
        default: set(&file.default),
        output: output(file, at)?,
        directory: directory(file, issuances, home, &at.field("source")),
    })
}

fn set(names: &[String]) -> BTreeSet<String> {
    names.iter().cloned().collect()
}

fn mapping(file: &file::RoleMapping, home: Option<Home<'_>>, at: &At<'_>) -> Option<RoleMapping> {
    let from = match (&file.from, &file.when) {
        (Some(from), None) => source(from),
        (None, Some(when)) => expression(when, &at.field("when")).map(RoleSource::When),
        _ => at.refuse("must have exactly one of `from` and `when`"),
    };
    let issuers = at.optional("issuers", file.issuers.as_deref(), |list, at| {
        if let Some(home) = home {
            home.check_trusted(list, at);
        }
        names(list, "every issuer", at)
    })?;
    let from = from?;
    let realm_only = |names: &Names| match home {
        Some(home) => home.only(names),
        None => *names != Names::Any,
    };
    if matches!(from, RoleSource::Own(_)) && !issuers.as_ref().is_none_or(realm_only) {
        at.field("issuers").problem(
            "only the realm's own tokens have roles of the audience itself; for a role in a foreign token, write \
             `from: \"client:ID/ROLE\"`",
        );
    }
    Some(RoleMapping { from, to: file.to.clone(), issuers })
}

/// The role or scope that a mapping starts from. The check of the file has seen the text.
fn source(from: &str) -> Option<RoleSource> {
    Some(match from.split_once(':') {
        Some(("realm", role)) => RoleSource::Realm(role.to_owned()),
        Some(("group", path)) => RoleSource::Group(path.to_owned()),
        Some(("scope", token)) => RoleSource::Scope(token.to_owned()),
        Some(("client", rest)) => {
            let (client, role) = rest.split_once('/')?;
            RoleSource::Client { client: client.to_owned(), role: role.to_owned() }
        }
        _ => RoleSource::Own(from.to_owned()),
    })
}

fn output(file: &file::RoleRules, at: &At<'_>) -> Option<RoleOutput> {
    let flat = file.output != file::RoleClaims::Keycloak;
    let keycloak = file.output != file::RoleClaims::Claim;
    let at = at.field("claim");
    match &file.claim {
        Some(_) if !flat => at.refuse("needs `output: claim` or `both`"),
        Some(claim) => {
            let class = ClaimClass::of(claim);
            if class.is_reserved() && class != ClaimClass::OtherRoles || class == ClaimClass::Login {
                return at.refuse(format!("{claim:?} has another meaning in tokens"));
            }
            Some(RoleOutput { keycloak, claim: Some(claim.clone()) })
        }
        None => Some(RoleOutput { keycloak, claim: flat.then(|| CLAIM.to_owned()) }),
    }
}

fn directory(file: &file::RoleRules, issuances: &Issuances<'_>, home: Option<Home<'_>>, at: &At<'_>) -> bool {
    let wanted = file.source == file::RoleOrigin::Directory;
    if wanted && !issuances.have(Issuance::Mint) && !issuances.have(Issuance::Reissue) {
        at.problem("needs `issuance: mint` or `reissue`: otherwise the upstream gives the roles");
    }
    if let Some(home) = home.filter(|home| wanted && home.realm.directory.is_none()) {
        let name = home.name;
        at.problem(if home.realm.endpoints.is_some() {
            format!(
                "needs Keycloak's admin API, and realms.{name}.endpoints says that the upstream is not Keycloak: write \
                 `source: token`"
            )
        } else {
            format!("set realms.{name}.directory in cambio.yaml")
        });
    }
    wanted
}
