//! `cambio conformance`, run as it is built, against a server that conforms, and against each way not to.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::exchanger::{CLIENT, Defect, Exchanger, RESOURCE, SECRET};
use crate::support::files::Folder;
use crate::support::world::{Plan, TOKEN_PATH};
use cambio::words::clock::Clock;

/// What the command said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

/// The verdicts by case id.
fn verdicts(said: &Said) -> Vec<(String, String)> {
    let document: Value =
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err));
    let text = |case: &Value, name: &str| case[name].as_str().unwrap().to_owned();
    document["cases"].as_array().unwrap().iter().map(|case| (text(case, "id"), text(case, "verdict"))).collect()
}

/// The cases that ended as one of these.
fn ended<'v>(verdicts: &'v [(String, String)], as_one_of: &[&str]) -> BTreeSet<&'v str> {
    let fits = verdicts.iter().filter(|(_, verdict)| as_one_of.contains(&verdict.as_str()));
    fits.map(|(id, _)| id.as_str()).collect()
}

/// Every token that a case needs, as environment.
fn tokens(server: &Exchanger) -> Vec<(&'static str, String)> {
    let alice = |changes: Value| server.token("alice", &changes);
    let actors = "https://actors.example.org";
    vec![
        ("CAMBIO_CLIENT_SECRET", SECRET.to_owned()),
        ("CAMBIO_SUBJECT_TOKEN", alice(json!({}))),
        ("CAMBIO_ACTOR_TOKEN", server.token("agent", &json!({"iss": actors}))),
        ("CAMBIO_SECOND_ACTOR_TOKEN", server.token("second", &json!({}))),
        ("CAMBIO_EXPIRED_ACTOR_TOKEN", server.token("agent", &json!({"exp": 1_000_000_000}))),
        ("CAMBIO_MAY_ACT_TOKEN", alice(json!({"may_act": {"sub": "agent"}}))),
        ("CAMBIO_OTHER_MAY_ACT_TOKEN", alice(json!({"may_act": {"sub": "somebody"}}))),
        ("CAMBIO_EMPTY_MAY_ACT_TOKEN", alice(json!({"may_act": {}}))),
        ("CAMBIO_MALFORMED_MAY_ACT_TOKEN", alice(json!({"may_act": "agent"}))),
        ("CAMBIO_EXPIRED_SUBJECT_TOKEN", alice(json!({"exp": 1_000_000_000}))),
        ("CAMBIO_EARLY_SUBJECT_TOKEN", alice(json!({"nbf": 4_000_000_000_u64, "exp": 4_000_000_600_u64}))),
        ("CAMBIO_REVOKED_SUBJECT_TOKEN", alice(json!({"jti": "revoked"}))),
        ("CAMBIO_UNTRUSTED_SUBJECT_TOKEN", server.untrusted()),
        ("CAMBIO_ID_TOKEN", alice(json!({"typ": "id"}))),
    ]
}

