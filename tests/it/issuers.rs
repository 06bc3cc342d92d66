//! Issuers as they are: what their tokens look like, and which setting accepts what the default refuses.
//!
//! The tokens are made after the public documentation of each product, and signed with the key of one realm.

use serde_json::{Map, Value, json};

use crate::refresh_tokens;
use crate::support::files::BACK_END_API;
use crate::support::token;
use crate::support::world::{ACCESS_TOKEN, ID_TOKEN, Plan, World};

const AUDIENCE: &str = "https://sso.example.org";
const IDENTITY: &str = "{ url: \"http://sso.example.org/realms/partner\", audiences: [\"https://sso.example.org\"] }";

/// A claim of this value is left out.
const ABSENT: Value = Value::Null;

/// One entry of `issuers` for each product: the identity, and the other settings.
const ISSUERS: [(&str, &str, &str); 26] = [
    ("apple", "url: 'https://appleid.apple.com'", ""),
    ("auth0", "url: 'https://tenant.eu.auth0.com/'", ""),
    ("authentik", "url: 'https://authentik.example.org/application/o/app/'", "accessTokens: { mayHave: [nonce] }"),
    ("cognito", "url: 'https://cognito-idp.eu-central-1.amazonaws.com/pool', audienceClaim: client_id", ""),
    (
        "dex",
        "url: 'https://dex.example.org'",
        "accessTokens: { mayHave: [at_hash, nonce, email_verified, name, preferred_username] }",
    ),
    (
        "entra",
        "url: 'https://login.microsoftonline.com/{tenantid}/v2.0', tenants: [t-1, t-2]",
        "clientClaim: azp\n    groupsOverage: accept",
    ),
    ("entra-v1", "url: 'https://sts.windows.net/{tenantid}/', tenants: [t-1]", "clientClaim: appid"),
    ("firebase", "url: 'https://securetoken.google.com/project'", ""),
    ("forgerock", "url: 'https://am.example.org:443/am/oauth2/alpha'", ""),
    (
        "github",
        "url: 'https://token.actions.githubusercontent.com'",
        "accessTokens: { expression: '\"repository\" in claims' }",
    ),
    ("gitlab", "url: 'https://gitlab.example.org'", ""),
    ("gitlab-ci", "url: 'https://gitlab.com'", "accessTokens: { expression: '\"project_path\" in claims' }"),
    ("google", "url: 'https://accounts.google.com'", ""),
    ("google-old", "url: accounts.google.com", ""),
    ("hydra", "url: 'https://hydra.example.org/', audienceClaim: client_id", "clientClaim: client_id"),
    ("keycloak", "url: 'https://kc.example.org/realms/other'", ""),
    (
        "kubernetes",
        "url: 'https://kubernetes.default.svc'",
        "accessTokens: { expression: '\"kubernetes.io\" in claims' }",
    ),
    ("kubernetes-old", "url: kubernetes/serviceaccount", "accessTokens: { expression: '\"kubernetes.io\" in claims' }"),
    ("okta", "url: 'https://dev-1.okta.com/oauth2/default'", "clientClaim: cid"),
    ("pingfederate", "url: 'https://ping.example.org', audienceClaim: client_id", "subjectClaim: Username"),
    ("salesforce", "url: 'https://login.salesforce.com'", ""),
    (
        "spire",
        "url: 'https://spire.example.org'",
        "accessTokens: { expression: 'claims.sub.startsWith(\"spiffe://\")' }",
    ),
    ("typed", "url: 'https://typed.example.org'", "accessTokens: { mayHave: [typ] }"),
    ("urn", "url: 'urn:acme:idp'", ""),
    ("wso2", "url: wso2.org/products/am", ""),
    ("xsuaa", "url: 'https://sub.authentication.eu10.hana.ondemand.com/oauth/token'", "clientClaim: client_id"),
];

