//! `cambio serve`, `cambio explain` and `cambio test` say one thing about policies and requests by chance.

use std::process::Command;

use cambio::edge::explain::explanation::Explanation;
use cambio::edge::explain::question::ExplainQuestion;
use cambio::tools::explain::Gate;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::client;
use crate::support::generated::{self, AudienceFile, cases};
use crate::support::world::{Plan, TOKEN_PATH, World};

/// Number of cases for which one Cambio serves.
const BATCH: u32 = 500;

const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:";

/// Two audiences' files and a request.
#[derive(Debug)]
struct Generated {
    files: [AudienceFile; 2],
    question: Value,
}

impl Generated {
    /// A case whose audiences have names of their own.
    fn new(number: u32, runner: &mut TestRunner) -> Self {
        let names = [format!("x{number}"), format!("y{number}")];
        let case = (generated::audience(&names[0]), generated::audience(&names[1]), generated::question());
        let (x, y, mut question) = case.new_tree(runner).unwrap().current();
        for audience in question["audience"].as_array_mut().unwrap() {
            *audience = format!("{}{number}", audience.as_str().unwrap()).into();
        }
        Self { files: [x, y], question }
    }

    /// The form of the request, with signed tokens.
    fn form(&self, number: u32, world: &World) -> Vec<(&str, String)> {
        let text = |name: &str| self.question[name].as_str().unwrap_or_default().to_owned();
        let client = text("client");
        let secret = if client == "front-end-app" { "front-end-secret" } else { "reporting-secret" };
        let urn = |name: &str| format!("{TOKEN_TYPE}{}", text(name));
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange".to_owned()),
            ("client_secret", secret.to_owned()),
            ("subject_token", signed(&self.question["claims"], &format!("subject-{number}"), &client, world)),
            ("subject_token_type", urn("subjectTokenType")),
            ("requested_token_type", urn("requestedTokenType")),
            ("client_id", client.clone()),
        ];
        let audiences = self.question["audience"].as_array().unwrap();
        form.extend(audiences.iter().map(|one| ("audience", one.as_str().unwrap().to_owned())));
        if self.question["scope"].is_string() {
            form.push(("scope", text("scope")));
        }
        let actor = &self.question["actorClaims"];
        if actor.is_object() {
            form.push(("actor_token", signed(actor, &format!("actor-{number}"), &client, world)));
            form.push(("actor_token_type", format!("{TOKEN_TYPE}access_token")));
        }
        form
    }
}

/// A token of its issuer with these claims, and with what `explain` supposes.
fn signed(claims: &Value, jti: &str, client: &str, world: &World) -> String {
    let usual = |name: &str| match name {
        "iss" => json!("http://sso.example.org/realms/corp"),
        "azp" => json!(client),
        "typ" => json!("Bearer"),
        "iat" => json!(world.now()),
        "exp" => json!(world.now() + 300),
        _ => json!(jti),
    };
    let is_partners = claims["iss"].is_string();
    let mut claims = claims.as_object().unwrap().clone();
    for name in ["iss", "azp", "typ", "iat", "exp", "jti"] {
        if !claims.contains_key(name) && (!is_partners || !["azp", "typ"].contains(&name)) {
            claims.insert(name.to_owned(), usual(name));
        }
    }
    let key = world.idp.signing_key(if is_partners { "partner" } else { "corp" }).unwrap();
    key.sign(&claims).unwrap()
}

/// What was decided, as far as all three say it.
fn outcome(allowed: bool, reason: &Value) -> Value {
    if allowed { json!({"allowed": true}) } else { json!({"allowed": false, "reason": reason}) }
}

/// What a line of the audit log says. What the identity provider refuses, Cambio had allowed.
fn served(line: &Value) -> Value {
    let is_allowed = line["outcome"] == "allowed" || line["reason"] == "upstream_refused";
    outcome(is_allowed, &line["reason"])
}

fn explained(explanation: &Explanation) -> Value {
    outcome(explanation.allowed, &json!(explanation.reason))
}

/// A case's line of `cambio test`, which expects what `serve` decided.
fn policy_test(number: usize, case: &Generated, served: &Value) -> Value {
    json!({"name": format!("case {number}"), "request": case.question, "expect": served})
}

/// Serves the requests, one after the other. Returns the lines of the audit log.
async fn serve(cases: &[Generated]) -> (World, Vec<Value>) {
    let key = "    signingKey: corp.pem\n";
    let plan = Plan::new().await.configure(key, &format!("{key}    unboundIdTokens: accept\n"));
    for file in cases.iter().flat_map(|case| &case.files) {
        file.write(&plan.folder, "");
    }
    let world = plan.start().await;
    for (number, case) in (0..).zip(cases) {
        let form = case.form(number, &world);
        let fields: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client::post(world.address(), TOKEN_PATH, &fields).await;
    }
    let lines = world.audit(cases.len()).await;
    (world, lines)
}

/// Holds `explain` and `cambio test` to what `serve` does with each of the cases. Returns what was decided.
fn agree(cases: &[Generated]) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (world, lines) = runtime.block_on(serve(cases));
    let mut decided = Vec::new();
    let gate = Gate::load(&world.folder.path("cambio.yaml"), &()).unwrap();
    let now = jiff::Timestamp::from_second(world.now()).unwrap();
    let mut tests = Vec::new();
    for (number, (case, line)) in cases.iter().zip(&lines).enumerate() {
        let question: ExplainQuestion = serde_json::from_value(case.question.clone()).unwrap();
        let explanation = gate.explain(&question, now).unwrap();
        let served = served(line);
        assert_eq!(explained(&explanation), served, "{case:#?}\n{line:#}\n{explanation}");
        tests.push(policy_test(number, case, &served));
        decided.push(served);
    }
    let file = json!({"at": now.to_string(), "tests": tests});
    world.folder.write("audiences/all.test.yaml", &file.to_string());
    let tested = Command::new(env!("CARGO_BIN_EXE_cambio"))
        .args(["test", "--config", "cambio.yaml", "audiences/all.test.yaml"])
        .current_dir(world.folder.path(""))
        .output()
        .unwrap();
    let text = String::from_utf8([tested.stdout, tested.stderr].concat()).unwrap();
    assert_eq!(tested.status.code(), Some(0), "{text}");
    decided
}

#[test]
fn serve_explain_and_test_agree() {
    let mut runner = TestRunner::new(ProptestConfig::default());
    let mut allowed = 0;
    let mut reasons = std::collections::BTreeMap::new();
    // One in thirteen is allowed: of fewer, none may be.
    let mut left = cases().max(200);
    while left > 0 {
        let batch = left.min(BATCH);
        let generated: Vec<_> = (0..batch).map(|number| Generated::new(number, &mut runner)).collect();
        for decided in agree(&generated) {
            allowed += u32::from(decided["allowed"] == true);
            *reasons.entry(decided["reason"].to_string()).or_insert(0) += 1;
        }
        left -= batch;
    }
    assert!(allowed > 0 && reasons.len() > 5, "too much alike: {allowed} allowed, {reasons:?}");
    println!("{allowed} allowed, {reasons:?}");
}