async fn command(arguments: &[&str], environment: &[(&str, String)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cambio"));
    command.arg("conformance").args(arguments).stdin(Stdio::null()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for (name, value) in environment {
        command.env(name, value);
    }
    // Each of its requests has a limit, so it ends.
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Said {
        code: done.status.code().unwrap(),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

/// The whole suite, with every input.
async fn whole(server: &Exchanger, more: &[&str]) -> Said {
    let (token, introspect, issuer) = (server.url("/token"), server.url("/introspect"), server.url(""));
    let mut arguments = vec![
        "--token-endpoint",
        &token,
        "--client-id",
        CLIENT,
        "--introspection-endpoint",
        &introspect,
        "--issuer",
        &issuer,
        "--audience",
        "api",
        "--audience",
        "other",
        "--resource",
        RESOURCE,
        "--scope",
        "read write",
    ];
    arguments.extend(more);
    command(&arguments, &tokens(server)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_conforms_passes_every_case() {
    let server = Exchanger::start(Defect::None).await;
    let said = whole(&server, &["--format", "json", "--strict"]).await;
    let verdicts = verdicts(&said);
    let others: Vec<_> = verdicts.iter().filter(|(_, verdict)| verdict != "pass").collect();
    let pairs = [("requested-saml2", "not_supported"), ("error-uri", "skipped"), ("endpoint-tls", "skipped")];
    let expected: Vec<_> = pairs.map(|(id, verdict)| (id.to_owned(), verdict.to_owned())).into();
    assert_eq!(others, expected.iter().collect::<Vec<_>>());
    assert_eq!(said.code, 0, "{}", said.err);
}

/// Each defect, and the cases that find it. A case that no row has could be one that can't fail.
#[rustfmt::skip]
const ROWS: &[(Defect, &[&str])] = &[
    (Defect::ActorIgnored, &["actor", "actor-garbage", "actor-token-type-alone", "actor-token-type-missing"]),
    (Defect::ActorUnchecked, &["actor-altered", "actor-expired", "actor-garbage", "actor-type-saml", "actor-type-unknown", "actor-unsecured"]),
    (Defect::ActorTypeUnchecked, &["actor-token-type-alone", "actor-token-type-missing", "actor-type-saml", "actor-type-unknown"]),
    (Defect::ResourceIgnored, &["audience-and-unknown-resource", "resource", "resource-and-unknown", "resource-fragment", "resource-relative", "resource-unknown", "resource-unknown-code"]),
    (Defect::ResourceUnchecked, &["resource-fragment", "resource-relative"]),
    (Defect::AudienceIgnored, &["audience", "audience-and-resource", "audience-and-unknown", "audience-only", "audience-repeated", "audience-unknown", "audience-unknown-code"]),
    (Defect::AudienceCode, &["audience-unknown-code", "resource-unknown-code"]),
    (Defect::FirstAudienceOnly, &["audience-and-unknown", "audience-repeated"]),
    (Defect::WideAudience, &["audience-only"]),
    (Defect::ScopeIgnored, &["scope-honoured"]),
    (Defect::ScopeSilent, &["scope-honoured", "scope-told"]),
    (Defect::ScopeInvented, &["scope-and-unknown", "scope-malformed", "scope-unknown"]),
    (Defect::ScopeList, &["scope-claim"]),
    (Defect::ScopeByPosition, &["scope-malformed", "scope-order", "scope-unknown"]),
    (Defect::SignatureUnchecked, &["actor-altered", "actor-unsecured", "subject-altered", "subject-own-key", "subject-shared-secret", "subject-unsecured", "subject-unsigned"]),
    (Defect::NoneAccepted, &["actor-unsecured", "subject-unsecured"]),
    (Defect::TimesUnchecked, &["actor-expired", "subject-early", "subject-expired"]),
    (Defect::RevocationUnchecked, &["subject-revoked"]),
    (Defect::IssuerUnchecked, &["subject-untrusted"]),
    (Defect::SubjectTypeUnchecked, &["actor-type-saml", "actor-type-unknown", "subject-token-type-refresh", "subject-token-type-saml", "subject-token-type-short", "subject-token-type-unknown"]),
    (Defect::SubjectTypeOptional, &["endpoint-query", "subject-token-type-missing"]),
    (Defect::SubjectTypeShort, &["subject-token-type-short"]),
    (Defect::RequestedTypeIgnored, &["error-description-echo", "requested-id-token", "requested-jwt", "requested-refresh-token", "requested-saml2", "requested-unknown", "requested-upper-case"]),
    (Defect::RequestedTypeFolded, &["requested-upper-case"]),
    (Defect::NoIssuedType, &["issued-token-type", "requested-access-token", "requested-id-token", "requested-jwt", "requested-not-asked-for", "requested-refresh-token"]),
    (Defect::OddIssuedType, &["requested-access-token", "requested-id-token", "requested-jwt", "requested-not-asked-for", "requested-refresh-token"]),
    (Defect::NeverNotApplicable, &["requested-id-token", "requested-refresh-token"]),
    (Defect::AlwaysNotApplicable, &["requested-access-token"]),
    (Defect::NoTokenType, &["requested-id-token", "requested-refresh-token", "token-type"]),
    (Defect::NumberTokenType, &["answer-texts", "requested-id-token", "requested-refresh-token", "token-type"]),
    (Defect::Created, &["answer-status"]),
    (Defect::Html, &["answer-media-type"]),
    (Defect::Stored, &["answer-no-store", "error-no-store"]),
    (Defect::NoPragma, &["answer-pragma"]),
    (Defect::RepeatedName, &["answer-names-once"]),
    (Defect::TokenSpaces, &["access-token", "token-signature"]),
    (Defect::SameToken, &["access-token-new", "actor", "audience", "audience-and-resource", "audience-only", "audience-repeated", "scope-told", "token-id"]),
    (Defect::NoExpiresIn, &["expires-in"]),
    (Defect::TextExpiresIn, &["expires-in-number"]),
    (Defect::FalseExpiresIn, &["expires-in-true"]),
    (Defect::RefreshUnasked, &["refresh-token-unasked"]),
    (Defect::OtherKey, &["token-signature"]),
    (Defect::OtherIssuer, &["token-issuer"]),
    (Defect::OtherSubject, &["act-subject", "token-subject"]),
    (Defect::Expired, &["expires-in-true", "token-expiry"]),
    (Defect::Future, &["token-times"]),
    (Defect::NumberAudience, &["audience", "audience-and-resource", "audience-only", "audience-repeated", "token-audience"]),
    (Defect::SameId, &["token-id"]),
    (Defect::ActUnasked, &["token-not-delegated"]),
    (Defect::OtherClientId, &["token-client"]),
    (Defect::PlainTyp, &["token-type-header"]),
    (Defect::ErrorStatus, &["actor-garbage", "error-status", "subject-garbage"]),
    (Defect::ErrorHtml, &["error-media-type"]),
    (Defect::ErrorCode, &["actor-garbage", "subject-garbage"]),
    (Defect::ErrorCodeOdd, &["actor-garbage", "error-code", "subject-garbage"]),
    (Defect::ErrorEcho, &["error-description-echo", "error-description-scope"]),
    (Defect::ErrorUri, &["error-uri"]),
    (Defect::ErrorQuotes, &["error-description"]),
    (Defect::ErrorWithToken, &["error-no-token"]),
    (Defect::ActText, &["act-actor", "act-identity-only", "act-issuer", "act-object", "chain-current", "chain-kept", "chain-nested", "may-act-authorised"]),
    (Defect::ActOther, &["act-actor", "chain-current", "may-act-authorised"]),
    (Defect::ActNoIssuer, &["act-issuer"]),
    (Defect::ActWithTimes, &["act-identity-only"]),
    (Defect::ActorBecomesSubject, &["act-subject", "chain-subject"]),
    (Defect::ActLost, &["chain-kept", "chain-nested"]),
    (Defect::ActReplaced, &["chain-nested"]),
    (Defect::ActInverted, &["chain-current", "chain-nested"]),
    (Defect::ActNotIntrospected, &["act-introspection"]),
    (Defect::MayActIgnored, &["may-act-empty", "may-act-empty-client", "may-act-malformed", "may-act-other", "may-act-other-client"]),
    (Defect::MayActRefused, &["may-act-authorised"]),
    (Defect::NoBasic, &["client-basic", "form-basic-escaped"]),
    (Defect::RawBasic, &["form-basic-escaped"]),
    (Defect::TwoCredentials, &["client-both"]),
    (Defect::SecretCode, &["client-missing", "client-unknown", "client-without-secret", "client-wrong-basic", "client-wrong-secret"]),
    (Defect::NoChallenge, &["client-wrong-basic"]),
    (Defect::SecretUnchecked, &["client-missing", "client-unknown", "client-without-secret", "client-wrong-basic", "client-wrong-secret"]),
    (Defect::ClientOptional, &["client-missing"]),
    (Defect::TwoNames, &["client-two-names"]),
    (Defect::GetServed, &["endpoint-get"]),
    (Defect::QueryRead, &["endpoint-query"]),
    (Defect::JsonRead, &["endpoint-json"]),
    (Defect::Repeated, &["repeated-grant-type", "repeated-requested-token-type", "repeated-scope", "repeated-subject-token", "repeated-subject-token-type"]),
    (Defect::GrantFolded, &["grant-type-exact"]),
    (Defect::GrantMissing, &["grant-type-missing"]),
    (Defect::EmptyCounts, &["actor-token-empty", "requested-token-type-empty", "resource-empty", "scope-empty"]),
    (Defect::UnknownRefused, &["unknown-parameter"]),
    (Defect::EscapesUnread, &["form-escaped"]),
    (Defect::CharsetRefused, &["form-charset"]),
    (Defect::Unannounced, &["metadata-authentication", "metadata-grant"]),
    (Defect::OtherEndpoint, &["metadata-endpoint"]),
    (Defect::FaultWithoutSubject, &["subject-token-empty", "subject-token-missing"]),
    (Defect::FaultOnJwt, &["subject-jwt"]),
    (Defect::FaultOnIdToken, &["subject-id-token"]),
    (Defect::FaultOnPost, &["client-post"]),
    (Defect::ScopeMistold, &["scope-honoured", "scope-told", "scope-told-unasked"]),
    (Defect::Unsecured, &["token-algorithm", "token-signature"]),
];

/// Decided without a server, so a unit test breaks it.
const NO_SERVER: [&str; 1] = ["endpoint-tls"];

#[tokio::test(flavor = "multi_thread")]
async fn each_defect_fails_exactly_the_cases_about_it() {
    for (defect, expected) in ROWS {
        let server = Exchanger::start(*defect).await;
        let way = if matches!(defect, Defect::NoBasic | Defect::RawBasic) { "post" } else { "basic" };
        let said = whole(&server, &["--format", "json", "--client-auth", way]).await;
        let verdicts = verdicts(&said);
        let found = ended(&verdicts, &["fail", "warn"]);
        assert_eq!(found, expected.iter().copied().collect(), "{defect:?}");
        assert_eq!(ended(&verdicts, &["error"]), BTreeSet::new(), "{defect:?}");
        let musts = !ended(&verdicts, &["fail"]).is_empty();
        assert_eq!(said.code, i32::from(musts), "{defect:?}: only a MUST is an exit status of 1");
        if musts {
            continue;
        }
        let strict = whole(&server, &["--format", "json", "--client-auth", way, "--strict"]).await;
        assert_eq!(strict.code, 1, "{defect:?}: with --strict a SHOULD is, too");
    }
}

#[test]
fn every_case_can_fail() {
    let found: BTreeSet<&str> = ROWS.iter().flat_map(|(_, ids)| ids.iter().copied()).chain(NO_SERVER).collect();
    let all: BTreeSet<&str> =
        cambio::tools::conformance::cases::all().map(|case| case.id).chain(NOTHING_WORKS).collect();
    assert_eq!(found.iter().copied().chain(NOTHING_WORKS).collect::<BTreeSet<_>>(), all);
}

/// The plain exchange is broken by a server that exchanges nothing.
const NOTHING_WORKS: [&str; 1] = ["exchange"];

#[tokio::test(flavor = "multi_thread")]
async fn who_refuses_everything_passes_nothing() {
    let server = Exchanger::start(Defect::NoBasic).await;
    let said = whole(&server, &["--format", "json"]).await;
    let verdicts = verdicts(&said);
    assert_eq!(ended(&verdicts, &["fail"]), BTreeSet::from(NOTHING_WORKS));
    let passed = ended(&verdicts, &["pass", "not_supported"]);
    let metadata = ["metadata-authentication", "metadata-endpoint", "metadata-grant"];
    assert_eq!(passed, BTreeSet::from(metadata), "a refusal proves nothing");
    assert_eq!(said.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clear_refusal_of_delegation_is_no_failure() {
    let server = Exchanger::start(Defect::NoDelegation).await;
    let said = whole(&server, &["--format", "json", "--strict"]).await;
    let verdicts = verdicts(&said);
    for id in ["actor", "act-object", "chain-kept", "may-act-authorised"] {
        assert!(ended(&verdicts, &["not_supported"]).contains(id), "{id}");
    }
    assert!(ended(&verdicts, &["pass"]).contains("actor-garbage"));
    assert_eq!(said.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn opaque_tokens_are_judged_by_what_introspection_says() {
    let server = Exchanger::start(Defect::Opaque).await;
    let said = whole(&server, &["--format", "json"]).await;
    let verdicts = verdicts(&said);
    let skipped = ["endpoint-tls", "error-uri", "token-algorithm", "token-signature", "token-type-header"];
    assert_eq!(ended(&verdicts, &["skipped"]), BTreeSet::from(skipped));
    assert_eq!(said.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_given_is_skipped_and_counted() {
    let server = Exchanger::start(Defect::None).await;
    let url = server.url("/token");
    let environment: Vec<_> = tokens(&server).into_iter().take(2).collect();
    let said = command(&["--token-endpoint", &url, "--client-id", CLIENT, "--format", "json"], &environment).await;
    let verdicts = verdicts(&said);
    let skipped = ended(&verdicts, &["skipped"]);
    for id in ["actor", "audience", "resource", "scope-honoured", "subject-expired", "token-signature"] {
        assert!(skipped.contains(id), "{id}");
    }
    let document: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["summary"]["skipped"], json!(skipped.len()));
    let actor = document["cases"].as_array().unwrap().iter().find(|case| case["id"] == "actor").unwrap();
    assert_eq!(actor["detail"], "needs --actor-token-file or --actor-token-command");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_format_shows_a_token_or_a_secret() {
    for defect in [Defect::None, Defect::ErrorEcho, Defect::SameToken] {
        let server = Exchanger::start(defect).await;
        for format in ["table", "markdown", "json"] {
            let said = whole(&server, &["--format", format]).await;
            for (name, value) in tokens(&server) {
                // Each token is new; what they share is their header and the beginning of their claims.
                let telling = &value[..value.len().min(20)];
                assert!(!said.out.contains(telling) && !said.err.contains(telling), "{format}: {name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gives_fresh_tokens_and_files_give_the_rest() {
    let server = Exchanger::start(Defect::None).await;
    let folder = Folder::new();
    folder.write("secret", &format!("{SECRET}\r\n"));
    folder.write("token", &server.token("alice", &json!({})));
    let brief = cambio::words::clock::Clock::System.now().as_second() + 5;
    folder.write("brief", &server.token("alice", &json!({"exp": brief})));
    // The first token is about to expire; the second time another is printed.
    let command_line =
        format!("cd {}; cat brief; mv token brief 2>/dev/null; echo x >>times", folder.path("").display());
    let (url, secret) = (server.url("/token"), folder.path("secret"));
    let arguments = [
        "--token-endpoint",
        &url,
        "--client-id",
        CLIENT,
        "--client-secret-file",
        secret.to_str().unwrap(),
        "--subject-token-command",
        &command_line,
        "--only",
        "2.1",
        "--format",
        "json",
    ];
    let said = command(&arguments, &[]).await;
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert_eq!(folder.read("times").lines().count(), 2);
    let verdicts = verdicts(&said);
    assert!(verdicts.len() > 5 && verdicts.iter().all(|(id, _)| id != "grant-type-missing"), "--only");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_run_is_an_exit_status_of_2_and_no_answer_one_of_1() {
    let server = Exchanger::start(Defect::None).await;
    let url = server.url("/token");
    let usual = ["--token-endpoint", &url, "--client-id", CLIENT];
    let environment = tokens(&server);
    for (name, arguments, says) in [
        ("no endpoint", &["--client-id", "x"][..], "--token-endpoint <URL>"),
        ("no client", &["--token-endpoint", "http://127.0.0.1:1/"], "--client-id <ID>"),
        ("unknown option", &["--tokens", "x"], "unexpected argument '--tokens'"),
        ("a token as an argument", &["--subject-token", "x"], "unexpected argument '--subject-token'"),
        ("no such case", &["--only", "9.9"], "--only names no case"),
        ("twice", &["--client-id", "y"], "'--client-id <ID>' cannot be used multiple times"),
        ("no file", &["--actor-token-file", "/nowhere/at/all"], "/nowhere/at/all"),
        ("a command that fails", &["--actor-token-command", "exit 3"], "the command for a token failed"),
        ("an issuer that is not there", &["--issuer", "http://127.0.0.1:1"], "http://127.0.0.1:1"),
    ] {
        let whole: Vec<&str> = if name.starts_with("no endpoint") || name == "no client" {
            arguments.to_vec()
        } else {
            usual.iter().chain(arguments).copied().collect()
        };
        let said = command(&whole, &environment).await;
        assert_eq!(said.code, 2, "{name}: {}", said.out);
        assert!(said.err.contains(says), "{name}: {}", said.err);
    }
    drop(server);
    let nobody = ["--token-endpoint", "http://127.0.0.1:1/token", "--client-id", CLIENT, "--only", "exchange"];
    let said = command(&nobody, &environment).await;
    assert_eq!((said.code, said.out.contains("ERROR")), (1, true), "{}", said.out);
}

/// The demo's identity provider ignores what Keycloak ignores; with Cambio in front of it nothing is ignored.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_identity_provider_ignores_cambio_does_not() {
    let plan = Plan::new().await.timed_by(Clock::System).await;
    let world = plan.start().await;
    let secret = ("CAMBIO_CLIENT_SECRET", "front-end-secret".to_owned());
    let alice = world.alice().await;
    let environment = [secret, ("CAMBIO_SUBJECT_TOKEN", alice.clone()), ("CAMBIO_ACTOR_TOKEN", alice)];
    let silent = ["actor", "actor-garbage", "actor-token-type-alone", "actor-token-type-missing", "resource-unknown"];
    for (name, address, failed) in [
        ("straight", world.idp.address(), BTreeSet::from(silent)),
        ("through Cambio", world.address(), BTreeSet::new()),
    ] {
        let url = format!("http://{address}{TOKEN_PATH}");
        let mut arguments = vec![
            "--token-endpoint",
            &url,
            "--host",
            "sso.example.org",
            "--client-id",
            "front-end-app",
            "--audience",
            "back-end-api",
            "--format",
            "json",
            "--only",
            "exchange",
            "--only",
            "audience",
        ];
        arguments.extend(silent.iter().flat_map(|id| ["--only", id]));
        let said = command(&arguments, &environment).await;
        let verdicts = verdicts(&said);
        assert!(ended(&verdicts, &["pass"]).is_superset(&BTreeSet::from(["exchange", "audience"])), "{name}");
        assert_eq!(ended(&verdicts, &["fail", "warn", "error", "skipped"]), failed, "{name}");
    }
}
