//! Who may be named under which issuance.

use super::{AUDIENCE, Folder, MAIN, TestEnvironment, load, pem};
use crate::adapters::config::settings::Config;

/// What corp has besides: a key, and clients of Cambio's own to ask by.
const OF_CORP: &str = "subjectIssuers: [corp, lab, partner]
    signingKey: corp.pem
    refreshTokens: { keyFiles: [seal.key] }
    introspection: { clientId: cambio, clientSecretFile: secret }
    doors: { requestedSubject: judged }
    directory: { clientId: cambio, clientSecretFile: secret }";

/// A realm with a key that trusts another realm and a foreign issuer.
fn folder(permission: &str) -> Folder {
    let folder = Folder::new();
    let main = MAIN.replace("subjectIssuers: [corp]", OF_CORP)
        + "  lab: { issuer: 'https://sso.example.org/realms/lab', subjectIssuers: [lab] }\n"
        + "issuers: { partner: { issuer: { url: 'https://p.example', audiences: [a] } } }\n";
    folder.write("cambio.yaml", main);
    folder.write("seal.key", crate::adapters::seal::generate().unwrap().expose());
    folder.write("corp.pem", pem());
    folder.write("secret", "s3cret");
    let audience = AUDIENCE.replace("owner:", "realm: corp\nowner:").replace("scopes: [email]", permission);
    folder.write("audiences/a.yaml", audience);
    folder
}

fn loaded(permission: &str) -> Config {
    load(&folder(permission).path("cambio.yaml"), &TestEnvironment).unwrap()
}

#[test]
fn every_issuer_is_every_one_whose_tokens_the_issuance_exchanges() {
    for (issuance, expected) in [
        ("forward", &["corp"][..]),
        ("reissue", &["corp"]),
        ("translate", &["lab", "partner"]),
        ("mint", &["corp", "lab", "partner"]),
    ] {
        let config = loaded(&format!("issuance: {issuance}\n    issuers: ['*']"));
        let issuers = &config.policy.realms["corp"]["back-end-api"].permissions[0].issuers;
        for name in ["corp", "lab", "partner", "nobody"] {
            assert_eq!(issuers.contains(name), expected.contains(&name), "{issuance} {name}");
        }
    }
}

#[test]
fn what_each_issuance_refuses() {
    for (name, permission, expected) in [
        ("mint of all", "issuance: mint\n    issuers: [corp, lab, partner]\n    subjectTokens: [id_token, jwt]", ""),
        ("translate", "issuance: translate\n    issuers: [lab, partner]\n    subjectTokens: [jwt, id_jag]", ""),
        ("reissue of foreign tokens", "issuance: reissue\n    issuers: [lab]", "\"lab\" is a foreign issuer"),
        (
            "a refresh token for a foreign subject",
            "issuance: mint\n    issuers: [partner]\n    requestedTokens: [refresh_token]",
            "",
        ),
        (
            "a refresh token for one of the realm",
            "issuance: mint\n    requestedTokens: [access_token, refresh_token]",
            "refresh_token is not possible with minted tokens",
        ),
        ("a refresh token by reissue", "issuance: reissue\n    requestedTokens: [refresh_token]", ""),
    ] {
        let problems = folder(permission).problems();
        match expected {
            "" => assert!(problems.is_empty(), "{name}: {problems:#?}"),
            text => assert!(problems.len() == 1 && problems[0].contains(text), "{name}: {problems:#?}"),
        }
    }
}

