//! What Cambio itself does for one exchange, step by step, on one core. docs/performance.md has the figures.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cambio::judgement::dialect::TokenCustoms;
use cambio::judgement::exchange::accepts::Accepts;
use cambio::judgement::exchange::authenticated::Authenticated;
use cambio::judgement::exchange::classify::{Classified, classify};
use cambio::judgement::exchange::doors::Doors;
use cambio::judgement::exchange::parse::parse;
use cambio::judgement::issue::key::{KeyKind, SigningKey, generate};
use cambio::judgement::issue::{Verified, answer::UpstreamAnswer, reissue};
use cambio::judgement::jose::checks::{KindRules, TokenChecks};
use cambio::judgement::jose::issuer_claims::IssuerClaims;
use cambio::judgement::jose::keys::KeySet;
use cambio::judgement::jose::verify::{Expectations, VerifiedToken, verify};
use cambio::judgement::permit::{Circumstances, Permit};
use cambio::judgement::policy::decide::decide;
use cambio::judgement::policy::model::{Audience, Demands, Issuance, Permission, Policy, RoleRules, TokenRules};
use cambio::judgement::policy::provenance::Provenance;
use cambio::judgement::policy::request::{ExchangeRequest, WantedScope};
use cambio::judgement::token::{AudienceRule, SubjectChecks, validate};
use cambio::words::oauth::confirmation::Evidence;
use cambio::words::oauth::names::Names;
use cambio::words::oauth::urn::TokenType;
use cambio::words::secret::Secret;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value, json};

const ISSUER: &str = "https://sso.example.org/realms/corp";
const NOW: i64 = 1_800_000_000;
const AUDIENCES: usize = 100;
const PERMISSIONS: usize = 20;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// What Keycloak puts into the token of a user with its default roles.
fn claims() -> Map<String, Value> {
    let claims = json!({
        "exp": NOW + 300, "iat": NOW, "jti": "onrtte:3e1c7e41-5b0c-4d57-8d5e-96c6a4a1d6c3", "iss": ISSUER,
        "aud": "audience-99", "sub": "6f1f2f1e-0f6b-4a53-9d0f-5b3f7c1f2a77", "typ": "Bearer", "azp": "client-19",
        "sid": "0b0f6f3e-3a3e-4f7e-9a57-7b6a3d0a2c11", "acr": "1", "allowed-origins": ["https://app.example.org"],
        "realm_access": {"roles": ["default-roles-corp", "offline_access", "uma_authorization"]},
        "resource_access": {"audience-99": {"roles": ["backend_user"]}},
        "scope": "email profile", "email_verified": true, "name": "Alice Example", "preferred_username": "alice",
        "given_name": "Alice", "family_name": "Example", "email": "alice@example.org"
    });
    claims.as_object().unwrap().clone()
}

fn listed(names: &[&str]) -> Names {
    Names::listed(names.iter().map(|name| (*name).to_owned()))
}

/// A realm of 100 audiences with 20 permissions each, of which the last is ours.
fn policy() -> Policy {
    let permission = |number: usize| Permission {
        subject_clients: Names::default(),
        exchanged: false,
        clients: listed(&[&format!("client-{number}")]),
        issuers: listed(&["corp"]),
        subject_tokens: BTreeSet::from([TokenType::AccessToken]),
        requested_tokens: BTreeSet::from([TokenType::AccessToken]),
        default_scopes: BTreeSet::new(),
        scopes: listed(&["email", "profile"]),
        issuance: None,
        demands: Demands::default(),
        delegation: None,
        impersonation_sessions: false,
        impersonation: None,
        lifetime: None,
        condition: None,
        expires: None,
    };
    let audience = |number: usize| Audience {
        name: format!("audience-{number}"),
        owner: "payments-team".to_owned(),
        resources: BTreeSet::from([format!("https://audience-{number}.example.org")]),
        permissions: (0..PERMISSIONS).map(permission).collect(),
        roles: RoleRules { own: true, ..RoleRules::default() },
        token: TokenRules {
            lifetime: SignedDuration::from_mins(5),
            within_subject: false,
            claims: listed(&["email"]),
            ..TokenRules::default()
        },
        issuance: Issuance::Reissue,
        observed_until: None,
    };
    let audiences = (0..AUDIENCES).map(audience).collect();
    Policy { realms: BTreeMap::from([("corp".to_owned(), audiences)]), ..Policy::default() }
}

fn request<'a>(audiences: &'a [String], claims: &'a Map<String, Value>) -> ExchangeRequest<'a> {
    ExchangeRequest {
        held: true,
        client: "client-19",
        issuer: "corp",
        provenance: Provenance::Realm,
        subject_token: TokenType::AccessToken,
        requested_token: TokenType::AccessToken,
        audiences,
        resources: &[],
        scope: WantedScope::Any,
        claims,
        subject: "6f1f2f1e-0f6b-4a53-9d0f-5b3f7c1f2a77",
        tenant: None,
        subject_expires: Timestamp::from_second(NOW + 120).unwrap(),
        binding: claims.get("cnf"),
        realm_issuer: "https://sso.example.org/realms/corp",
        actor: None,
        impersonate: None,
        carried: &[],
        defaults: &[],
        customs: TokenCustoms::default(),
        drop_offline: false,
        pairwise: false,
    }
}

fn key(kind: KeyKind) -> SigningKey {
    SigningKey::from_pem(generate(kind).unwrap().expose().as_bytes()).unwrap()
}

fn key_set(key: &SigningKey) -> KeySet {
    KeySet::parse(json!({ "keys": [key.jwk()] }).to_string().as_bytes()).unwrap()
}

