//! Whoever has not proven which client they are spends nothing, has nobody asked, and learns nothing.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::client::{self, Answer};
use crate::support::faults::Endpoint;
use crate::support::files::BACK_END_API;
use crate::support::proof::Holder;
use crate::support::world::{Plan, TOKEN_PATH, World, exchange_fields, login};
use crate::support::{form, token};

const WRONG: (&str, &str) = ("client_secret", "wrong");
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The partner describes opaque tokens, and every issuance has an audience.
async fn world() -> World {
    let plan = Plan::new().await.configure(
        "    jwksURL:",
        "    introspection: { clientId: cambio-at-partner, clientSecretFile: partner.secret, url: \"http://127.0.0.1:1/x\" }\n    jwksURL:",
    );
    plan.folder.write("partner.secret", "s3cret");
    let upstream = plan.idp.address();
    let plan = plan.configure("http://127.0.0.1:1/x", &format!("http://{upstream}{PARTNER_INTROSPECTS}"));
    let plan = plan.configure("    signingKey: corp.pem", "    signingKey: corp.pem\n    refreshTokens: { keyFiles: [seal.key] }\n    introspection: { clientId: back-end-api, clientSecretFile: back-end.secret }");
    plan.folder.write("seal.key", cambio::adapters::seal::generate().unwrap().expose());
    plan.folder.write("back-end.secret", "back-end-secret");
    let audience = |name: &str, issuance: &str, permission: &str| {
        format!(
            "audience: {name}\nowner: team\nissuance: {issuance}\npermissions:\n  - {{ clients: [front-end-app], scopes: [email, profile], {permission} }}\n"
        )
    };
    let mut plan = plan;
    for (name, issuance, permission) in [
        ("other-api", "reissue", "oneTime: true"),
        ("once-minted", "mint", "oneTime: true"),
        ("front-end-app", "reissue", "stillActive: true"),
        ("active-minted", "mint", "stillActive: true"),
        ("minted", "mint", "issuers: [corp, partner]"),
    ] {
        plan = plan.audience(name, &audience(name, issuance, permission));
    }
    let refreshable = "permissions:\n  - { clients: [front-end-app], scopes: [email, profile], requestedTokens: [access_token, refresh_token] }\n";
    plan.audience("back-end-api", &format!("{BACK_END_API}{refreshable}")).start().await
}

const PARTNER_INTROSPECTS: &str = "/realms/partner/protocol/openid-connect/token/introspect";

/// The targets of the requests that the identity provider got since it forgot.
fn asked(world: &World) -> Vec<String> {
    world.idp.faults().received().into_iter().map(|request| request.target).collect()
}

fn told(answer: &Answer) -> (StatusCode, Value) {
    (answer.status, answer.json())
}