#[test]
fn who_may_act_is_said_in_full() {
    let acting = |rest: &str| format!("issuance: reissue\n    delegation: {{ {rest} }}");
    for (name, delegation, expected) in [
        ("all by default", "", &[][..]),
        (
            "all said",
            "actor: required, issuers: [partner, corp], condition: \"actor.azp == 'x'\", withoutMayAct: true, depth: 8",
            &[],
        ),
        ("earlier ones alone", "actor: forbidden, depth: 1", &[]),
        ("a slip", "actr: optional", &["delegation.actr: unknown key"]),
        (
            "whose token",
            "issuers: [nobody]",
            &["delegation.issuers[0]: \"nobody\" is not among realms.corp.subjectIssuers"],
        ),
        ("nobody's token", "issuers: []", &["delegation.issuers: is empty"]),
        ("who", "withoutMayAct: true", &["delegation.withoutMayAct: needs a condition"]),
        ("how deep", "depth: 9", &["delegation.depth: 9 is not between 1 and 8"]),
        ("not deep", "depth: 0", &["delegation.depth: 0 is not between 1 and 8"]),
        ("no actor, and who", "actor: forbidden, condition: 'true'", &["delegation.condition: is about actor tokens"]),
        (
            "about whom",
            "condition: requested.sub == 'x'",
            &["delegation.condition: does not compile: there is no variable requested"],
        ),
    ] {
        let problems = folder(&acting(delegation)).problems();
        assert_eq!(problems.len(), expected.len(), "{name}: {problems:#?}");
        assert!(problems.iter().zip(expected).all(|(got, part)| got.contains(part)), "{name}: {problems:#?}");
    }
    let config = loaded(&acting("issuers: ['*']"));
    let delegation = config.policy.realms["corp"]["back-end-api"].permissions[0].delegation.as_ref().unwrap();
    assert!(["corp", "lab", "partner"].iter().all(|name| delegation.issuers.contains(name)));
    assert!(!delegation.issuers.contains("nobody"), "every issuer is every one that the realm trusts");
    let problems = folder("issuance: reissue\n    condition: actor.azp == 'x'").problems();
    assert!(problems.len() == 1 && problems[0].contains("there is no variable actor"), "{problems:#?}");
}

#[test]
fn who_may_become_whom_is_said_in_full() {
    let becoming = |rest: &str, whom: &str| {
        format!(
            "issuance: mint\n    {rest}impersonation: {{ who: claims.vip, whom: {whom} }}\nroles: {{ source: directory }}\n#"
        )
    };
    for (name, permission, expected) in [
        ("all said", becoming("", "requested.vip"), &[][..]),
        (
            "foreign ones",
            becoming("issuers: [corp, lab]\n    ", "requested.vip"),
            &["impersonation: is possible within the realm only"],
        ),
        ("an actor", becoming("", "actor.vip"), &["impersonation.whom: does not compile: there is no variable actor"]),
        (
            "the subject token's roles",
            becoming("", "requested.vip").replace("directory", "token"),
            &["impersonation: needs `source: directory`"],
        ),
    ] {
        let problems = folder(&permission).problems();
        assert_eq!(problems.len(), expected.len(), "{name}: {problems:#?}");
        assert!(problems.iter().zip(expected).all(|(got, part)| got.contains(part)), "{name}: {problems:#?}");
    }
}

#[test]
fn impersonation_says_what_it_does_not_see() {
    let permission =
        "issuance: mint\n    impersonation: { who: claims.vip, whom: requested.vip }\nroles: { source: directory }\n#";
    let warnings: Vec<_> = loaded(permission).warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.iter().any(|one| one.contains("fine-grained admin permissions (version 2)")), "{warnings:#?}");
}

