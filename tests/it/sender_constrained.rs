//! Tokens that are bound to a key: who may exchange them, and what comes of it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::client::{self, Answer};
use crate::support::files::{BACK_END_API, PERMITTED};
use crate::support::proof::Holder;
use crate::support::tamper::Tamper;
use crate::support::world::{ID_TOKEN, Plan, TOKEN_PATH, World, exchange_fields};
use crate::support::{form, token};

/// front-end-app's exchange with these `DPoP` headers.
async fn exchange(world: &World, token: &str, proofs: &[&str]) -> Answer {
    let mut request = client::form_request(TOKEN_PATH, &exchange_fields(token));
    for proof in proofs {
        request.headers_mut().append("dpop", proof.parse().unwrap());
    }
    client::send(world.address(), request).await
}

/// Alice's token with this `cnf`, as Keycloak writes one that is bound to a key.
async fn bound(world: &World, cnf: Value) -> String {
    let mut claims = token::claims(&world.alice().await);
    if cnf.get("jkt").is_some() {
        claims["typ"] = json!("DPoP");
    }
    claims["cnf"] = cnf;
    world.sign(&claims)
}

async fn forwarding() -> World {
    let roles = "{ own: true, realm: [default-roles-corp, offline_access, uma_authorization, auditor] }";
    let file = format!("{BACK_END_API}{PERMITTED}issuance: forward\n");
    let file = file.replace("{ own: true }", roles).replace("lifetime: 5m", "claims: [department, groups]");
    Plan::new().await.audience("back-end-api", &file).start().await
}

/// `reissue` and `forward`: what comes out is bound to the key that was shown, whether the subject token was or not.
#[tokio::test]
async fn whoever_shows_a_key_gets_a_token_that_is_bound_to_it() {
    for world in [World::start().await, forwarding().await] {
        let holder = Holder::new();
        let tokens = [world.alice().await, bound(&world, json!({"jkt": holder.jkt, "kc-jkt-type": "DPoP"})).await];
        for subject in tokens {
            let answer = exchange(&world, &subject, &[&holder.proof(world.now(), &[])]).await;
            let issued = token::claims(&answer.access_token());
            assert_eq!(issued["cnf"]["jkt"], holder.jkt, "{issued}");
            assert_eq!(issued["typ"], "DPoP");
            assert_eq!(answer.json()["token_type"], "DPoP");
        }
    }
}

#[tokio::test]
async fn a_minted_token_is_bound_as_well() {
    let permissions = "permissions:\n  - { clients: [front-end-app], issuance: mint, scopes: [email, profile] }\n";
    let plan = Plan::new().await.audience("back-end-api", &format!("{BACK_END_API}{permissions}"));
    let world = plan.start().await;
    let holder = Holder::new();
    for subject in [world.alice().await, bound(&world, json!({"jkt": holder.jkt})).await] {
        let answer = exchange(&world, &subject, &[&holder.proof(world.now(), &[])]).await;
        assert_eq!(token::claims(&answer.access_token())["cnf"], json!({"jkt": holder.jkt}));
        assert_eq!(answer.json()["token_type"], "DPoP");
    }
}

/// An access token that became an ID token would otherwise come back as one that is bound to nobody.
#[tokio::test]
async fn an_id_token_does_not_unbind() {
    let permissions = "permissions:\n  - { clients: [front-end-app], issuance: mint, exchangedTokens: true, scopes: [email, profile],\n      subjectTokens: [access_token, id_token], requestedTokens: [access_token, id_token] }\n";
    let plan = Plan::new().await.audience("back-end-api", &format!("{BACK_END_API}{permissions}"));
    let world = plan.start().await;
    let holder = Holder::new();
    let subject = bound(&world, json!({"jkt": holder.jkt})).await;
    let with = async |token: &str, changes: &[(&str, &str)], proof: Option<String>| {
        let fields = form::changed(&exchange_fields(token), changes);
        let mut request = client::form_request(TOKEN_PATH, &fields);
        if let Some(proof) = proof {
            request.headers_mut().insert("dpop", proof.parse().unwrap());
        }
        client::send(world.address(), request).await
    };
    let id = with(&subject, &[("requested_token_type", ID_TOKEN)], Some(holder.proof(world.now(), &[]))).await;
    let id = id.access_token();
    assert_eq!(token::claims(&id)["cnf"], json!({"jkt": holder.jkt}));
    let before = world.audit_so_far();
    let refused = with(&id, &[("subject_token_type", ID_TOKEN)], None).await;
    assert_eq!(refused.status, 400);
    assert_eq!(world.audit_after(before).await["reason"], "subject_token_bound");
    let back = with(&id, &[("subject_token_type", ID_TOKEN)], Some(holder.proof(world.now(), &[]))).await;
    assert_eq!(token::claims(&back.access_token())["cnf"], json!({"jkt": holder.jkt}));
}

