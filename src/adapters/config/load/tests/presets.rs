//! `issuers.*.preset`: what is filled in, what wins, and what is warned of.

use super::{AUDIENCE, Folder, MAIN, Row, assert_main_rows, pem};
use crate::adapters::config::load::load;
use crate::adapters::config::settings::Config;
use crate::adapters::config::{KeySource, TrustedIssuer};

const ROWS: &[Row] = &[
    (
        "a preset and audiences are enough",
        "realms:",
        "issuers: { p: { preset: google, issuer: { audiences: [a] } } }\nrealms:",
        &[],
    ),
    (
        "a misspelt preset is the only problem",
        "realms:",
        "issuers: { p: { preset: githubactions2, issuer: { audiences: [a] } } }\nrealms:",
        &[":3:25: issuers.p.preset: \"githubactions2\" is not known; did you mean \"github-actions\"?"],
    ),
    (
        "a preset that there is not",
        "realms:",
        "issuers: { p: { preset: acme, issuer: { audiences: [a] } } }\nrealms:",
        &[":3:25: issuers.p.preset: must be auth0 or ", ":3:39: issuers.p.issuer.url: is missing"],
    ),
    (
        "a preset that is no text",
        "realms:",
        "issuers: { p: { preset: [google], issuer: { url: 'https://p', audiences: [a] } } }\nrealms:",
        &[":3:25: issuers.p.preset: must be auth0 or … not a list"],
    ),
    (
        "nobody knows the audiences",
        "realms:",
        "issuers: { p: { preset: google } }\nrealms:",
        &[":3:25: issuers.p.issuer.audiences: is missing"],
    ),
    (
        "a preset without a fixed issuer",
        "realms:",
        "issuers: { p: { preset: keycloak, issuer: { audiences: [a] } } }\nrealms:",
        &[":3:43: issuers.p.issuer.url: is missing"],
    ),
    (
        "an operator's mistakes stay the operator's",
        "realms:",
        "issuers: { p: { preset: google, issuer: { audiences: [a] }, algoritms: [RS256], algorithms: [RS999], claimMappings: { username: { expression: 'claim.sub' } } } }\nrealms:",
        &[
            ":3:61: issuers.p.algoritms: unknown key; did you mean \"algorithms\"?",
            ":3:94: issuers.p.algorithms[0]: \"RS999\" is not one of",
            ":3:143: issuers.p.claimMappings.username.expression: does not compile",
        ],
    ),
    (
        "null does not take a value away",
        "realms:",
        "issuers: { p: { preset: google, issuer: { audiences: [a] }, accessTokens: null } }\nrealms:",
        &[":3:75: issuers.p.accessTokens: must be a mapping, not nothing"],
    ),
    (
        "a value of the preset is called so",
        "realms:",
        "issuers: { a: { preset: google, issuer: { audiences: [a] } }, b: { preset: google, issuer: { audiences: [a] } } }\nrealms:",
        &[":3:76: issuers.b.issuer.url: from preset google: is also the issuer of a"],
    ),
    (
        "a place of keys beside the preset's",
        "realms:",
        "issuers: { p: { preset: google, issuer: { audiences: [a], discoveryURL: 'https://a' }, jwksURL: 'https://p/k' } }\nrealms:",
        &[":3:15: issuers.p: has more than one of"],
    ),
];

#[test]
fn every_slip_beside_a_preset_is_named_at_its_place() {
    assert_main_rows(ROWS);
}