/// Credentials that prove nothing, as changes of front-end-app's.
fn strangers(assertion: &str) -> Vec<(&'static str, Vec<(&'static str, &str)>)> {
    vec![
        ("a wrong secret", vec![WRONG]),
        ("an unknown client", vec![("client_id", "nobody")]),
        ("no secret", vec![("client_secret", "-")]),
        (
            "an assertion that nobody signed",
            vec![("client_secret", "-"), ("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)],
        ),
    ]
}

#[tokio::test]
async fn no_issuer_is_asked_about_the_token_of_a_stranger() {
    let world = world().await;
    let assertion = world.idp.signing_key("partner").unwrap();
    let claims = json!({"iss": "front-end-app", "sub": "front-end-app", "jti": "1", "exp": world.now() + 60});
    let assertion = assertion.sign(claims.as_object().unwrap()).unwrap();
    for (who, changes) in strangers(&assertion) {
        for opaque in ["random", "my-password", "cambio_rt_AAAA", "one.dot", "1.2.3.4.5.6"] {
            world.idp.faults().forget();
            let answer = world.exchange(opaque, &form::changed(&changes, &[("audience", "minted")])).await;
            assert_ne!(answer.status, 200, "{who}, {opaque}");
            assert!(!asked(&world).contains(&PARTNER_INTROSPECTS.to_owned()), "{who}, {opaque}");
        }
    }
    world.idp.faults().forget();
    assert_eq!(
        world.exchange("random", &[("audience", "minted")]).await.status,
        503,
        "the secret is not the partner's"
    );
    assert!(asked(&world).contains(&PARTNER_INTROSPECTS.to_owned()), "for a client that is proven");
}

/// A key that is not held makes Cambio ask the issuer for its keys.
#[tokio::test]
async fn no_issuer_is_asked_for_keys_for_a_stranger() {
    let world = world().await;
    let certs = "/realms/partner/protocol/openid-connect/certs".to_owned();
    let path = "/realms/partner/protocol/openid-connect/token";
    let carol = login(world.idp.address(), path, "partner-app", "partner-secret", "carol").await.access_token();
    world.exchange(&carol, &[("audience", "minted")]).await.access_token();
    world.idp.rotate("partner", true).unwrap();
    let carol = login(world.idp.address(), path, "partner-app", "partner-secret", "carol").await.access_token();
    world.clock.advance(jiff::SignedDuration::from_secs(11));
    world.idp.faults().forget();
    assert_eq!(world.exchange(&carol, &[("audience", "minted"), WRONG]).await.status, 401);
    assert!(!asked(&world).contains(&certs));
    assert_eq!(world.exchange(&carol, &[("audience", "minted")]).await.status, 200);
    assert!(asked(&world).contains(&certs), "for a client that is proven");
}

/// Whoever asks, and whatever type they say that it has.
#[tokio::test]
async fn a_refresh_token_of_cambio_is_shown_to_nobody() {
    let world = world().await;
    for opaque in ["cambio_rt_AAAA", "CAMBIO_RT_AAAA", "x.cambio_rt_AAAA"] {
        world.idp.faults().forget();
        let before = world.audit_so_far();
        let answer = world.exchange(opaque, &[("audience", "minted")]).await;
        assert_eq!(answer.status, 400, "{opaque}");
        assert_eq!(world.audit_after(before).await["reason"], "subject_token_malformed", "{opaque}");
        assert!(!asked(&world).contains(&PARTNER_INTROSPECTS.to_owned()), "{opaque}");
    }
}

#[tokio::test]
async fn a_stranger_spends_no_one_time_token_and_has_nobody_asked_about_it() {
    let world = world().await;
    for audience in ["other-api", "once-minted"] {
        let alice = world.alice().await;
        for who in [WRONG, ("client_id", "nobody"), ("client_secret", "-")] {
            let answer = world.exchange(&alice, &[("audience", audience), who]).await;
            assert_eq!(answer.status, 401, "{audience}, {who:?}: {}", answer.text());
        }
        assert_eq!(world.exchange(&alice, &[("audience", audience)]).await.status, 200, "{audience}");
        let before = world.audit_so_far();
        assert_eq!(world.exchange(&alice, &[("audience", audience)]).await.status, 400, "{audience}");
        assert_eq!(world.audit_after(before).await["reason"], "subject_token_used", "{audience}");
    }
    let alice = world.alice().await;
    world.idp.faults().forget();
    assert_eq!(world.exchange(&alice, &[("audience", "front-end-app"), WRONG]).await.status, 401);
    let introspected = |world: &World| {
        let bodies = world.idp.faults().received().into_iter().map(|request| request.body);
        bodies.filter(|body| String::from_utf8_lossy(body).contains("token_type_hint=access_token")).count()
    };
    assert_eq!(introspected(&world), 0, "stillActive");
    world.exchange(&alice, &[("audience", "active-minted"), WRONG]).await;
    assert_eq!(introspected(&world), 0, "stillActive, minted");
}

/// One token, many exchanges at once: one of them passes.
#[tokio::test]
async fn a_one_time_token_gives_one_token_however_many_ask() {
    let world = world().await;
    for audience in ["other-api", "once-minted"] {
        let alice = world.alice().await;
        let all = (0..8).map(|_| {
            let alice = alice.clone();
            let world = &world;
            async move { world.exchange(&alice, &[("audience", audience)]).await.status.as_u16() }
        });
        let mut statuses = futures_util::future::join_all(all).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400, 400, 400, 400, 400, 400, 400], "{audience}");
    }
}