#[tokio::test]
async fn a_bound_token_is_exchanged_for_its_holder_only() {
    let world = World::start().await;
    let (holder, thief) = (Holder::new(), Holder::new());
    let subject = bound(&world, json!({"jkt": holder.jkt})).await;
    let now = world.now();
    let good = holder.proof(now, &[]);
    let ath = URL_SAFE_NO_PAD.encode(digest(&SHA256, subject.as_bytes()));
    let https = format!("https://sso.example.org{TOKEN_PATH}");
    let refused = |reason: &'static str| Some((400, reason));
    let invalid = refused("dpop_proof_invalid");
    let rows: [(&str, Vec<String>, Option<(u16, &str)>); 14] = [
        ("the holder's proof", vec![good.clone()], None),
        ("the same again", vec![good], invalid),
        ("no proof", vec![], refused("subject_token_bound")),
        ("another key's proof", vec![thief.proof(now, &[])], refused("subject_token_bound")),
        ("two proofs", vec![holder.proof(now, &[]), holder.proof(now, &[])], invalid),
        ("for another method", vec![holder.proof(now, &[("htm", json!("GET"))])], invalid),
        ("for another URL", vec![holder.proof(now, &[("htu", json!("http://sso.example.org/"))])], invalid),
        ("for https", vec![holder.proof(now, &[("htu", json!(https))])], invalid),
        ("without jti", vec![holder.proof(now, &[("jti", Value::Null)])], invalid),
        ("a minute old", vec![holder.proof(now - 60, &[])], None),
        ("older", vec![holder.proof(now - 61, &[])], invalid),
        ("from the future", vec![holder.proof(now + 11, &[])], invalid),
        ("with the token's hash", vec![holder.proof(now, &[("ath", json!(ath))])], None),
        ("with another token's hash", vec![holder.proof(now, &[("ath", json!("x"))])], invalid),
    ];
    for (name, proofs, expected) in rows {
        let before = world.audit_so_far();
        let proofs: Vec<_> = proofs.iter().map(String::as_str).collect();
        let answer = exchange(&world, &subject, &proofs).await;
        let line = world.audit_after(before).await;
        match expected {
            None => assert_eq!(answer.status, 200, "{name}: {}", answer.text()),
            Some((status, reason)) => {
                assert_eq!((answer.status.as_u16(), &line["reason"]), (status, &json!(reason)), "{name}");
                let code = if reason == "dpop_proof_invalid" { "invalid_dpop_proof" } else { "invalid_request" };
                assert_eq!(answer.json()["error"], code, "{name}");
            }
        }
    }
}

/// Without TLS there is no certificate; and a confirmation that nobody knows is none that is met.
#[tokio::test]
async fn other_bindings_are_not_met() {
    let world = World::start().await;
    let holder = Holder::new();
    let certificate = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    for cnf in [
        json!({"x5t#S256": certificate}),
        json!({"jkt": holder.jkt, "x5t#S256": certificate}),
        json!({"jkt": holder.jkt, "kid": "x"}),
        json!({"jwk": {}}),
        json!({}),
    ] {
        let before = world.audit_so_far();
        let subject = bound(&world, cnf.clone()).await;
        let answer = exchange(&world, &subject, &[&holder.proof(world.now(), &[])]).await;
        assert_eq!(answer.status, 400, "{cnf}");
        assert_eq!(world.audit_after(before).await["reason"], "subject_token_bound", "{cnf}");
    }
}

