//! What kind of token it is: tokens of another kind are neither subject tokens nor actor tokens.

use serde_json::{Value, json};

use crate::support::files::BACK_END_API;
use crate::support::proof::Holder;
use crate::support::world::{ACCESS_TOKEN, ID_TOKEN, Plan, TOKEN_PATH, World, exchange_fields};
use crate::support::{client, form, token};

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const PERMISSIONS: &str = "permissions:
  - { clients: [front-end-app], issuers: [corp, partner], issuance: mint, scopes: [email, profile],
      subjectTokens: [access_token, id_token, jwt], delegation: { actor: optional, issuers: [corp, partner] } }
";

fn plan(plan: Plan) -> Plan {
    plan.audience("back-end-api", &format!("{BACK_END_API}{PERMISSIONS}"))
}

/// A token of partner, for corp.
fn foreign(world: &World, changes: &Value) -> String {
    let mut claims = json!({
        "iss": "http://sso.example.org/realms/partner", "aud": "https://sso.example.org", "sub": "u-1", "jti": "j",
        "iat": world.now() - 10, "exp": world.now() + 60,
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    world.idp.signing_key("partner").unwrap().sign(claims.as_object().unwrap()).unwrap()
}

#[tokio::test]
async fn a_foreign_token_of_another_kind_is_no_access_token_and_no_actor() {
    let world = plan(Plan::new().await).start().await;
    let alice = world.alice().await;
    for (name, changes) in [
        ("ID token without at_hash", json!({"azp": "partner-app", "email": "u@partner.example"})),
        ("refresh token", json!({"typ": "Refresh", "scope": "email", "client_id": "a"})),
        ("logout token", json!({"events": {}, "scope": "email"})),
        ("client assertion", json!({"sub": "http://sso.example.org/realms/partner", "scope": "email"})),
        ("SVID", json!({"sub": "spiffe://example.org/a"})),
        ("service account", json!({"sub": "system:serviceaccount:a:b", "kubernetes.io": {}})),
        ("verifiable credential", json!({"vc": {}, "scope": "email"})),
        ("introspection answer", json!({"token_introspection": {"active": true}, "scope": "email"})),
    ] {
        let token = foreign(&world, &changes);
        let before = world.audit_so_far();
        let refused = world.exchange(&token, &[]).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (400, &json!("invalid_request")), "{name}");
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"], "subject_token_kind", "{name}: {line}");
        assert!(
            line["detail"].as_str().unwrap().contains("expected a token of the type access_token"),
            "{name}: {line}"
        );

        let before = world.audit_so_far();
        let refused = world.exchange(&alice, &[("actor_token", &token), ("actor_token_type", ACCESS_TOKEN)]).await;
        assert_eq!(refused.status, 400, "{name}");
        assert_eq!(world.audit_after(before).await["reason"], "actor_token_invalid", "{name}");
    }
    let access = foreign(&world, &json!({"scope": "email", "azp": "partner-app"}));
    world.exchange(&access, &[]).await.access_token();
    let before = world.audit_so_far();
    assert_eq!(world.exchange(&access, &[("subject_token_type", ID_TOKEN)]).await.status, 400);
    assert_eq!(world.audit_after(before).await["reason"], "subject_token_kind", "an access token is no ID token");
}

/// A pipeline's token has no mark. It is exchanged, unless the issuer's settings say how access tokens look.
#[tokio::test]
async fn an_issuer_with_a_word_has_no_tokens_without_marks() {
    let pipeline = json!({"repository": "o/r", "actor": "x"});
    let world = plan(Plan::new().await).start().await;
    world.exchange(&foreign(&world, &pipeline), &[]).await.access_token();
    world.exchange(&foreign(&world, &pipeline), &[("subject_token_type", JWT)]).await.access_token();

    let other = "accessTokens: { expression: '\"project\" in claims' }\n    jwksURL: http";
    let world = plan(Plan::new().await.configure("jwksURL: http", other)).start().await;
    let before = world.audit_so_far();
    assert_eq!(world.exchange(&foreign(&world, &pipeline), &[]).await.status, 400);
    let line = world.audit_after(before).await;
    assert!(line["detail"].as_str().unwrap().contains("issuers.partner.accessTokens"), "{line}");

    let written = "accessTokens: { expression: '\"repository\" in claims' }\n    jwksURL: http";
    let world = plan(Plan::new().await.configure("jwksURL: http", written)).start().await;
    world.exchange(&foreign(&world, &pipeline), &[]).await.access_token();
    let other = foreign(&world, &json!({"scope": "email"}));
    let before = world.audit_so_far();
    assert_eq!(world.exchange(&other, &[]).await.status, 400, "the written word replaces the marks");
    assert_eq!(world.audit_after(before).await["reason"], "subject_token_kind");
}

/// An ID token has no `cnf`, also if the access token of its login is bound to a key.
#[tokio::test]
async fn an_id_token_of_the_realm_gives_no_unbound_access_token() {
    let world = plan(Plan::new().await).start().await;
    let id = |world: &World, alice: &str| {
        let mut claims = token::claims(alice);
        claims["typ"] = json!("ID");
        claims["aud"] = json!("front-end-app");
        world.sign(&claims)
    };
    let alice = world.alice().await;
    let id_token = id(&world, &alice);
    for kind in [ID_TOKEN, JWT] {
        for requested in [ACCESS_TOKEN, ID_TOKEN] {
            let before = world.audit_so_far();
            let changes = [("subject_token_type", kind), ("requested_token_type", requested)];
            assert_eq!(world.exchange(&id_token, &changes).await.status, 400, "{kind}");
            assert_eq!(world.audit_after(before).await["reason"], "subject_token_bound", "{kind}, {requested}");
        }
        let holder = Holder::new();
        let fields = form::changed(&exchange_fields(&id_token), &[("subject_token_type", kind)]);
        let mut request = client::form_request(TOKEN_PATH, &fields);
        request.headers_mut().insert("dpop", holder.proof(world.now(), &[]).parse().unwrap());
        let bound = client::send(world.address(), request).await.access_token();
        assert_eq!(token::claims(&bound)["cnf"], json!({"jkt": holder.jkt}), "{kind}");
        let before = world.audit_so_far();
        assert_eq!(world.exchange(&alice, &[("actor_token", &id_token), ("actor_token_type", kind)]).await.status, 400);
        assert_eq!(world.audit_after(before).await["reason"], "actor_token_invalid", "{kind}");
    }

    let written = "    signingKey: corp.pem\n    unboundIdTokens: accept\n";
    let world = plan(Plan::new().await.configure("    signingKey: corp.pem\n", written)).start().await;
    let id_token = id(&world, &world.alice().await);
    world.exchange(&id_token, &[("subject_token_type", ID_TOKEN)]).await.access_token();
}