#[test]
fn refresh_tokens_need_keys_to_seal_them() {
    let folder = folder("issuance: reissue\n    requestedTokens: [refresh_token]");
    let main = std::fs::read_to_string(folder.path("cambio.yaml")).unwrap();
    let good = "{ keyFiles: [seal.key] }";
    let key = crate::adapters::seal::generate().unwrap();
    folder.write("same.key", std::fs::read(folder.path("seal.key")).unwrap());
    folder.write("other.key", format!("{}\n", key.expose())).write("short.key", "AAAA");
    for (name, section, expected) in [
        ("one key", good, &[][..]),
        ("two keys", "{ keyFiles: [other.key, seal.key] }", &[]),
        ("none", "{ keyFiles: [] }", &["keyFiles: is empty: name the file"]),
        ("no file", "{ keyFiles: [no.key] }", &["keyFiles[0]: the file \"no.key\" can't be read"]),
        (
            "no key",
            "{ keyFiles: [seal.key, short.key] }",
            &["keyFiles[1]: the file \"short.key\" does not have 32 random"],
        ),
        ("the same twice", "{ keyFiles: [seal.key, same.key] }", &["keyFiles: has the same key twice"]),
    ] {
        folder.write("cambio.yaml", main.replace(good, section));
        let problems = folder.problems();
        assert_eq!(problems.len(), expected.len(), "{name}: {problems:#?}");
        assert!(problems.iter().zip(expected).all(|(got, part)| got.contains(part)), "{name}: {problems:#?}");
    }
    folder.write("cambio.yaml", main.replace(&format!("    refreshTokens: {good}\n"), ""));
    let problems = folder.problems();
    assert!(
        problems.len() == 1 && problems[0].contains("refresh_token needs realms.corp.refreshTokens"),
        "{problems:#?}"
    );
}

#[test]
fn what_mint_means_is_said_once_for_an_audience() {
    let said = |permission: &str| {
        let warnings = loaded(permission).warnings;
        warnings.iter().filter(|one| one.message.contains("is the identity provider for this audience")).count()
    };
    assert_eq!(said("issuance: reissue"), 0);
    assert_eq!(said("issuance: mint\n  - { clients: [x], issuance: mint }"), 1);
}

#[test]
fn demands_are_read() {
    let config = loaded("issuance: mint\n    oneTime: true\n  - { clients: [x], stillActive: true }");
    let permissions = &config.policy.realms["corp"]["back-end-api"].permissions;
    let demands: Vec<_> = permissions.iter().map(|one| (one.demands.one_time, one.demands.still_active)).collect();
    assert_eq!(demands, [(true, false), (false, true)]);
}