/// The answer does not depend on the token, on the policy or on what is in the store.
#[tokio::test]
async fn a_stranger_learns_nothing_from_answers() {
    let world = world().await;
    let alice = world.alice().await;
    let mut claims = token::claims(&alice);
    claims["exp"] = json!(world.now() - 60);
    let expired = world.sign(&claims);
    let mut forged = alice.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    let path = "/realms/partner/protocol/openid-connect/token";
    let carol = login(world.idp.address(), path, "partner-app", "partner-secret", "carol").await.access_token();
    let subjects =
        [("good", &*alice), ("expired", &expired), ("forged", &forged), ("foreign", &carol), ("opaque", "x")];
    let changes: [&[(&str, &str)]; 6] = [
        &[],
        &[("audience", "other-api")],
        &[("audience", "minted")],
        &[("audience", "active-minted")],
        &[("audience", "nobody-has-it")],
        &[("scope", "root")],
    ];
    let assertion = world.idp.signing_key("partner").unwrap();
    let jwt = json!({"iss": "front-end-app", "sub": "front-end-app", "jti": "1", "exp": world.now() + 60});
    let assertion = assertion.sign(jwt.as_object().unwrap()).unwrap();
    for (who, stranger) in strangers(&assertion) {
        let mut first = None;
        for (subject, token) in subjects {
            for changes in changes {
                let changes = form::changed(&stranger, changes);
                let answer = told(&world.exchange(token, &changes).await);
                let first = first.get_or_insert_with(|| answer.clone());
                assert_eq!(answer, *first, "{who}, {subject}, {changes:?}");
            }
        }
    }
}

/// A refresh token that is good, used, revoked, of another client or none: all alike.
#[tokio::test]
async fn a_stranger_learns_nothing_about_refresh_tokens() {
    let world = world().await;
    let refresh_type = [("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")];
    let exchanged = async || {
        let alice = world.alice().await;
        world.exchange(&alice, &refresh_type).await.json()["refresh_token"].as_str().unwrap().to_owned()
    };
    let sent = async |path: &str, field: &str, token: &str, secret: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "front-end-app"),
            ("client_secret", secret),
            (field, token),
        ];
        client::post(world.address(), path, &fields[usize::from(field == "token")..]).await
    };
    let revoke = "/realms/corp/protocol/openid-connect/revoke";
    let (good, used, revoked) = (exchanged().await, exchanged().await, exchanged().await);
    assert_eq!(sent(TOKEN_PATH, "refresh_token", &used, "front-end-secret").await.status, 200);
    assert_eq!(sent(revoke, "token", &revoked, "front-end-secret").await.status, 200);
    for (path, field) in [(TOKEN_PATH, "refresh_token"), (revoke, "token")] {
        let expected = told(&sent(path, field, &good, "wrong").await);
        assert_eq!(expected.0, 401);
        for (name, token) in [("used", &*used), ("revoked", &revoked), ("none", "cambio_rt_AAAA")] {
            assert_eq!(told(&sent(path, field, token, "wrong").await), expected, "{path}, {name}");
        }
    }
    assert_eq!(
        sent(TOKEN_PATH, "refresh_token", &good, "front-end-secret").await.status,
        200,
        "nothing happened to it"
    );
}

#[tokio::test]
async fn a_stranger_uses_up_no_proof() {
    let world = world().await;
    let alice = world.alice().await;
    let holder = Holder::new();
    let proof = holder.proof(world.now(), &[]);
    let send = async |changes: &[(&str, &str)]| {
        let mut request = client::form_request(TOKEN_PATH, &form::changed(&exchange_fields(&alice), changes));
        request.headers_mut().insert("dpop", proof.parse().unwrap());
        client::send(world.address(), request).await
    };
    for audience in ["back-end-api", "minted", "nobody-has-it"] {
        assert_eq!(send(&[("audience", audience), WRONG]).await.status, 401, "{audience}");
    }
    assert_eq!(send(&[]).await.status, 200);
    let again = send(&[]).await;
    assert_eq!((again.status.as_u16(), &again.json()["error"]), (400, &json!("invalid_dpop_proof")), "once");
}

/// What a proven client is told costs one more question, and what is allowed costs none.
#[tokio::test]
async fn an_allowed_exchange_asks_nothing_more() {
    let world = world().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    world.idp.faults().forget();
    world.exchange(&alice, &[]).await.access_token();
    assert_eq!(asked(&world), [TOKEN_PATH]);
    world.idp.faults().forget();
    assert_eq!(world.exchange(&alice, &[("audience", "nobody-has-it")]).await.status, 403);
    assert_eq!(asked(&world), [TOKEN_PATH], "about the client");
    world.idp.faults().set(Endpoint::Token, crate::support::faults::Fault::CloseAtOnce);
    assert_eq!(world.exchange(&alice, &[("audience", "nobody-has-it")]).await.status, 403, "introspection tells, too");
}
