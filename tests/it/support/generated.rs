//! Policies and requests by chance, for properties about decisions.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::files::Folder;

const PARTNER: &str = "http://sso.example.org/realms/partner";

/// Number of cases: `PROPTEST_CASES`, or few.
pub fn cases() -> u32 {
    let set = std::env::vars().find(|(name, _)| name == "PROPTEST_CASES");
    set.and_then(|(_, cases)| cases.parse().ok()).unwrap_or(60)
}

/// An audience's file: what stands above the permissions, and the permissions, an entry each.
#[derive(Clone, Debug)]
pub struct AudienceFile {
    pub audience: String,
    head: String,
    permissions: Vec<String>,
}

impl AudienceFile {
    /// Writes the file with `further` permissions.
    pub fn write(&self, folder: &Folder, further: &str) {
        let list = if self.permissions.is_empty() && further.is_empty() { " []" } else { "" };
        let permissions: Vec<_> = self.permissions.iter().map(|one| format!("- {{ {one} }}\n")).collect();
        let text = format!("{}permissions:{list}\n{}{further}", self.head, permissions.concat());
        folder.write(&format!("audiences/{}.yaml", self.audience), &text);
    }
}

/// A file of the audience `name`.
pub fn audience(name: &str) -> impl Strategy<Value = AudienceFile> + use<> {
    let issuance = prop_oneof![Just("reissue"), Just("forward"), Just("mint")];
    let claims = prop_oneof![4 => Just(""), 1 => Just("token: { claims: ['*'] }\n")];
    let audience = name.to_owned();
    (issuance, claims, proptest::collection::vec(permission(), 0..5)).prop_map(
        move |(issuance, claims, permissions)| {
            let claims = if issuance == "forward" { "" } else { claims };
            let head = format!("audience: {audience}\nowner: team-{audience}\nissuance: {issuance}\n{claims}");
            AudienceFile { audience: audience.clone(), head, permissions }
        },
    )
}

/// A permission that `check` may well refuse: then its audience is broken, and the request is refused.
fn permission() -> impl Strategy<Value = String> {
    let part = |texts: &'static [&'static str]| proptest::sample::select(texts);
    (
        part(&["clients: [front-end-app]", "clients: [reporting-app]", "clients: ['*']"]),
        part(&["", "", ", issuance: mint", ", issuance: reissue"]),
        part(&[
            "",
            "",
            ", issuers: [corp]",
            ", issuers: [partner], issuance: mint",
            ", issuers: ['*'], issuance: mint",
        ]),
        part(&["", ", scopes: [email]", ", scopes: [profile, offline_access]", ", scopes: ['*']"]),
        part(&["", "", "", ", condition: \"claims.level == 'gold'\"", ", expires: 2026-01-01", ", oneTime: true"]),
        part(&["", "", ", requestedTokens: [access_token, id_token]", ", requestedTokens: [jwt]"]),
    )
        .prop_map(|(clients, issuance, issuers, scopes, more, requested)| {
            let issuance = if issuers.contains("issuance") { "" } else { issuance };
            format!("{clients}{issuers}{issuance}{scopes}{more}{requested}")
        })
}

/// `usual` in seven of eight cases.
fn mostly(usual: &'static str, others: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop_oneof![7 => Just(usual), 1 => proptest::sample::select(others)]
}

/// A request for the audiences `x`, `y` and `new`, as `cambio explain` is asked about it.
pub fn question() -> impl Strategy<Value = Value> {
    let pick = |texts: &'static [&'static str]| proptest::sample::select(texts);
    (
        pick(&["front-end-app", "reporting-app"]),
        mostly("x", &["x y", "x new", "new"]),
        pick(&["", "email", "profile email", "offline_access", "other"]),
        mostly("corp", &["partner"]),
        mostly("", &["another party", "act", "may_act", "gold"]),
        mostly("", &["actor", "actor of partner"]),
        mostly("access_token", &["id_token", "jwt"]),
        mostly("access_token", &["id_token", "jwt"]),
    )
        .prop_map(|(client, audience, scope, issuer, trait_, actor, kind, requested)| {
            let mut claims = json!({"sub": "alice", "azp": client, "aud": [client]});
            if issuer == "partner" {
                claims["iss"] = PARTNER.into();
                claims["aud"] = "https://sso.example.org".into();
                claims.as_object_mut().unwrap().remove("azp");
            }
            match (trait_, kind) {
                ("another party", _) if issuer == "corp" => {
                    (claims["azp"], claims["aud"]) = ("other-app".into(), json!(["other-app"]));
                }
                ("act", _) => claims["act"] = json!({"sub": "earlier"}),
                ("may_act", _) => claims["may_act"] = json!({"client_id": client}),
                ("gold", _) => claims["level"] = "gold".into(),
                _ => {}
            }
            if kind == "id_token" && issuer == "corp" {
                claims["typ"] = "ID".into();
            }
            let mut question = json!({
                "client": client, "audience": audience.split(' ').collect::<Vec<_>>(), "claims": claims,
                "subjectTokenType": kind, "requestedTokenType": requested,
            });
            if !scope.is_empty() {
                question["scope"] = scope.into();
            }
            match actor {
                "actor" => question["actorClaims"] = json!({"sub": "agent", "azp": client, "aud": [client]}),
                "actor of partner" => {
                    question["actorClaims"] = json!({"sub": "agent", "iss": PARTNER, "aud": "https://sso.example.org"});
                }
                _ => {}
            }
            question
        })
}