/// The audience file with these permissions and further keys.
fn problems(permission: &str, more: &str) -> Vec<String> {
    let folder = folder(permission);
    let text = std::fs::read_to_string(folder.path("audiences/a.yaml")).unwrap();
    folder.write("audiences/a.yaml", text.strip_suffix("issuance: forward\n").unwrap().to_owned() + more);
    folder.problems()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn roles_and_claims_are_held_to_the_issuance_and_to_what_can_be_seen() {
    const MINT: &str = "issuance: mint\n    issuers: [corp, partner]";
    let reserved = "can't be set: the claim identifies the token";
    for (name, permission, more, expected) in [
        (
            "all of it",
            MINT,
            "roles:\n  map:\n  - { from: clerk, to: reader }\n  - { from: 'realm:auditor', to: reader }\n  - { from: \
             'client:other-app/approver', to: reader }\n  - { from: 'group:/staff/payments', to: payer, issuers: [corp, \
             partner] }\n  - { from: 'scope:payments', to: payer }\n  - { when: \"'a' in claims.groups\", to: x, issuers: \
             ['*'] }\n  static: [user]\n  output: both\n  claim: perms\ntoken: { profile: rfc9068, set: { tenant: \
             'claims.org' }, refreshLifetime: 720h }\n",
            &[][..],
        ),
        (
            "sources that are none",
            MINT,
            "roles: { map: [{ from: 'client:x', to: a }, { from: 'group:', to: a }, { from: 'scope:a b', to: a }] }\n",
            &[
                "map[0].from: must be client:ID/ROLE",
                "map[1].from: must be a name",
                "map[2].from: \"scope:a b\" is not a scope token",
            ],
        ),
        (
            "an own role in a foreign token",
            MINT,
            "roles: { map: [{ from: clerk, to: a, issuers: [partner] }] }\n",
            &["map[0].issuers: only the realm's own tokens have roles of the audience itself"],
        ),
        (
            "a line about a stranger",
            MINT,
            "roles: { map: [{ from: 'group:x', to: a, issuers: [nobody] }] }\n",
            &["map[0].issuers[0]: \"nobody\" is not among realms.corp.subjectIssuers"],
        ),
        (
            "a default that never comes",
            MINT,
            "roles: { static: [a], default: [b] }\n",
            &["roles.default: has no effect"],
        ),
        ("a flat claim that nobody writes", MINT, "roles: { claim: x }\n", &["roles.claim: needs `output: claim`"]),
        (
            "sub as role claim",
            MINT,
            "roles: { output: claim, claim: sub }\n",
            &["roles.claim: \"sub\" has another meaning"],
        ),
        (
            "a claim written twice",
            MINT,
            "roles: { output: claim }\ntoken: { claims: [roles] }\n",
            &["token.claims[0]: is the claim of roles.claim"],
        ),
        (
            "claims that can't be set",
            MINT,
            "token: { set: { act: '1', realm_access: '1', sub: '1' } }\n",
            &[reserved, reserved, reserved],
        ),
        (
            "the flat claim of roles can't be set",
            MINT,
            "roles: { output: claim, claim: perms }\ntoken: { set: { perms: '1' } }\n",
            &[reserved],
        ),
        ("a template that is none", MINT, "token: { set: { a: 'claims.' } }\n", &["token.set.a: does not compile"]),
        ("who may act", MINT, "token: { mayAct: \"{'client_id': client, 'sub': actor.sub}\" }\n", &[]),
        ("a rule that is none", MINT, "token: { mayAct: '{' }\n", &["token.mayAct: does not compile"]),
        ("a rule about nobody", MINT, "token: { mayAct: requested.sub }\n", &["token.mayAct: does not compile"]),
        (
            "a name that nobody maps",
            MINT,
            "token: { subject: mapped }\n",
            &["token.subject: mapped: set issuers.partner.claimMappings.username"],
        ),
        ("a life that is too long", MINT, "token: { refreshLifetime: 721h }\n", &["is not between 10s and 720h"]),
        (
            "what a forwarded token can't have",
            "issuance: forward",
            "roles: { static: [a], output: claim }\ntoken: { set: { a: '1' }, mayAct: '{}' }\n",
            &[
                "roles.output: needs",
                "roles.static: needs",
                "token.set: needs `issuance: reissue`",
                "token.mayAct: needs",
            ],
        ),
        (
            "what only mint decides",
            "issuance: reissue",
            "token: { profile: rfc9068, subject: keep }\n",
            &["token.profile: needs `issuance: mint`", "token.subject: needs"],
        ),
        (
            "where the directory gives no roles",
            "issuance: forward",
            "roles: { source: directory }\n",
            &["roles.source: needs `issuance: mint` or `reissue`"],
        ),
    ] {
        let mut got = problems(permission, more);
        for part in expected {
            match got.iter().position(|one| one.contains(part)) {
                Some(index) => drop(got.remove(index)),
                None => panic!("{name}: no {part} in {got:#?}"),
            }
        }
        assert!(got.is_empty(), "{name}: {got:#?}");
    }
}

#[test]
fn a_subject_that_could_be_somebody_else_is_worth_a_warning() {
    let warned = |permission: &str| {
        let folder = folder(permission);
        let text = std::fs::read_to_string(folder.path("audiences/a.yaml")).unwrap();
        folder.write("audiences/a.yaml", text + "token: { subject: keep }\n");
        let config = load(&folder.path("cambio.yaml"), &TestEnvironment).unwrap();
        config.warnings.iter().any(|one| one.key == "token.subject")
    };
    assert!(warned("issuance: mint\n    issuers: [partner]"));
    assert!(!warned("issuance: mint"));
}

#[test]
fn every_claim_is_none_of_a_foreign_token() {
    let warned = |permission: &str| {
        let folder = folder(permission);
        let text = std::fs::read_to_string(folder.path("audiences/a.yaml")).unwrap();
        folder.write("audiences/a.yaml", text + "token: { claims: ['*'] }\n");
        let config = load(&folder.path("cambio.yaml"), &TestEnvironment).unwrap();
        config.warnings.iter().any(|one| one.key == "token.claims" && one.message.contains("foreign"))
    };
    assert!(warned("issuance: mint\n    issuers: [partner]"));
    assert!(!warned("issuance: mint"));
}

#[test]
fn what_is_asked_for_needs_somebody_to_ask_as() {
    for (name, key, permission, expected) in [
        ("stillActive", "introspection", "issuance: mint\n    stillActive: true", "needs realms.corp.introspection"),
        (
            "stillActive about foreign tokens",
            "",
            "issuance: mint\n    issuers: [corp, partner]\n    stillActive: true",
            "the realm corp can answer only for its own tokens",
        ),
        ("the directory", "directory", "issuance: mint\nroles: { source: directory }", "set realms.corp.directory"),
    ] {
        let folder = folder(permission);
        let main = std::fs::read_to_string(folder.path("cambio.yaml")).unwrap();
        let without: Vec<&str> =
            main.lines().filter(|line| key.is_empty() || !line.trim_start().starts_with(key)).collect();
        folder.write("cambio.yaml", without.join("\n"));
        let told = folder.problems();
        assert!(told.len() == 1 && told[0].contains(expected), "{name}: {told:?}");
    }
}

#[test]
fn the_platform_allows_claims_about_the_person_by_name() {
    let claims = "acr: '1', email: '1', upn: '1', tenant: '1'";
    let folder = folder(&format!("issuance: mint\n    issuers: [corp]\ntoken: {{ set: {{ {claims} }} }}\n#"));
    let main = std::fs::read_to_string(folder.path("cambio.yaml")).unwrap();
    for (allowed, expected) in [("", &["tenant"][..]), ("    identityClaims: [acr]\n", &["acr", "tenant"])] {
        let text = main.replacen("    subjectIssuers:", &format!("{allowed}    subjectIssuers:"), 1);
        folder.write("cambio.yaml", text);
        let config = load(&folder.path("cambio.yaml"), &()).unwrap();
        let set: Vec<_> = config.policy.realms["corp"]["back-end-api"].token.set.keys().cloned().collect();
        assert_eq!(set, expected);
        let named = config.warnings.iter().filter(|one| one.message.contains("is left out of the tokens")).count();
        assert_eq!(named, 4 - expected.len());
    }
}

#[test]
fn a_life_beyond_the_subject_tokens_is_named() {
    for (issuance, expected) in [("reissue", 1), ("forward", 1), ("mint", 1), ("translate", 0)] {
        let config = loaded(&format!("issuance: {issuance}\ntoken: {{ withinSubject: false }}\n#"));
        let named = config.warnings.iter().filter(|one| one.key == "token.withinSubject").count();
        assert_eq!(named, expected, "{issuance}");
    }
}

#[test]
fn an_offline_refresh_token_that_keycloak_refuses_is_named() {
    for (issuance, scopes, requested, expected) in [
        ("reissue", "[email, offline_access]", "[access_token, refresh_token]", 1),
        ("reissue", "[email, offline_access]", "[access_token]", 0),
        ("reissue", "['*']", "[access_token, refresh_token]", 0),
        ("forward", "[offline_access]", "[access_token]", 0),
        ("mint", "[offline_access]", "[access_token]", 0),
    ] {
        let config = loaded(&format!("issuance: {issuance}\n    scopes: {scopes}\n    requestedTokens: {requested}"));
        let named = config.warnings.iter().filter(|one| one.message.starts_with("offline_access:")).count();
        assert_eq!(named, expected, "{issuance} {scopes} {requested}");
    }
}