/// The identity provider's answer is held to the binding: what it left unbound `reissue` binds and `forward` refuses.
#[tokio::test]
async fn an_answer_that_is_bound_more_weakly_or_to_another_is_not_handed_out() {
    const OTHER: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    for (world, unbound) in [(World::start().await, None), (forwarding().await, Some("answer_binding"))] {
        let holder = Holder::new();
        let subject = bound(&world, json!({"jkt": holder.jkt})).await;
        for (key, expected) in [(None, unbound), (Some(OTHER), Some("answer_binding"))] {
            world.idp.faults().clear();
            world.idp.faults().tamper(Tamper::Key(key));
            let before = world.audit_so_far();
            let answer = exchange(&world, &subject, &[&holder.proof(world.now(), &[])]).await;
            match expected {
                None => {
                    let issued = token::claims(&answer.access_token());
                    assert_eq!(issued["cnf"], json!({"jkt": holder.jkt}));
                    assert_eq!((&issued["typ"], &answer.json()["token_type"]), (&json!("DPoP"), &json!("DPoP")));
                }
                Some(reason) => {
                    assert_eq!(answer.status, 502, "{key:?}");
                    assert_eq!(world.audit_after(before).await["reason"], reason, "{key:?}");
                }
            }
        }
    }
}

/// The public URL is what the configuration says, whatever a caller or a listed proxy names.
#[tokio::test]
async fn a_proof_is_for_a_configured_origin() {
    let listen = "address: 127.0.0.1:0\n";
    let subjects = "subjectIssuers: [corp, partner]\n";
    let others = format!("{subjects}    publicOrigins: [\"https://sso.public.example\"]\n");
    let plan = Plan::new().await.configure(subjects, &others);
    let world = plan.configure(listen, &format!("{listen}  trustedProxies: [127.0.0.1]\n")).start().await;
    for (name, htu, host, good) in [
        ("the issuer's", "http://sso.example.org", "sso.example.org", true),
        ("the issuer's, under another host", "http://sso.example.org", "evil.example", true),
        ("another that is listed", "https://SSO.public.example:443", "sso.example.org", true),
        ("the caller's", "http://evil.example", "evil.example", false),
        ("the caller's, with a port", "http://sso.example.org:8080", "sso.example.org:8080", false),
        ("another scheme", "https://sso.example.org", "sso.example.org", false),
        ("an address", "http://10.0.0.1", "10.0.0.1", false),
    ] {
        for header in ["host", "x-forwarded-host"] {
            let (holder, alice) = (Holder::new(), world.alice().await);
            let mut request = client::form_request(TOKEN_PATH, &exchange_fields(&alice));
            let headers = request.headers_mut();
            let url = format!("{htu}{TOKEN_PATH}?x#y");
            headers.insert("dpop", holder.proof(world.now(), &[("htu", json!(url))]).parse().unwrap());
            headers.insert(header, host.parse().unwrap());
            let before = world.audit_so_far();
            client::send(world.address(), request).await;
            let told = world.audit_after(before).await;
            assert_eq!(told["reason"] != "dpop_proof_invalid", good, "{name}, {header}: {told}");
        }
    }
}

#[tokio::test]
async fn a_nonce_is_demanded_where_the_realm_says_so() {
    let subjects = "subjectIssuers: [corp, partner]\n";
    let plan = Plan::new().await.configure(subjects, &format!("{subjects}    dpop: {{ nonce: required }}\n"));
    let world = plan.start().await;
    let (holder, alice) = (Holder::new(), world.alice().await);

    let asked = exchange(&world, &alice, &[&holder.proof(world.now(), &[])]).await;
    assert_eq!((asked.status.as_u16(), &asked.json()["error"]), (400, &json!("use_dpop_nonce")));
    assert_eq!(world.audit(1).await[0]["reason"], "dpop_nonce_required");
    let nonce = json!(asked.header("dpop-nonce"));

    let answer = exchange(&world, &alice, &[&holder.proof(world.now(), &[("nonce", nonce.clone())])]).await;
    assert_eq!(token::claims(&answer.access_token())["cnf"]["jkt"], holder.jkt);
    assert!(!answer.header("dpop-nonce").is_empty(), "the next one comes with a success");

    world.clock.advance(jiff::SignedDuration::from_secs(61));
    let late = exchange(&world, &alice, &[&holder.proof(world.now(), &[("nonce", nonce)])]).await;
    assert_eq!(late.json()["error"], "use_dpop_nonce");

    let bearer = world.exchange(&alice, &[]).await;
    assert_eq!(bearer.json()["token_type"], "Bearer", "no proof, no nonce");
    assert_eq!(bearer.header("dpop-nonce"), "");
}
