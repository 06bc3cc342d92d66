//! Who may be named under which issuance.

use super::{AUDIENCE, Folder, MAIN, TestEnvironment, load};
use crate::config::Config;

/// A realm with a key that trusts another realm and a foreign issuer.
fn folder(permission: &str) -> Folder {
    let folder = Folder::new();
    let main = MAIN
        .replace("subjectIssuers: [corp]", "subjectIssuers: [corp, lab, partner]\n    signingKey: corp.pem\n    refreshTokens: { keyFiles: [seal.key] }")
        + "  lab: { issuer: 'https://sso.example.org/realms/lab', subjectIssuers: [lab] }\n"
        + "issuers: { partner: { issuer: { url: 'https://p.example', audiences: [a] } } }\n";
    folder.write("cambio.yaml", main);
    folder.write("seal.key", crate::seal::generate().unwrap().expose());
    folder.write("corp.pem", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n");
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
        (
            "mint of all",
            "issuance: mint\n    issuers: [corp, lab, partner]\n    subjectTokens: [id_token, jwt]",
            "",
        ),
        (
            "translate",
            "issuance: translate\n    issuers: [lab, partner]\n    subjectTokens: [jwt, id_jag]",
            "",
        ),
        ("reissue of foreign tokens", "issuance: reissue\n    issuers: [lab]", "\"lab\" is a foreign issuer"),
        (
            "a refresh token for a foreign subject",
            "issuance: mint\n    issuers: [partner]\n    requestedTokens: [refresh_token]",
            "",
        ),
        (
            "a refresh token for one of the realm",
            "issuance: mint\n    requestedTokens: [access_token, refresh_token]",
            "refresh_token can't be had with minted tokens",
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
fn refresh_tokens_need_keys_to_seal_them() {
    let folder = folder("issuance: reissue\n    requestedTokens: [refresh_token]");
    let main = std::fs::read_to_string(folder.path("cambio.yaml")).unwrap();
    let good = "{ keyFiles: [seal.key] }";
    let key = crate::seal::generate().unwrap();
    folder.write("same.key", std::fs::read(folder.path("seal.key")).unwrap());
    folder.write("other.key", format!("{}\n", key.expose())).write("short.key", "AAAA");
    for (name, section, expected) in [
        ("one key", good, &[][..]),
        ("two keys", "{ keyFiles: [other.key, seal.key], lifetime: 720h }", &[]),
        ("none", "{ keyFiles: [] }", &["keyFiles: takes 1 to 8 files"]),
        ("no file", "{ keyFiles: [no.key] }", &["keyFiles[0]: the file \"no.key\" can't be read"]),
        (
            "no key",
            "{ keyFiles: [seal.key, short.key] }",
            &["keyFiles[1]: the file \"short.key\" is not 32 random"],
        ),
        ("the same twice", "{ keyFiles: [seal.key, same.key] }", &["keyFiles: has the same key twice"]),
        (
            "too long",
            "{ keyFiles: [seal.key], lifetime: 721h }",
            &["lifetime: \"721h\" is not between 60s and 720h"],
        ),
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
        warnings
            .iter()
            .filter(|one| one.message.contains("is the identity provider for this audience"))
            .count()
    };
    assert_eq!(said("issuance: reissue"), 0);
    assert_eq!(said("issuance: mint\n  - { clients: [x], issuance: mint }"), 1);
}

#[test]
fn demands_are_read() {
    let config = loaded("issuance: mint\n    oneTime: true\n  - { clients: [x], stillActive: true }");
    let permissions = &config.policy.realms["corp"]["back-end-api"].permissions;
    let demands: Vec<_> =
        permissions.iter().map(|one| (one.demands.one_time, one.demands.still_active)).collect();
    assert_eq!(demands, [(true, false), (false, true)]);
}
