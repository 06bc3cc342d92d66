use http::HeaderMap;
use http::header::AUTHORIZATION;
use proptest::prelude::*;

use std::collections::BTreeSet;

use super::*;
use crate::judgement::dialect::Dialect;
use crate::words::oauth::urn::{CLIENT_ASSERTION_JWT, GRANT_JWT_BEARER, GRANT_TOKEN_EXCHANGE};

const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

fn head(headers: &[(&'static str, &str)]) -> Parts {
    let mut request = http::Request::new(());
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request.into_parts().0
}

/// A complete exchange with `changes` to it: a name without a value removes it.
fn exchange(changes: &[(&str, &str)]) -> Form {
    let mut form = Form::new();
    for (name, value) in [
        ("grant_type", GRANT_TOKEN_EXCHANGE),
        ("subject_token", "s3cret.token"),
        ("subject_token_type", ACCESS),
        ("audience", "back-end-api"),
        ("client_id", "front-end-app"),
        ("client_secret", "s3cret"),
    ] {
        if !changes.iter().any(|(changed, _)| *changed == name) {
            form.push(name, value);
        }
    }
    for (name, value) in changes {
        form.push(*name, *value);
    }
    form
}

fn accepts(unknown_parameters: bool) -> Accepts {
    Accepts { unknown_parameters, ..Accepts::default() }
}

fn reason(changes: &[(&str, &str)], headers: &[(&'static str, &str)], forward: bool) -> Option<Reason> {
    parse(Grant::TokenExchange, exchange(changes), &head(headers), &accepts(forward))
        .err()
        .map(|refusal| refusal.reason)
}

#[test]
fn reads_an_exchange() {
    let urn = TokenType::IdToken.urn();
    let form = exchange(&[
        ("audience", "b"),
        ("audience", ""),
        ("audience", "a"),
        ("audience", "b"),
        ("resource", "https://api"),
        ("scope", "profile email"),
        ("requested_token_type", urn),
    ]);
    let parsed = parse(Grant::TokenExchange, form, &head(&[]), &accepts(false)).unwrap();
    assert_eq!(parsed.subject_token().expose(), "s3cret.token");
    assert_eq!(parsed.subject_token_type(), TokenType::AccessToken);
    assert_eq!(parsed.requested(), TokenType::IdToken);
    assert_eq!(parsed.audiences(), ["b", "a"]);
    assert_eq!(parsed.resources(), ["https://api"]);
    assert_eq!(parsed.scope().unwrap().to_string(), "email profile");
    assert_eq!(parsed.credentials().client_id(), "front-end-app");
    assert!(parsed.extra().is_empty());
}

#[test]
fn refuses_what_it_does_not_understand() {
    let refresh = TokenType::RefreshToken.urn();
    let id = TokenType::IdToken.urn();
    let jwt = TokenType::Jwt.urn();
    for (name, changes, expected) in [
        ("complete", vec![], None),
        ("no subject token", vec![("subject_token", "")], Some(Reason::ParameterMissing)),
        ("no subject token type", vec![("subject_token_type", "")], Some(Reason::ParameterMissing)),
        ("ID token", vec![("subject_token_type", id)], Some(Reason::SubjectTokenTypeUnsupported)),
        ("short name", vec![("subject_token_type", "access_token")], Some(Reason::SubjectTokenTypeUnsupported)),
        ("asks for an access token", vec![("requested_token_type", ACCESS)], None),
        ("asks for a refresh token", vec![("requested_token_type", refresh)], Some(Reason::RefreshTokenRefused)),
        ("asks for a JWT", vec![("requested_token_type", jwt)], Some(Reason::RequestedTokenTypeUnsupported)),
        ("asks for nonsense", vec![("requested_token_type", "x")], Some(Reason::RequestedTokenTypeUnsupported)),
        ("actor", vec![("actor_token", "x")], Some(Reason::ActorTokenUnsupported)),
        ("actor type", vec![("actor_token_type", ACCESS)], Some(Reason::ActorTokenUnsupported)),
        ("omitted actor", vec![("actor_token", "")], None),
        ("scope", vec![("scope", "a\tb")], Some(Reason::ScopeMalformed)),
        ("scope with two spaces", vec![("scope", "a  b ")], None),
        ("scope of spaces", vec![("scope", "  ")], None),
        ("omitted scope", vec![("scope", "")], None),
        ("no audience", vec![("audience", "")], Some(Reason::AudienceMissing)),
        ("a resource is enough", vec![("audience", ""), ("resource", "https://api")], None),
        ("twice", vec![("scope", "a"), ("scope", "a")], Some(Reason::ParameterRepeated)),
        ("unknown", vec![("x", "1")], Some(Reason::ParameterUnknown)),
        ("unknown, omitted", vec![("x", "")], None),
        ("subject_issuer", vec![("subject_issuer", "x")], Some(Reason::ParameterUnknown)),
        ("no client", vec![("client_id", ""), ("client_secret", "")], Some(Reason::ClientMissing)),
    ] {
        assert_eq!(reason(&changes, &[], false), expected, "{name}");
    }
}

#[test]
fn forwards_unknown_parameters_only_if_they_are_no_known_ones_in_disguise() {
    for (name, parameter, expected) in [
        ("unknown", "x", None),
        ("legacy", "requested_subject", Some(Reason::ParameterUnknown)),
        ("legacy", "requested_issuer", Some(Reason::ParameterUnknown)),
        ("legacy", "subject_issuer", Some(Reason::ParameterUnknown)),
        ("case", "Audience", Some(Reason::ParameterUnknown)),
        ("array", "audience[]", Some(Reason::ParameterUnknown)),
        ("array of arrays", "audience[0][x]", Some(Reason::ParameterUnknown)),
        ("space", "audience ", Some(Reason::ParameterUnknown)),
        ("PHP", "requested.subject", Some(Reason::ParameterUnknown)),
        ("NUL", "requested_subject\0", Some(Reason::ParameterUnknown)),
        ("escaped again", "requested%5Fsubject", Some(Reason::ParameterUnknown)),
        ("separator", "audience=x&y", Some(Reason::ParameterUnknown)),
    ] {
        assert_eq!(reason(&[(parameter, "1")], &[], true), expected, "{name}: {parameter:?}");
        assert_eq!(reason(&[(parameter, "1")], &[], false), Some(Reason::ParameterUnknown), "{name}, refused");
    }
}

#[test]
fn bounds_what_is_asked_for() {
    for name in ["audience", "resource"] {
        let values: Vec<String> = (0..11).map(|index| format!("a{index}")).collect();
        let changes: Vec<(&str, &str)> = values.iter().map(|value| (name, value.as_str())).collect();
        assert_eq!(reason(&changes[..10], &[], false), None, "ten of {name}");
        assert_eq!(reason(&changes, &[], false), Some(Reason::AudiencesTooMany), "eleven of {name}");
    }
}

#[test]
fn the_head_may_not_ask_for_more() {
    let basic = [("authorization", "Basic YTpi")];
    assert_eq!(reason(&[], &basic, false), Some(Reason::CredentialsAmbiguous));
    let bearer = [("authorization", "Bearer x")];
    assert_eq!(reason(&[], &bearer, false), None, "no credentials of the client");
}

#[test]
fn the_upstream_gets_what_was_judged() {
    let form = exchange(&[("scope", "b a"), ("x", "1 & 2"), ("audience", ""), ("resource", "https://api")]);
    let parsed = parse(Grant::TokenExchange, form, &head(&[]), &accepts(true)).unwrap();
    assert_eq!(
        parsed.upstream_form(parsed.requested(), &["back-end-api".to_owned()]),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=s3cret.token\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
         &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
         &audience=back-end-api&scope=a+b&client_id=front-end-app&client_secret=s3cret&x=1+%26+2"
    );
}

#[test]
fn debug_shows_no_token_and_no_secret() {
    let parsed = parse(Grant::TokenExchange, exchange(&[("x", "s3cret")]), &head(&[]), &accepts(true)).unwrap();
    let shown = format!("{parsed:?}");
    assert!(shown.contains("back-end-api") && !shown.contains("s3cret"), "{shown}");
}

fn credentials() -> impl Strategy<Value = (Option<String>, Vec<(&'static str, String)>)> {
    // base64 of "a:b" and of "a%20b:c"; an assertion whose payload is {"iss":"app","sub":"app"}
    let assertion = "e30.eyJpc3MiOiJhcHAiLCJzdWIiOiJhcHAifQ.c2ln";
    prop_oneof![
        "[ -~é]{1,9}".prop_map(|id| (None, vec![("client_id", id)])),
        ("[ -~é]{1,9}", "(?s).{1,9}").prop_map(|(id, s)| (None, vec![("client_id", id), ("client_secret", s)])),
        Just((Some("Basic YTpi".to_owned()), vec![])),
        Just((Some("basic YSUyMGI6Yw==".to_owned()), vec![("client_id", "a b".to_owned())])),
        Just((
            None,
            vec![
                ("client_assertion", assertion.to_owned()),
                ("client_assertion_type", CLIENT_ASSERTION_JWT.to_owned())
            ]
        )),
    ]
}

fn fields(parsed: &Parsed) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        parsed.subject_token().expose().to_owned(),
        parsed.subject_token_type(),
        parsed.requested(),
        parsed.audiences().to_vec(),
        parsed.scope().cloned(),
        (parsed.credentials().client_id().to_owned(), parsed.credentials().method()),
        parsed.credentials().authorization().map(|header| header.as_bytes().to_vec()),
        parsed.extra().to_vec(),
    )
}

proptest! {
    #[test]
    fn what_is_sent_reads_as_what_was_judged(
        token in "(?s).{1,30}",
        audiences in prop::collection::vec("(?s).{1,10}", 1..9),
        scope in prop::option::of("[a-z!#-]{1,5}( [a-z]{1,5}){0,3}"),
        id_token in any::<bool>(),
        extra in prop::collection::btree_map("x[a-z]{1,5}", "(?s).{1,9}", 0..4),
        (authorization, client) in credentials(),
    ) {
        let mut form = Form::new();
        form.push("subject_token_type", ACCESS);
        for (name, value) in extra {
            form.push(name, value);
        }
        for (name, value) in client {
            form.push(name, value);
        }
        for audience in &audiences {
            form.push("audience", audience);
        }
        form.push("subject_token", token);
        if id_token {
            form.push("requested_token_type", TokenType::IdToken.urn());
        }
        if let Some(scope) = scope {
            form.push("scope", scope);
        }
        let authorization = authorization.as_deref().map(|value| ("authorization", value));
        let first = parse(Grant::TokenExchange, form, &head(authorization.as_slice()), &accepts(true)).unwrap();

        let sent = Form::parse(first.upstream_form(first.requested(), first.audiences()).as_bytes()).unwrap();
        prop_assert_eq!(sent.repeated(&["audience"]), None);
        let mut sent_head = head(&[]);
        sent_head.headers = first.credentials().authorization()
            .map(|value| HeaderMap::from_iter([(AUTHORIZATION, value.clone())]))
            .unwrap_or_default();
        let second = parse(Grant::TokenExchange, sent, &sent_head, &accepts(true)).unwrap();
        prop_assert_eq!(fields(&first), fields(&second));
    }
}

#[test]
fn reads_a_jwt_authorization_grant() {
    let form = |changes: &[(&str, &str)]| {
        let mut form = Form::new();
        for (name, value) in [
            ("grant_type", GRANT_JWT_BEARER),
            ("assertion", "s3cret.token"),
            ("client_id", "front-end-app"),
            ("client_secret", "s3cret"),
        ] {
            form.push(name, value);
        }
        for (name, value) in changes {
            form.push(*name, *value);
        }
        form
    };
    let read =
        |changes: &[(&str, &str)], unknown| parse(Grant::JwtBearer, form(changes), &head(&[]), &accepts(unknown));
    let parsed = read(&[("audience", "b"), ("scope", "email")], false).unwrap();
    assert_eq!(parsed.grant(), Grant::JwtBearer);
    assert_eq!(parsed.subject_token().expose(), "s3cret.token");
    assert_eq!(parsed.subject_token_type(), TokenType::Jwt);
    assert_eq!(parsed.requested(), TokenType::AccessToken);
    assert_eq!(parsed.audiences(), ["b"]);
    assert!(read(&[], false).is_ok(), "the assertion may name its resource");
    for (name, changes, unknown) in [
        ("a parameter of the other grant", ("subject_token", "x"), true),
        ("an actor", ("actor_token", "x"), true),
        ("an unknown parameter", ("x", "y"), false),
        ("a requested type", ("requested_token_type", ACCESS), true),
    ] {
        let refusal = read(&[changes], unknown).unwrap_err();
        assert_eq!(refusal.reason, Reason::ParameterUnknown, "{name}");
    }
    let missing = parse(Grant::JwtBearer, exchange(&[("subject_token", "")]), &head(&[]), &accepts(true));
    assert!(missing.is_err());
}

#[test]
fn what_policy_leaves_open_can_be_asked_for() {
    let with = |changes: &[(&str, &str)], accepts: &Accepts| {
        parse(Grant::TokenExchange, exchange(changes), &head(&[]), accepts).map_err(|refusal| refusal.reason)
    };
    let open = Accepts {
        subject_tokens: BTreeSet::from([TokenType::IdToken]),
        foreign: true,
        requested_tokens: BTreeSet::from([TokenType::RefreshToken]),
        ..Accepts::default()
    };
    let closed = Accepts::default();
    let id = TokenType::IdToken.urn();
    assert_eq!(with(&[("subject_token_type", id)], &open).unwrap().subject_token_type(), TokenType::IdToken);
    assert_eq!(with(&[("subject_token_type", id)], &closed).unwrap_err(), Reason::SubjectTokenTypeUnsupported);
    let partner = with(&[("subject_issuer", "partner")], &open).unwrap();
    assert_eq!(partner.subject_issuer(), Some("partner"));
    let forwarded = Accepts { unknown_parameters: true, ..Accepts::default() };
    assert_eq!(with(&[("subject_issuer", "partner")], &forwarded).unwrap_err(), Reason::ParameterUnknown);
    let refresh = [("requested_token_type", TokenType::RefreshToken.urn())];
    assert_eq!(with(&refresh, &open).unwrap().requested(), TokenType::RefreshToken);
    assert_eq!(with(&refresh, &closed).unwrap_err(), Reason::RefreshTokenRefused);
}

#[test]
fn actors() {
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Result<Option<TokenType>, Reason>);
    let id = TokenType::IdToken.urn();
    let open = Accepts { actors: true, ..Accepts::default() };
    let rows: [Row<'_>; 9] = [
        ("none", &[], Ok(None)),
        ("without values", &[("actor_token", ""), ("actor_token_type", "")], Ok(None)),
        ("access token", &[("actor_token", "a.b.c"), ("actor_token_type", ACCESS)], Ok(Some(TokenType::AccessToken))),
        ("ID token", &[("actor_token", "a.b.c"), ("actor_token_type", id)], Ok(Some(TokenType::IdToken))),
        ("no type", &[("actor_token", "a.b.c")], Err(Reason::ActorTokenIncomplete)),
        ("no token", &[("actor_token_type", ACCESS)], Err(Reason::ActorTokenIncomplete)),
        (
            "refresh token",
            &[("actor_token", "a.b.c"), ("actor_token_type", TokenType::RefreshToken.urn())],
            Err(Reason::ActorTokenInvalid),
        ),
        ("nonsense", &[("actor_token", "a.b.c"), ("actor_token_type", "x")], Err(Reason::ActorTokenInvalid)),
        (
            "twice",
            &[("actor_token", "a"), ("actor_token", "b"), ("actor_token_type", ACCESS)],
            Err(Reason::ParameterRepeated),
        ),
    ];
    for (name, changes, expected) in rows {
        let parsed = parse(Grant::TokenExchange, exchange(changes), &head(&[]), &open);
        let kind = parsed.map(|parsed| parsed.actor().map(|(_, kind)| kind)).map_err(|refusal| refusal.reason);
        assert_eq!(kind, expected, "{name}");
        let form = |parsed: Parsed| parsed.upstream_form(parsed.requested(), &[]);
        if let Ok(parsed) = parse(Grant::TokenExchange, exchange(changes), &head(&[]), &open) {
            assert!(!form(parsed).contains("actor"), "{name}: the identity provider would ignore it");
        }
    }
}

#[test]
fn requested_subjects() {
    let read = |accepts: &Accepts| {
        let form = exchange(&[("requested_subject", "bob")]);
        parse(Grant::TokenExchange, form, &head(&[]), accepts)
            .map(|parsed| {
                (parsed.requested_subject().map(str::to_owned), parsed.upstream_form(parsed.requested(), &[]))
            })
            .map_err(|refusal| refusal.reason)
    };
    let (named, form) = read(&Accepts { impersonation: true, ..Accepts::default() }).unwrap();
    assert_eq!(named.as_deref(), Some("bob"));
    assert!(!form.contains("requested_subject"));
    assert_eq!(read(&Accepts::default()), Err(Reason::ParameterUnknown));
    assert_eq!(read(&Accepts { unknown_parameters: true, ..Accepts::default() }), Err(Reason::ParameterUnknown));
}

#[test]
fn a_refresh_token_is_welcome_where_the_dialect_or_the_scope_says_so() {
    let refresh = BTreeSet::from([TokenType::RefreshToken]);
    let (plain, liked) = (
        Accepts { requested_tokens: refresh.clone(), ..Accepts::default() },
        Accepts { requested_tokens: refresh, dialect: Dialect::Forgerock, ..Accepts::default() },
    );
    let id = TokenType::IdToken.urn();
    for (name, changes, accepts, welcome) in [
        ("nothing said", &[][..], &plain, false),
        ("offline_access", &[("scope", "email offline_access")], &plain, true),
        ("offline_access that nobody permits", &[("scope", "offline_access")], &Accepts::default(), false),
        ("by the dialect", &[], &liked, true),
        ("an access token by name, as its page has it", &[("requested_token_type", ACCESS)], &liked, true),
        ("an ID token", &[("requested_token_type", id), ("scope", "offline_access")], &liked, false),
    ] {
        let parsed = parse(Grant::TokenExchange, exchange(changes), &head(&[]), accepts).unwrap();
        assert_eq!(parsed.prefers_refresh(), welcome, "{name}");
    }
}

#[test]
fn the_identity_provider_decides_about_offline_access() {
    for (scope, kind, sent) in [
        ("email offline_access", TokenType::RefreshToken, Some("email offline_access")),
        ("offline_access", TokenType::RefreshToken, Some("offline_access")),
        ("email offline_access", TokenType::AccessToken, Some("email offline_access")),
        ("email", TokenType::RefreshToken, Some("email")),
    ] {
        let form = exchange(&[("scope", scope)]);
        let parsed = parse(Grant::TokenExchange, form, &head(&[]), &Accepts::default()).unwrap();
        let form = Form::parse(parsed.upstream_form(kind, &[]).as_bytes()).unwrap();
        assert_eq!(form.one("scope"), sent, "{scope} {}", kind.urn());
        let assertion = Form::parse(parsed.upstream_assertion_form().as_bytes()).unwrap();
        assert!(!assertion.one("scope").is_some_and(|scope| scope.contains("offline_access")), "{scope}");
    }
}

#[test]
fn scope_has_another_name_where_the_page_has_one() {
    let am = Accepts { dialect: Dialect::Forgerock, ..Accepts::default() };
    let forwards = Accepts { unknown_parameters: true, ..am.clone() };
    let rfc = Accepts { dialect: Dialect::Rfc8693, ..Accepts::default() };
    let refused = |reason| Err(reason);
    for (name, changes, accepts, expected) in [
        ("scope", &[("scope", "read write")][..], &am, Ok(Some("read write"))),
        ("scopes", &[("scopes", "write")], &am, Ok(Some("write"))),
        ("one scope in both", &[("scope", "read write"), ("scopes", "write read")], &am, Ok(Some("read write"))),
        ("they differ", &[("scope", "read write"), ("scopes", "write")], &am, refused(Reason::ParameterRepeated)),
        ("the other differs", &[("scope", "write"), ("scopes", "read write")], &am, refused(Reason::ParameterRepeated)),
        ("an empty one", &[("scope", "read"), ("scopes", "")], &am, Ok(Some("read"))),
        ("an empty other", &[("scope", ""), ("scopes", "read")], &am, Ok(Some("read"))),
        ("twice", &[("scopes", "read"), ("scopes", "read")], &am, refused(Reason::ParameterRepeated)),
        ("malformed", &[("scopes", "re\"ad")], &am, refused(Reason::ScopeMalformed)),
        ("nowhere else", &[("scopes", "write")], &rfc, refused(Reason::ParameterUnknown)),
        ("not forwarded", &[("scopes", "write")], &forwards, Ok(Some("write"))),
    ] {
        let parsed = parse(Grant::TokenExchange, exchange(changes), &head(&[]), accepts);
        let found = parsed.as_ref().map(|parsed| parsed.scope().map(ToString::to_string));
        let expected = expected.map(|scope: Option<&str>| scope.map(str::to_owned));
        assert_eq!(found.map_err(|refusal| refusal.reason), expected, "{name}");
        let Ok(parsed) = parsed else { continue };
        assert!(parsed.extra().is_empty(), "{name}");
        let form = Form::parse(parsed.upstream_form(parsed.requested(), &[]).as_bytes()).unwrap();
        assert_eq!((form.one("scope"), form.one("scopes")), (expected.unwrap().as_deref(), None), "{name}");
    }
}
