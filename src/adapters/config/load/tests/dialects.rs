//! What an audience file says for the callers of a dialect: default scopes, further claims, and how the token is made.

use super::{AUDIENCE, Folder, MAIN, TestEnvironment, load, pem};

/// A realm of this dialect that trusts a foreign issuer, and an audience file with this permission and these lines.
fn folder(dialect: &str, permission: &str, lines: &str) -> Folder {
    let folder = Folder::new();
    let of_corp = format!("subjectIssuers: [corp, partner]\n    signingKey: corp.pem\n    dialect: {dialect}");
    let main = MAIN.replace("subjectIssuers: [corp]", &of_corp)
        + "issuers: { partner: { issuer: { url: 'https://p.example', audiences: [a] } } }\n";
    folder.write("cambio.yaml", main).write("corp.pem", pem());
    let audience = AUDIENCE.replace("issuance: forward\n", "").replace("scopes: [email]", permission);
    folder.write("audiences/a.yaml", format!("{audience}{lines}"));
    folder
}

#[track_caller]
fn assert_problems(name: &str, folder: &Folder, expected: &[&str]) {
    let mut got = folder.problems();
    for part in expected {
        match got.iter().position(|one| one.contains(part)) {
            Some(index) => drop(got.remove(index)),
            None => panic!("{name}: no {part} in {got:#?}"),
        }
    }
    assert!(got.is_empty(), "{name}: {got:#?}");
}

#[test]
#[rustfmt::skip]
fn a_listed_claim_without_effect_is_named() {
    const ALONE: &str = "Cambio alone decides";
    let (reissue, forward) = ("issuance: reissue", "issuance: forward");
    let (own, foreign) = ("issuance: mint", "issuance: mint\n    issuers: [partner]");
    let both = "issuance: mint\n    issuers: [corp, partner]";
    for (permission, claims, expected) in [
        (reissue, "department, groups, email, acr, sid, upn, at_hash", &[][..]),
        (forward, "department, groups, email, acr, sid, upn, at_hash, nonce", &[]),
        (own, "department, groups, email, acr, sid, upn", &[]),
        (both, "department, groups, email, acr, sid", &[]),
        (foreign, "department, email, acr, upn", &[]),
        (foreign, "'*'", &[]),
        (reissue, "scope, sub, iss, aud, azp, client_id, exp, iat, jti, nbf, typ, cnf", &[ALONE; 12]),
        (forward, "scope, sub", &[ALONE; 2]),
        (both, "subject_issuer, impersonated, derived_from, refresh_family, owner_claims", &[ALONE; 5]),
        (reissue, "act, may_act", &["act has no effect here: the new token has it if delegation", "may_act has no effect"]),
        (own, "realm_access, resource_access", &["`roles` of this file decides"; 2]),
        (reissue, "nonce", &["token.claims[0]: nonce has no effect here: it belongs to one login"]),
        (own, "nonce, at_hash, events", &["nonce has", "at_hash has no effect here: it belongs to the subject token", "events has"]),
        (foreign, "sid, groups", &["sid has no effect here: a token that is minted for a foreign", "groups has no effect here: a foreign issuer's roles"]),
    ] {
        let name = format!("{permission}: {claims}");
        assert_problems(&name, &folder("keycloak", permission, &format!("token: {{ claims: [{claims}] }}\n")), expected);
    }
}

#[test]
#[rustfmt::skip]
fn default_scopes_are_among_the_scopes_and_minted() {
    for (permission, expected) in [
        ("issuance: mint\n    scopes: [api, email]\n    defaultScopes: [api]", &[][..]),
        ("issuance: mint\n    scopes: [api]\n    defaultScopes: []", &[]),
        ("issuance: mint\n    scopes: [api]\n    defaultScopes: [email]", &["defaultScopes[0]: \"email\" is not among scopes"]),
        ("issuance: mint\n    defaultScopes: [email]", &["defaultScopes[0]: \"email\" is not among scopes"]),
        ("issuance: mint\n    scopes: ['*']\n    defaultScopes: [email]", &["defaultScopes[0]: \"email\" is not among scopes"]),
        ("issuance: mint\n    scopes: [offline_access]\n    defaultScopes: [offline_access]", &["offline_access must be requested by name"]),
        ("issuance: mint\n    scopes: ['a b']\n    defaultScopes: ['a b']", &["scopes[0]: \"a b\" is not a scope", "defaultScopes[0]: \"a b\" is not a scope"]),
        ("issuance: reissue\n    scopes: [api]\n    defaultScopes: [api]", &["defaultScopes: needs `issuance: mint`"]),
        ("issuance: forward\n    scopes: [api]\n    defaultScopes: [api]", &["defaultScopes: needs `issuance: mint`"]),
    ] {
        assert_problems(permission, &folder("keycloak", permission, ""), expected);
    }
}

/// The dialect and the identity provider demand two different `aud`.
#[test]
fn pace_and_translate_exclude_each_other() {
    let translate = "issuance: translate\n    issuers: [partner]";
    let expected = &["permissions[0].issuance: translate can't work with this realm's dialect"][..];
    assert_problems("pace", &folder("pace", translate, ""), expected);
    let by_default = folder("pace", "issuers: [partner]", "issuance: translate\n");
    assert_problems("by default", &by_default, &["issuance: translate can't work"]);
    assert_problems("mint", &folder("pace", "issuance: mint\n    issuers: [partner]", ""), &[]);
    for dialect in ["keycloak", "cern", "terradue", "key-bridge", "forgerock", "rfc8693"] {
        assert_problems(dialect, &folder(dialect, translate, ""), &[]);
    }
}

#[test]
fn a_uuid_needs_mint() {
    let minted = folder("pace", "issuance: mint\n    issuers: [partner]", "token: { subject: uuid }\n");
    assert_problems("mint", &minted, &[]);
    assert!(load(&minted.path("cambio.yaml"), &TestEnvironment).is_ok());
    let reissued = folder("keycloak", "issuance: reissue", "token: { subject: uuid }\n");
    assert_problems("reissue", &reissued, &["token.subject: needs `issuance: mint`"]);
}