/// A world that trusts all of [`ISSUERS`], whose tokens one key signs.
async fn world() -> World {
    let plan = Plan::new().await;
    let keys = format!("http://{}/realms/partner/protocol/openid-connect/certs", plan.idp.address());
    let entry = |issuer: &(&str, &str, &str)| {
        let (name, identity, rest) = issuer;
        let rest = if rest.is_empty() { String::new() } else { format!("    {rest}\n") };
        format!("  {name}:\n    issuer: {{ {identity}, audiences: [\"{AUDIENCE}\"] }}\n    jwksURL: {keys}\n{rest}")
    };
    let names = ISSUERS.map(|issuer| issuer.0).join(", ");
    let entries: String = ISSUERS.iter().map(entry).collect();
    let map =
        "{ to: reader, from: 'scope:read', issuers: [\"*\"] }, { to: member, from: 'group:g-1', issuers: [\"*\"] }";
    let audience = BACK_END_API.replace("roles: { own: true }", &format!("roles: {{ own: true, map: [{map}] }}"));
    plan.configure("subjectIssuers: [corp, partner]", &format!("subjectIssuers: [corp, {names}]"))
        .configure("audiences: ./audiences\n", &format!("{entries}audiences: ./audiences\n"))
        .audience("back-end-api", &format!("{audience}{}", permissions("corp, ", &names)))
        .start()
        .await
}

