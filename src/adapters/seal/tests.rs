use proptest::prelude::*;
use serde_json::json;

use super::*;

fn seal(keys: &[u8]) -> Seal {
    let texts: Vec<String> = keys.iter().map(|byte| STANDARD.encode([*byte; KEY_BYTES])).collect();
    Seal::from_texts(texts.iter().map(String::as_bytes)).unwrap()
}

fn renewal(realm: &str, client: &str, upstream: Option<&str>) -> Renewal {
    let mut content = json!({
        "realm": realm, "client": client, "family": "f", "generation": 3, "began": 1_800_000_000, "issued": 1_800_000_000,
        "expires": 1_800_028_800, "issuance": "reissue", "audiences": ["back-end-api"], "scope": "email profile",
        "subject": {
            "issuer": "corp", "kind": "access_token", "algorithm": "RS256", "kid": "k", "typ": "JWT",
            "claims": {"sub": "alice", "groups": ["staff"]},
        },
    });
    if let Some(upstream) = upstream {
        content["upstream"] = json!(upstream);
    }
    Renewal::read(content.to_string().as_bytes()).unwrap()
}

fn sealed() -> Secret {
    seal(&[1]).seal(&renewal("corp", "front-end-app", Some("up-stream-secret"))).unwrap()
}

#[test]
fn what_was_sealed_comes_back_and_shows_nothing_before() {
    let token = sealed();
    assert!(token.expose().starts_with("cambio_rt_"));
    for text in ["alice", "up-stream-secret", "staff"] {
        let bytes = URL_SAFE_NO_PAD.decode(&token.expose()[PREFIX.len()..]).unwrap();
        assert!(memchr::memmem::find(&bytes, text.as_bytes()).is_none());
    }
    let opened = seal(&[1]).open(&token, "corp", "front-end-app").unwrap();
    assert_eq!(opened.upstream().unwrap().expose(), "up-stream-secret");
    assert_eq!((opened.family(), opened.generation()), ("f", 3));
    assert_eq!(opened.subject_id(), "alice");
    assert_eq!(opened.write().unwrap(), renewal("corp", "front-end-app", Some("up-stream-secret")).write().unwrap());
    let shown = format!("{opened:?} {:?}", seal(&[1]));
    assert!(!shown.contains("alice") && !shown.contains("secret"), "{shown}");
}

#[test]
fn the_same_content_is_never_the_same_token() {
    assert_ne!(sealed().expose(), sealed().expose());
}

#[test]
fn the_first_key_seals_and_every_key_opens() {
    let token = seal(&[1]).seal(&renewal("corp", "a", None)).unwrap();
    assert!(seal(&[2, 1]).open(&token, "corp", "a").is_ok(), "after a rotation");
    assert!(seal(&[2]).open(&token, "corp", "a").is_err(), "when the old key is gone");
    let token = seal(&[2, 1]).seal(&renewal("corp", "a", None)).unwrap();
    assert!(seal(&[2]).open(&token, "corp", "a").is_ok());
    assert!(seal(&[1]).open(&token, "corp", "a").is_err());
}

#[test]
fn another_realm_or_client_has_no_use_for_it() {
    let token = sealed();
    for (realm, client) in
        [("partner", "front-end-app"), ("corp", "back-end-api"), ("corpf", "ront-end-app"), ("", ""), ("corp", "")]
    {
        assert_eq!(seal(&[1]).open(&token, realm, client).unwrap_err(), SealError::Opening, "{realm} {client}");
    }
}

#[test]
fn what_is_no_token_of_ours_is_refused() {
    let good = sealed();
    let encoded = &good.expose()[PREFIX.len()..];
    for (name, text) in [
        ("nothing", String::new()),
        ("the prefix alone", PREFIX.to_owned()),
        ("no prefix", encoded.to_owned()),
        ("the prefix twice", format!("{PREFIX}{PREFIX}{encoded}")),
        ("padded", format!("{PREFIX}{encoded}=")),
        ("a space behind", format!("{PREFIX}{encoded} ")),
        ("cut", format!("{PREFIX}{}", &encoded[..encoded.len() - 4])),
        ("the head alone", format!("{PREFIX}{}", &encoded[..22])),
        ("too long", format!("{PREFIX}{}", "A".repeat(MAX_TOKEN_BYTES))),
        ("a JWT", "eyJhbGciOiJSUzI1NiJ9.e30.AA".to_owned()),
    ] {
        assert_eq!(
            seal(&[1]).open(&Secret::new(text), "corp", "front-end-app").unwrap_err(),
            SealError::Opening,
            "{name}"
        );
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    let token = sealed();
    let bytes = URL_SAFE_NO_PAD.decode(&token.expose()[PREFIX.len()..]).unwrap();
    let keys = seal(&[1]);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let flipped = Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(flipped)));
        assert!(keys.open(&flipped, "corp", "front-end-app").is_err(), "bit {bit}");
    }
}

#[test]
fn keys_are_32_bytes_in_base64_each_once() {
    let text = |byte: u8, length: usize| STANDARD.encode(vec![byte; length]);
    let (good, other) = (text(1, 32), text(2, 32));
    let with_newline = format!("{good}\n");
    for (name, texts, expected) in [
        ("one", vec![good.as_str()], None),
        ("two, with a newline", vec![&with_newline, &other], None),
        ("none", vec![], Some(SealError::Keys)),
        ("the same twice", vec![&good, &with_newline], Some(SealError::Keys)),
        ("short", vec![&text(1, 16)], Some(SealError::Key)),
        ("long", vec![&text(1, 33)], Some(SealError::Key)),
        ("empty", vec![""], Some(SealError::Key)),
        ("hexadecimal", vec![&"0a".repeat(32)], Some(SealError::Key)),
        ("PEM", vec!["-----BEGIN PRIVATE KEY-----"], Some(SealError::Key)),
    ] {
        let made = Seal::from_texts(texts.iter().map(|text| text.as_bytes()));
        assert_eq!(made.err(), expected, "{name}");
    }
    let generated = generate().unwrap();
    assert!(Seal::from_texts([generated.expose().as_bytes()]).is_ok());
    assert_ne!(generate().unwrap().expose(), generated.expose());
}

proptest! {
    #[test]
    fn it_opens_for_its_own_realm_and_client_only(
        realm in "\\PC{0,12}", client in "\\PC{0,12}", other_realm in "\\PC{0,12}", other_client in "\\PC{0,12}",
    ) {
        let keys = seal(&[7]);
        let token = keys.seal(&renewal(&realm, &client, None)).unwrap();
        prop_assert!(keys.open(&token, &realm, &client).is_ok());
        let opened = keys.open(&token, &other_realm, &other_client).is_ok();
        prop_assert_eq!(opened, (&other_realm, &other_client) == (&realm, &client));
    }

    #[test]
    fn text_of_any_kind_is_no_token(text in "\\PC{0,200}") {
        let token = Secret::new(format!("{PREFIX}{text}"));
        prop_assert!(seal(&[7]).open(&token, "corp", "a").is_err());
    }
}