fn verified(token: &Secret, keys: &KeySet) -> VerifiedToken {
    let expect = Expectations {
        issuer: ISSUER,
        algorithms: &[Algorithm::RS256, Algorithm::ES256],
        leeway: SignedDuration::from_secs(10),
    };
    verify(token, keys, &expect, now()).unwrap()
}

/// The form that reaches a token endpoint.
fn form(token: &str) -> (Parts, String) {
    let body = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token={token}\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&audience=audience-99\
         &scope=email%20profile&client_id=client-19&client_secret=7a1f0c9e2b"
    );
    let head = http::Request::post("/realms/corp/protocol/openid-connect/token")
        .header("host", "sso.example.org")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(())
        .unwrap();
    (head.into_parts().0, body)
}

/// Every stage up to the permit.
fn permit(head: &Parts, body: &str, keys: &KeySet, policy: &Policy) -> Permit {
    let Classified::Exchange(grant, form) = classify(head, body.as_bytes(), &Doors::default()) else { unreachable!() };
    let checks = TokenChecks {
        claims: IssuerClaims::default(),
        algorithms: vec![Algorithm::RS256],
        leeway: SignedDuration::from_secs(10),
        rules: Vec::new(),
        kinds: KindRules::default(),
        may_lack: Vec::new(),
    };
    let checks = SubjectChecks { issuer_name: "corp", issuer: ISSUER, checks: &checks, audience: AudienceRule::Client };
    let authenticated = Authenticated::by_upstream(parse(grant, form, head, &Accepts::default()).unwrap());
    let validated = validate(authenticated, keys, &checks, Evidence::default(), now()).unwrap();
    Permit::decide(validated, policy, &circumstances(), now()).unwrap()
}

fn circumstances() -> Circumstances<'static> {
    Circumstances { realm: "corp", realm_issuer: ISSUER, ..Circumstances::default() }
}

/// One signature by the library that parses the key each time, and by a key that stays parsed
/// (docs/decisions/0007-parsed-keys-are-kept.md).
#[expect(clippy::disallowed_methods, reason = "the comparison is what this is about")]
fn signatures(c: &mut Criterion, rsa: &SigningKey, ec: &SigningKey) {
    let number = |key: &SigningKey, name: &str| URL_SAFE_NO_PAD.decode(key.jwk()[name].as_str().unwrap()).unwrap();
    let (n, e) = (number(rsa, "n"), number(rsa, "e"));
    let point = [vec![4], number(ec, "x"), number(ec, "y")].concat();
    let kept_rsa = RsaPublicKeyComponents { n: &n, e: &e };
    let cases = [
        (
            Algorithm::RS256,
            rsa,
            DecodingKey::from_rsa_raw_components(&n, &e),
            kept_rsa.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).unwrap(),
        ),
        (
            Algorithm::ES256,
            ec,
            DecodingKey::from_ec_der(&point),
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).unwrap(),
        ),
    ];
    for (algorithm, key, library, kept) in cases {
        let token = key.sign(&claims(), "JWT").unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        c.bench_function(&format!("signature/{algorithm:?}/jsonwebtoken"), |b| {
            b.iter(|| {
                assert!(crypto::verify(black_box(signature), message.as_bytes(), &library, algorithm).unwrap());
            });
        });
        c.bench_function(&format!("signature/{algorithm:?}/kept"), |b| {
            b.iter(|| {
                let signature = URL_SAFE_NO_PAD.decode(black_box(signature)).unwrap();
                kept.verify_sig(message.as_bytes(), &signature).unwrap();
            });
        });
    }
}

fn benchmarks(c: &mut Criterion) {
    let (rsa, ec) = (key(KeyKind::Rsa), key(KeyKind::P256));
    let tokens = [("RS256", &rsa), ("ES256", &ec)]
        .map(|(name, key)| (name, Secret::new(key.sign(&claims(), "JWT").unwrap()), key_set(key)));

    signatures(c, &rsa, &ec);

    let (head, body) = form(tokens[0].1.expose());
    c.bench_function("parse", |b| {
        b.iter(|| match classify(&head, black_box(body.as_bytes()), &Doors::default()) {
            Classified::Exchange(grant, form) => parse(grant, form, &head, &Accepts::default()).unwrap(),
            other => unreachable!("{other:?}"),
        });
    });

    let (policy, claims, target) = (policy(), claims(), ["audience-99".to_owned()]);
    let asked = request(&target, &claims);
    c.bench_function("decide/100x20", |b| {
        b.iter(|| decide(black_box(&policy), "corp", &asked, now()).unwrap());
    });

    for (name, token, keys) in &tokens {
        c.bench_function(&format!("verify/{name}"), |b| b.iter(|| verified(black_box(token), keys)));
    }

    let mut permit = permit(&head, &body, &tokens[0].2, &policy);
    let issued = verified(&tokens[0].1, &tokens[0].2);
    let answer = json!({
        "access_token": tokens[0].1.expose(), "expires_in": 300, "refresh_expires_in": 0, "token_type": "Bearer",
        "not-before-policy": 0, "session_state": "s", "scope": "email profile",
        "issued_token_type": TokenType::AccessToken.urn(),
    });
    let answer = answer.to_string();
    for (name, key) in [("ES256", &ec), ("RS256", &rsa)] {
        c.bench_function(&format!("reissue/{name}"), |b| {
            b.iter_batched(
                || UpstreamAnswer::read(200, answer.as_bytes()).unwrap(),
                |answer| {
                    let issued = Verified::new(&issued, ISSUER);
                    let granted = answer.granted_scope(&issued).unwrap();
                    let settled = permit.settle(&granted, &policy, &circumstances(), now()).unwrap();
                    reissue::conform(settled, answer, &issued, key, now()).unwrap()
                },
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