fn loaded(entries: &str, audience: &str) -> Config {
    let folder = Folder::new();
    let main = MAIN.replace("[corp]", "[corp, p]\n    signingKey: corp.pem");
    folder.write("cambio.yaml", format!("{main}issuers:\n{entries}")).write("corp.pem", pem());
    folder.write("audiences/a.yaml", audience);
    load(&folder.path("cambio.yaml"), &()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn issuer(entry: &str) -> TrustedIssuer {
    loaded(&format!("  p: {entry}\n"), AUDIENCE).issuers.remove("p").unwrap()
}

fn rules(issuer: &TrustedIssuer) -> Vec<&str> {
    issuer.tokens.rules.iter().map(|rule| rule.expression.source()).collect()
}

#[test]
fn what_is_written_wins_key_by_key() {
    let plain = issuer("{ preset: github-actions, issuer: { audiences: [a] } }");
    assert_eq!(plain.url, "https://token.actions.githubusercontent.com");
    assert_eq!(rules(&plain), ["has(claims.repository_id) && has(claims.repository_owner_id)"]);

    let own = "{ preset: github-actions, issuer: { url: 'https://ghe.example.org/_services/token', audiences: [a] }, \
               algorithms: [ES256], accessTokens: { expression: 'has(claims.run_id)' }, \
               claimValidationRules: [{ expression: 'claims.repository_id == \"74\"' }] }";
    let own = issuer(own);
    assert_eq!(own.url, "https://ghe.example.org/_services/token", "a text replaces");
    assert_eq!(format!("{:?}", own.tokens.algorithms), "[ES256]", "a list replaces");
    assert_eq!(rules(&own), ["claims.repository_id == \"74\""], "a list replaces");
    assert_eq!(own.username.as_ref().unwrap().source(), plain.username.as_ref().unwrap().source(), "the rest stays");
    let from: Vec<&str> = own.from_preset.iter().map(String::as_str).collect();
    assert_eq!(from, ["claimMappings.username.expression"]);
    assert_eq!(own.in_force["issuer"]["url"], "https://ghe.example.org/_services/token");
    let emptied = issuer("{ preset: github-actions, issuer: { audiences: [a] }, claimValidationRules: [] }");
    assert!(rules(&emptied).is_empty(), "an empty list replaces, too");
    assert!(issuer("{ issuer: { url: 'https://p', audiences: [a] } }").from_preset.is_empty());
}

#[test]
fn a_place_of_keys_or_an_issuer_of_ones_own_replaces_the_presets_place_of_keys() {
    let tenants = "tenants: [aaaabbbb-0000-cccc-1111-dddd2222eeee], audiences: [a]";
    for (name, entry, expected) in [
        ("the preset's", format!("{{ preset: entra, issuer: {{ {tenants} }} }}"), "organizations"),
        (
            "keys",
            format!("{{ preset: entra, issuer: {{ {tenants} }}, jwksURL: 'https://proxy/keys' }}"),
            "https://proxy/keys",
        ),
        (
            "one tenant",
            "{ preset: entra, issuer: { url: 'https://login.microsoftonline.com/t/v2.0', audiences: [a] } }".to_owned(),
            "https://login.microsoftonline.com/t/v2.0/.well-known/openid-configuration",
        ),
    ] {
        let keys = issuer(&entry).keys;
        let (KeySource::Discovery(url) | KeySource::Url(url)) = &keys else { panic!("{name}: {keys:?}") };
        assert!(url.contains(expected), "{name}: {url}");
    }
}

#[test]
fn an_environment_is_neither_shown_nor_a_preset() {
    let folder = Folder::new();
    let entry = "issuers: { p: { preset: google, issuer: { audiences: ['${SECRET}'] } } }\n";
    folder.write("cambio.yaml", format!("{MAIN}{entry}")).write("audiences/a.yaml", AUDIENCE);
    let config = load(&folder.path("cambio.yaml"), &super::TestEnvironment).unwrap();
    let shown = config.issuers["p"].in_force.to_string();
    assert!(!shown.contains("s3cret") && shown.contains("the value from the environment"), "{shown}");
}

/// Warnings about `p` for this entry and this audience's file.
fn warnings(entry: &str, audience: &str) -> Vec<String> {
    let config = loaded(&format!("  p: {entry}\n"), audience);
    let about_names = |text: &String| {
        ["change hands", "any audience", "does not have its", "not internal"].iter().any(|part| text.contains(part))
    };
    let all = config.warnings.iter().map(|one| format!("{}:{} {} {}", one.line, one.column, one.key, one.message));
    all.filter(about_names).collect()
}

fn minted(rest: &str) -> String {
    format!("audience: back-end-api\nowner: payments-team\nissuance: mint\n{rest}")
}

const BOUND: &str = "{ preset: github-actions, issuer: { audiences: [a] }, claimValidationRules: [{ expression: \
                     'has(claims.repository_id) && has(claims.repository_owner_id)' }, { expression: \
                     'claims.repository_owner_id == \"65\"' }] }";

#[test]
fn names_that_change_hands_are_warned_of() {
    let forward = AUDIENCE.to_owned();
    let mapped = minted("permissions: [{ clients: [a], issuers: [p] }]\ntoken: { subject: mapped }\n");
    let username = |preset: &str, expression: &str| {
        format!(
            "{{ {preset}issuer: {{ url: 'https://p', audiences: [a] }}, claimMappings: {{ username: {{ expression: '{expression}' }} }} }}"
        )
    };
    let rule = |preset: &str, expression: &str| {
        format!(
            "{{ {preset}issuer: {{ url: 'https://p', audiences: [a] }}, claimValidationRules: [{{ expression: '{expression}' }}] }}"
        )
    };
    let condition = |condition: &str| {
        minted(&format!(
            "permissions: [{{ clients: [a], issuers: [p], condition: '{condition}' }}]\ntoken: {{ subject: mapped }}\n"
        ))
    };
    let granted = |when: &str| {
        minted(&format!(
            "permissions: [{{ clients: [a], issuers: [p] }}]\nroles: {{ map: [{{ to: r, when: '{when}', issuers: [p] }}] }}\ntoken: {{ subject: mapped }}\n"
        ))
    };
    let open = "{ preset: github-actions, issuer: { audiences: [a] } }".to_owned();
    for (name, entry, audience, expected) in [
        ("a bound preset", BOUND.to_owned(), mapped.clone(), &[][..]),
        ("an e-mail address", username("", "claims.email"), forward.clone(), &["username.expression email decides who the subject is"]),
        ("a name beside the subject", username("", "claims.sub + claims.email"), forward.clone(), &[]),
        ("a UPN", username("preset: keycloak, ", "claims.upn"), forward.clone(), &["upn decides who"]),
        ("Okta's sub", username("preset: okta, ", "claims.sub"), forward.clone(), &["sub decides who … login name … bind to cid, uid"]),
        ("a repository", rule("preset: gitlab-ci, ", "claims.project_path == \"g/p\""), forward.clone(), &[
            "claimValidationRules replaces the rules of the preset gitlab-ci, and does not have its has(claims.project_id)",
            "claimValidationRules[0].expression project_path decides which tokens are accepted",
        ]),
        ("a rule without a preset", rule("", "claims.project_path == \"g/p\""), forward.clone(), &[]),
        ("anybody", open.clone(), mapped.clone(), &["permissions[0].issuers every repository at GitHub … bind to actor_id"]),
        ("a condition says who", open.clone(), condition("claims.repository_id == \"74\""), &[]),
        ("a condition that names", open.clone(), condition("claims.repository == \"o/r\""), &[
            "permissions[0].condition repository decides whether the permission holds for tokens of p",
        ]),
        ("a condition in part", open, condition("claims.repository_id == \"74\" || claims.ref == \"main\""), &[
            "permissions[0].issuers every repository",
        ]),
        ("a role", BOUND.to_owned(), granted("claims.actor == \"octocat\""), &["roles.map[0].when actor decides who gets the role \"r\""]),
        ("a subject", BOUND.to_owned(), minted("permissions: [{ clients: [a], issuers: [p] }]\n"), &[
            "token.subject the sub of tokens of p becomes the subject … subject: mapped",
        ]),
        ("a domain", "{ preset: google, issuer: { audiences: [a] }, claimValidationRules: [{ expression: 'claims.hd == \"e\"' }] }".to_owned(), mapped.clone(), &[]),
        ("anybody at Google", "{ preset: google, issuer: { audiences: [a] } }".to_owned(), mapped, &["anybody with a Google account"]),
    ] {
        let got = warnings(&entry, &audience);
        let fits = |(got, expected): (&String, &&str)| expected.split(" … ").all(|part| got.contains(part));
        assert!(got.len() == expected.len() && got.iter().zip(expected).all(fits), "{name}: {got:#?}");
    }
}

/// The example of each preset, as docs/issuers.md shows it.
#[test]
fn the_examples_of_the_presets_load() {
    use crate::adapters::config::presets::{Preset, names};
    for preset in names().filter_map(Preset::named) {
        let folder = Folder::new();
        folder.write("cambio.yaml", format!("{MAIN}{}", preset.example)).write("audiences/a.yaml", AUDIENCE);
        let got = folder.problems();
        assert!(got.is_empty(), "{}: {got:#?}", preset.name);
    }
}