fn permissions(own: &str, names: &str) -> String {
    format!(
        "permissions:
  - {{ clients: [front-end-app], issuers: [{own}{names}], issuance: mint, subjectTokens: [access_token, id_token],
      delegation: {{ actor: optional, withoutMayAct: true, condition: \"actor.sub != ''\", issuers: [{own}{names}] }} }}
"
    )
}

/// Signs a token with these claims besides those that most tokens have.
fn sign(world: &World, changes: Value) -> String {
    let mut claims: Map<String, Value> = Map::new();
    for (name, value) in [
        ("aud", json!(AUDIENCE)),
        ("sub", json!("u-1")),
        ("iat", json!(world.now() - 10)),
        ("exp", json!(world.now() + 60)),
    ] {
        claims.insert(name.to_owned(), value);
    }
    let Value::Object(changes) = changes else { unreachable!() };
    claims.extend(changes);
    claims.retain(|_, value| *value != ABSENT);
    world.idp.signing_key("partner").unwrap().sign(&claims).unwrap()
}

#[tokio::test]
#[rustfmt::skip]
async fn the_tokens_of_known_issuers_can_be_exchanged() {
    let world = world().await;
    let now = world.now();
    let entra = "https://login.microsoftonline.com/t-1/v2.0";
    for (name, kind, claims, sub) in [
        ("Apple", ID_TOKEN, json!({"iss": "https://appleid.apple.com", "at_hash": "h", "email_verified": "true", "nonce_supported": true, "auth_time": now}), "apple#u-1"),
        ("Auth0", ACCESS_TOKEN, json!({"iss": "https://tenant.eu.auth0.com/", "sub": "auth0|1", "aud": [AUDIENCE, "https://tenant.eu.auth0.com/userinfo"], "azp": "app", "scope": "openid read", "gty": "password"}), "auth0#auth0|1"),
        ("Auth0, a machine", ACCESS_TOKEN, json!({"iss": "https://tenant.eu.auth0.com/", "sub": "app@clients", "azp": "app", "gty": "client-credentials"}), "auth0#app@clients"),
        ("authentik", ACCESS_TOKEN, json!({"iss": "https://authentik.example.org/application/o/app/", "acr": "goauthentik.io/providers/oauth2/default", "amr": ["pwd"], "auth_time": now, "nonce": "n", "azp": "app", "uid": "x", "scope": "openid read", "email": "u@x", "email_verified": true}), "authentik#u-1"),
        ("Cognito", ACCESS_TOKEN, json!({"iss": "https://cognito-idp.eu-central-1.amazonaws.com/pool", "aud": ABSENT, "client_id": AUDIENCE, "token_use": "access", "scope": "aws.cognito.signin.user.admin read", "auth_time": now, "origin_jti": "o", "event_id": "e", "version": 2, "username": "u", "cognito:groups": ["g"]}), "cognito#u-1"),
        ("Cognito, bound to a resource", ACCESS_TOKEN, json!({"iss": "https://cognito-idp.eu-central-1.amazonaws.com/pool", "client_id": "app", "token_use": "access", "scope": "read"}), "cognito#u-1"),
        ("Cognito's ID token", ID_TOKEN, json!({"iss": "https://cognito-idp.eu-central-1.amazonaws.com/pool", "token_use": "id", "at_hash": "h", "email_verified": "true", "cognito:username": "u"}), "cognito#u-1"),
        ("Dex", ACCESS_TOKEN, json!({"iss": "https://dex.example.org", "sub": "CgR1LTEwEgRsZGFw", "at_hash": "h", "nonce": "n", "email": "u@x", "email_verified": true, "name": "U", "preferred_username": "u", "groups": ["g-1"], "federated_claims": {"connector_id": "ldap"}}), "dex#CgR1LTEwEgRsZGFw"),
        ("Entra, version 2", ACCESS_TOKEN, json!({"iss": entra, "tid": "t-1", "azp": "app", "azpacr": "1", "scp": "read Files.Read", "oid": "o", "ver": "2.0", "name": "U", "preferred_username": "u@x"}), "entra#t-1#u-1"),
        ("Entra, an app", ACCESS_TOKEN, json!({"iss": entra, "tid": "t-1", "azp": "app", "azpacr": "1", "roles": ["x"], "oid": "o", "ver": "2.0", "idtyp": "app"}), "entra#t-1#u-1"),
        ("Entra's ID token", ID_TOKEN, json!({"iss": entra, "tid": "t-1", "nonce": "n", "name": "U", "preferred_username": "u@x", "ver": "2.0"}), "entra#t-1#u-1"),
        ("Entra, another tenant", ACCESS_TOKEN, json!({"iss": "https://login.microsoftonline.com/t-2/v2.0", "tid": "t-2", "azp": "app", "scp": "read"}), "entra#t-2#u-1"),
        ("Entra, version 1", ACCESS_TOKEN, json!({"iss": "https://sts.windows.net/t-1/", "tid": "t-1", "appid": "app", "appidacr": "1", "acr": "1", "amr": ["pwd"], "scp": "read", "ver": "1.0", "upn": "u@x", "unique_name": "u@x"}), "entra-v1#t-1#u-1"),
        ("Firebase", ID_TOKEN, json!({"iss": "https://securetoken.google.com/project", "auth_time": now, "user_id": "u-1", "email_verified": false, "firebase": {"sign_in_provider": "password"}}), "firebase#u-1"),
        ("ForgeRock", ACCESS_TOKEN, json!({"iss": "https://am.example.org:443/am/oauth2/alpha", "sub": "(usr!u-1)", "subname": "u-1", "cts": "OAUTH2_STATELESS_GRANT", "auth_level": 0, "auditTrackingId": "a", "tokenName": "access_token", "token_type": "Bearer", "authGrantId": "g", "nbf": now - 10, "grant_type": "authorization_code", "scope": ["openid", "read"], "auth_time": now, "realm": "/alpha", "expires_in": 3599}), "forgerock#(usr!u-1)"),
        ("GitHub Actions", ACCESS_TOKEN, json!({"iss": "https://token.actions.githubusercontent.com", "sub": "repo:o/r:ref:refs/heads/main", "repository": "o/r", "actor": "x", "event_name": "push", "environment": "prod", "ref": "refs/heads/main", "nbf": now - 10}), "github#repo:o/r:ref:refs/heads/main"),
        ("GitLab's ID token", ID_TOKEN, json!({"iss": "https://gitlab.example.org", "auth_time": now, "sub_legacy": "x", "name": "U", "groups_direct": ["g"], "email_verified": true}), "gitlab#u-1"),
        ("GitLab CI", ACCESS_TOKEN, json!({"iss": "https://gitlab.com", "sub": "project_path:g/p:ref_type:branch:ref:main", "project_path": "g/p", "user_login": "x", "user_email": "u@x", "nbf": now - 10, "jti": "j"}), "gitlab-ci#project_path:g/p:ref_type:branch:ref:main"),
        ("Google", ID_TOKEN, json!({"iss": "https://accounts.google.com", "azp": "app", "at_hash": "h", "hd": "example.org", "email": "u@example.org", "email_verified": true, "name": "U"}), "google#u-1"),
        ("Google without scheme", ID_TOKEN, json!({"iss": "accounts.google.com", "azp": "app", "at_hash": "h"}), "google-old#u-1"),
        ("Hydra", ACCESS_TOKEN, json!({"iss": "https://hydra.example.org/", "aud": [], "client_id": AUDIENCE, "ext": {}, "scp": ["openid", "read"], "scope": "openid read", "nbf": now - 10}), "hydra#u-1"),
        ("Keycloak", ACCESS_TOKEN, json!({"iss": "https://kc.example.org/realms/other", "typ": "Bearer", "azp": "app", "sid": "s", "acr": "1", "scope": "openid read", "aud": ["account", AUDIENCE]}), "keycloak#u-1"),
        ("Keycloak's ID token", ID_TOKEN, json!({"iss": "https://kc.example.org/realms/other", "typ": "ID", "azp": "app", "at_hash": "h"}), "keycloak#u-1"),
        ("Kubernetes", ACCESS_TOKEN, json!({"iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:a:b", "aud": [AUDIENCE], "kubernetes.io": {"namespace": "a", "serviceaccount": {"name": "b"}}, "nbf": now - 10}), "kubernetes#system:serviceaccount:a:b"),
        ("Kubernetes, as kubeadm had it", ACCESS_TOKEN, json!({"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:a:b", "aud": [AUDIENCE], "kubernetes.io": {"namespace": "a"}}), "kubernetes-old#system:serviceaccount:a:b"),
        ("Okta", ACCESS_TOKEN, json!({"iss": "https://dev-1.okta.com/oauth2/default", "ver": 1, "jti": "AT.x", "cid": "app", "uid": "00u", "scp": ["openid", "read"], "auth_time": now, "sub": "u@x"}), "okta#u@x"),
        ("PingFederate", ACCESS_TOKEN, json!({"iss": "https://ping.example.org", "sub": ABSENT, "aud": ABSENT, "iat": ABSENT, "scope": ["openid", "read"], "client_id": AUDIENCE, "Username": "joe", "OrgName": "o"}), "pingfederate#joe"),
        ("Salesforce", ACCESS_TOKEN, json!({"iss": "https://login.salesforce.com", "sub": "uid:005", "scp": "read", "client_id": "app", "tty": "sfdc-core-token", "aud": [AUDIENCE]}), "salesforce#uid:005"),
        ("SPIRE", ACCESS_TOKEN, json!({"iss": "https://spire.example.org", "sub": "spiffe://example.org/ns/a", "aud": [AUDIENCE]}), "spire#spiffe://example.org/ns/a"),
        ("a typ of its own", ACCESS_TOKEN, json!({"iss": "https://typed.example.org", "typ": "user", "scope": "read"}), "typed#u-1"),
        ("an iss that is a URN", ACCESS_TOKEN, json!({"iss": "urn:acme:idp", "scope": "read"}), "urn#u-1"),
        ("times with a fraction", ACCESS_TOKEN, json!({"iss": "urn:acme:idp", "scope": "read", "iat": f64::from(i32::try_from(now).unwrap()) - 9.5, "exp": f64::from(i32::try_from(now).unwrap()) + 60.5}), "urn#u-1"),
        ("WSO2", ACCESS_TOKEN, json!({"iss": "wso2.org/products/am", "sub": "admin", "aut": "APPLICATION_USER", "azp": "app", "scope": "read"}), "wso2#admin"),
        ("XSUAA", ACCESS_TOKEN, json!({"iss": "https://sub.authentication.eu10.hana.ondemand.com/oauth/token", "aud": ["openid", AUDIENCE], "scope": ["openid", "read"], "client_id": "app", "cid": "app", "azp": "app", "grant_type": "authorization_code", "user_name": "u", "zid": "z", "ext_attr": {}}), "xsuaa#u-1"),
    ] {
        let before = world.audit_so_far();
        let answer = world.exchange(&sign(&world, claims.clone()), &[("subject_token_type", kind)]).await;
        let line = world.audit_after(before).await;
        assert_eq!(line["outcome"], "allowed", "{name}: {line}");
        let minted = token::claims(&answer.access_token());
        assert_eq!(minted["sub"], sub, "{name}");
        assert_eq!(minted["subject_issuer"], claims["iss"], "{name}");
        // The scope gives its role in whatever claim and shape it comes.
        let says_read = claims.to_string().contains("read\"") || claims.to_string().contains("\"read ");
        let roles = minted["resource_access"]["back-end-api"]["roles"].to_string();
        assert_eq!(roles.contains("reader"), says_read, "{name}: {roles}");
    }
}

/// Each setting: what the default says about a token, and what the detail names.
#[tokio::test]
async fn each_exception_is_a_setting_and_the_default_refuses() {
    let rows = [
        (
            "no aud",
            json!({"aud": ABSENT, "client_id": AUDIENCE, "token_use": "access"}),
            ("subject_token_audience", "the claim aud is missing; if the issuer says by client_id"),
            IDENTITY.replace("audiences", "audienceClaim: client_id, audiences"),
            "",
        ),
        (
            "at_hash",
            json!({"at_hash": "h"}),
            ("subject_token_kind", "issuers.partner.accessTokens.mayHave"),
            IDENTITY.to_owned(),
            "accessTokens: { mayHave: [at_hash] }",
        ),
        (
            "a typ of its own",
            json!({"typ": "user", "scope": "read"}),
            ("subject_token_kind", "add typ to issuers.partner.accessTokens.mayHave"),
            IDENTITY.to_owned(),
            "accessTokens: { mayHave: [typ] }",
        ),
        (
            "no sub",
            json!({"sub": ABSENT, "Username": "joe"}),
            ("subject_token_without_sub", "issuers.partner.subjectClaim"),
            IDENTITY.to_owned(),
            "subjectClaim: Username",
        ),
        (
            "groups overage",
            json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://g"}}}),
            ("subject_token_claims", "set issuers.partner.groupsOverage: accept"),
            IDENTITY.to_owned(),
            "groupsOverage: accept",
        ),
    ];
    for (name, mut claims, (reason, detail), identity, rest) in rows {
        claims["iss"] = json!("http://sso.example.org/realms/partner");
        let plan = async |identity: &str, rest: &str| {
            let rest = if rest.is_empty() { String::new() } else { format!("\n    {rest}") };
            Plan::new()
                .await
                .configure(&format!("issuer: {IDENTITY}"), &format!("issuer: {identity}{rest}"))
                .audience("back-end-api", &format!("{BACK_END_API}{}", permissions("corp, ", "partner")))
                .start()
                .await
        };
        let world = plan(IDENTITY, "").await;
        let token = sign(&world, claims.clone());
        let before = world.audit_so_far();
        assert_ne!(world.exchange(&token, &[]).await.status, 200, "{name}");
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"], reason, "{name}: {line}");
        assert!(line["detail"].as_str().unwrap().contains(detail), "{name}: {line}");
        // An actor token is held to the same.
        let alice = world.alice().await;
        let before = world.audit_so_far();
        assert_eq!(
            world.exchange(&alice, &[("actor_token", &token), ("actor_token_type", ACCESS_TOKEN)]).await.status,
            400
        );
        assert_eq!(world.audit_after(before).await["reason"], "actor_token_invalid", "{name}");

        let world = plan(&identity, rest).await;
        let token = sign(&world, claims);
        let minted = token::claims(&world.exchange(&token, &[]).await.access_token());
        assert_eq!(minted["sub"], if name == "no sub" { "partner#joe" } else { "partner#u-1" }, "{name}");
    }
}

#[tokio::test]
async fn nobody_of_another_tenant_gets_in() {
    let world = world().await;
    let iss = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    for (name, claims, reason) in [
        ("a tenant that is not listed", json!({"iss": iss("t-3"), "tid": "t-3"}), "subject_token_issuer_untrusted"),
        ("the pattern itself", json!({"iss": iss("{tenantid}"), "tid": "t-1"}), "subject_token_issuer_untrusted"),
        ("another tid", json!({"iss": iss("t-1"), "tid": "t-2"}), "subject_token_issuer_untrusted"),
        ("no tid", json!({"iss": iss("t-1")}), "subject_token_issuer_untrusted"),
        ("a tid that is no text", json!({"iss": iss("t-1"), "tid": ["t-1"]}), "subject_token_claims"),
        (
            "another version",
            json!({"iss": "https://login.microsoftonline.com/t-1/", "tid": "t-1"}),
            "subject_token_issuer_untrusted",
        ),
        ("another case", json!({"iss": iss("T-1"), "tid": "T-1"}), "subject_token_issuer_untrusted"),
    ] {
        let mut claims = claims;
        claims["scp"] = json!("read");
        let before = world.audit_so_far();
        assert_ne!(world.exchange(&sign(&world, claims), &[]).await.status, 200, "{name}");
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
    }
    // What Cambio minted for a tenant's user is exchanged again as that user's, with the tenant's iss.
    let first = sign(&world, json!({"iss": iss("t-2"), "tid": "t-2", "scp": "read"}));
    let minted = world.exchange(&first, &[]).await.access_token();
    assert_eq!(token::claims(&minted)["subject_issuer"], iss("t-2"));
    assert_eq!(token::claims(&minted)["sub"], "entra#t-2#u-1");
}

/// Default roles must not go to a user in silence whose groups a token leaves out.
#[tokio::test]
async fn groups_that_are_left_out_are_in_the_audit_line() {
    let world = world().await;
    let claims = json!({
        "iss": "https://login.microsoftonline.com/t-1/v2.0", "tid": "t-1", "scp": "read",
        "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/x"}},
    });
    let before = world.audit_so_far();
    world.exchange(&sign(&world, claims.clone()), &[]).await.access_token();
    let line = world.audit_after(before).await;
    let detail = line["detail"].as_str().unwrap();
    assert!(detail.contains("_claim_names leaves out") && detail.contains("issuers.entra.groupsOverage"), "{line}");
    // A refusal for something else says it, too.
    let before = world.audit_so_far();
    assert_ne!(world.exchange(&sign(&world, claims), &[("scope", "payments")]).await.status, 200);
    let line = world.audit_after(before).await;
    assert!(line["detail"].as_str().unwrap().ends_with("(issuers.entra.groupsOverage)"), "{line}");
    // A token with its groups says nothing.
    let claims =
        json!({"iss": "https://login.microsoftonline.com/t-1/v2.0", "tid": "t-1", "scp": "read", "groups": ["g-1"]});
    let before = world.audit_so_far();
    world.exchange(&sign(&world, claims), &[]).await.access_token();
    assert_eq!(world.audit_after(before).await["detail"], ABSENT);
}

#[tokio::test]
async fn scope_and_scp_that_differ_give_no_role() {
    let world = world().await;
    for (name, claims) in [
        ("they differ", json!({"scope": "read", "scp": ["write"]})),
        ("one has more", json!({"scope": "read", "scp": ["read", "write"]})),
        ("no text", json!({"scope": 1, "scp": ["read"], "client_id": "app"})),
        ("a list of lists", json!({"scp": [["read"]], "client_id": "app"})),
    ] {
        let mut claims = claims;
        claims["iss"] = json!("urn:acme:idp");
        let before = world.audit_so_far();
        assert_ne!(world.exchange(&sign(&world, claims), &[]).await.status, 200, "{name}");
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"], "role_mapping_failed", "{name}: {line}");
    }
}

/// The client that an actor token was issued to, by the claim that the actor's issuer has for it.
#[tokio::test]
async fn the_actors_client_is_read_where_its_issuer_writes_it() {
    let world = world().await;
    let alice = world.alice().await;
    for (name, claims, client) in [
        ("Okta", json!({"iss": "https://dev-1.okta.com/oauth2/default", "cid": "app", "scp": ["read"]}), json!("app")),
        (
            "Entra, version 1",
            json!({"iss": "https://sts.windows.net/t-1/", "tid": "t-1", "appid": "app", "scp": "read"}),
            json!("app"),
        ),
        (
            "the default",
            json!({"iss": "urn:acme:idp", "azp": "app", "client_id": "other", "scope": "read"}),
            json!("app"),
        ),
        (
            "the claim is set, and another one is there",
            json!({"iss": "https://dev-1.okta.com/oauth2/default", "azp": "app", "scp": ["read"]}),
            ABSENT,
        ),
    ] {
        let actor = sign(&world, claims.clone());
        let changes = [("actor_token", actor.as_str()), ("actor_token_type", ACCESS_TOKEN)];
        let before = world.audit_so_far();
        let minted = token::claims(&world.exchange(&alice, &changes).await.access_token());
        assert_eq!(minted["act"]["client_id"], client, "{name}: {minted}");
        assert_eq!(world.audit_after(before).await["actor_client"], client, "{name}");
        assert_eq!(minted["act"]["iss"], claims["iss"], "{name}");
    }
}

#[tokio::test]
async fn the_longest_subjects_are_named_in_bounded_audit_lines() {
    let world = world().await;
    let longest = format!("spiffe://example.org/{}", "x".repeat(2048 - 21));
    let spire = |sub: &str| json!({"iss": "https://spire.example.org", "sub": sub});
    let before = world.audit_so_far();
    let minted = token::claims(&world.exchange(&sign(&world, spire(&longest)), &[]).await.access_token());
    assert_eq!(minted["sub"], format!("spire#{longest}"));
    assert_eq!(world.audit_after(before).await["subject"], longest);

    let before = world.audit_so_far();
    assert_eq!(world.exchange(&sign(&world, spire(&longest.repeat(5))), &[]).await.status, 400);
    let line = world.audit_after(before).await;
    assert_eq!(line["reason"], "subject_mapping_failed", "{line}");
    assert_eq!(line["subject"].as_str().unwrap().len(), 2048);
}

/// A refresh is judged by the tenants and the subject's claim that the configuration has now.
#[tokio::test]
async fn a_refresh_stays_with_the_tenant_and_the_subject_of_its_exchange() {
    let identity = IDENTITY.replace("http://sso.example.org/realms/partner", "https://m.example/{tenantid}/v2.0");
    let identity = identity.replace("audiences", "tenants: [t-1, t-2], audiences");
    let permissions = "permissions:
  - { clients: [front-end-app], issuers: [partner], issuance: mint, requestedTokens: [access_token, refresh_token] }
";
    let world = refresh_tokens::plan()
        .await
        .configure(&format!("issuer: {IDENTITY}"), &format!("issuer: {identity}\n    subjectClaim: oid"))
        .audience("back-end-api", &format!("{BACK_END_API}{permissions}"))
        .start()
        .await;
    let claims = json!({"iss": "https://m.example/t-2/v2.0", "tid": "t-2", "oid": "o-1", "scp": "read"});
    let kind = "urn:ietf:params:oauth:token-type:refresh_token";
    let answer = world.exchange(&sign(&world, claims), &[("requested_token_type", kind)]).await;
    assert_eq!(token::claims(&answer.access_token())["sub"], "partner#t-2#o-1");
    let mut refresh_token = refresh_tokens::refresh_token(&answer);

    let file = world.folder.read("cambio.yaml");
    for (name, text, reason) in [
        ("nothing has changed", file.clone(), None),
        (
            "another claim names the subject",
            file.replace("subjectClaim: oid", "subjectClaim: tid2"),
            Some("subject_token_claims"),
        ),
        ("the claim again", file.clone(), None),
        ("the tenant was removed", file.replace("[t-1, t-2]", "[t-1]"), Some("subject_token_issuer_untrusted")),
    ] {
        if world.folder.read("cambio.yaml") != text {
            world.rewrite("cambio.yaml", &text).await;
        }
        let before = world.audit_so_far();
        let answer = refresh_tokens::refresh(&world, &refresh_token, &[]).await;
        let line = world.audit_after(before).await;
        match reason {
            None => {
                assert_eq!(token::claims(&answer.access_token())["sub"], "partner#t-2#o-1", "{name}: {line}");
                refresh_token = refresh_tokens::refresh_token(&answer);
            }
            Some(reason) => assert_eq!(line["reason"], reason, "{name}: {line}"),
        }
    }
}
