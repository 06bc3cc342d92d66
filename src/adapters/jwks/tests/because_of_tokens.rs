//! Fetches because of tokens: unknown `kid`s, and tokens that no key verifies.

use super::*;

#[tokio::test]
async fn unknown_kids_cause_one_fetch_per_cooldown() {
    let (set, kid) = key_set();
    let server = Server::start([good(&set)]).await;
    let (jwks, hand) = jwks(&server);
    jwks.warm().await;
    for (name, advance, hits) in
        [("first", 0, 2), ("at once", 0, 2), ("9 s on", 9, 2), ("10 s on", 1, 3), ("again", 0, 3)]
    {
        hand.advance(seconds(advance));
        assert!(jwks.keys(Some(&format!("made up {name}"))).await.unwrap().contains(&kid), "{name}");
        assert_eq!(server.hits(), hits, "{name}");
    }
}

#[tokio::test]
async fn a_kid_that_fresh_keys_lack_is_remembered() {
    let ((set, kid), (newer, new_kid)) = (key_set(), key_set());
    let server = Server::start([good(&set)]).await;
    let (jwks, hand) = jwks(&server);
    jwks.warm().await;
    // The server still has no such key: neither after the cool-down nor just before the end of the refresh interval.
    for (advance, hits) in [(0, 2), (11, 2), (288, 2), (1, 3), (11, 3)] {
        hand.advance(seconds(advance));
        assert_eq!(jwks.has_keys_for(Some(&new_kid)), server.hits() == hits, "{advance}");
        jwks.published(Some(&new_kid)).await.unwrap();
        assert_eq!(server.hits(), hits, "{advance}");
    }
    // Another kid is another matter, and so are keys that come for another reason.
    hand.advance(seconds(11));
    server.then(good(&newer));
    assert!(!jwks.keys(Some("other")).await.unwrap().contains(&kid));
    assert_eq!(server.hits(), 4);
    assert!(jwks.keys(Some(&new_kid)).await.unwrap().contains(&new_kid));
    assert_eq!(server.hits(), 4);
}

#[tokio::test]
async fn a_kid_is_not_unknown_because_a_fetch_failed_or_began_before() {
    let (set, _) = key_set();
    let release = Arc::new(Notify::new());
    let down = Answer::Reply(500, &[], String::new());
    let server = Server::start([good(&set), down, Answer::Held(Arc::clone(&release), set.clone())]).await;
    let (jwks, hand) = jwks(&server);
    jwks.warm().await;
    server.arrived.notified().await;
    jwks.keys(Some("a")).await.unwrap();
    server.arrived.notified().await;
    assert!(!jwks.has_keys_for(Some("a")), "the fetch failed");
    hand.advance(seconds(11));
    let early = tokio::spawn({
        let jwks = jwks.clone();
        async move { jwks.keys(Some("a")).await.map(drop) }
    });
    server.arrived.notified().await;
    // The fetch of the first caller is under way, and may not see what the second caller's token is signed with.
    hand.advance(seconds(1));
    let (late, ()) = tokio::join!(jwks.keys(Some("b")), async { release.notify_one() });
    late.unwrap();
    early.await.unwrap().unwrap();
    assert!(jwks.has_keys_for(Some("a")));
    assert_eq!((jwks.has_keys_for(Some("b")), server.hits()), (false, 3));
}

#[tokio::test]
async fn keys_that_verify_nothing_are_fetched_again_once_per_cooldown() {
    let ((old, _), (new, new_kid)) = (key_set(), key_set());
    let server = Server::start([good(&old)]).await;
    let (jwks, hand) = jwks(&server);
    let held = jwks.keys(None).await.unwrap();
    assert!(jwks.may_fetch_for_token());
    assert!(jwks.newer(&held).await.is_none(), "the issuer has no others");
    assert!(!jwks.may_fetch_for_token());
    assert_eq!(server.hits(), 2);
    assert!(Arc::ptr_eq(&held, &jwks.held().unwrap()), "the same text is the same set");
    server.then(good(&new));
    assert!(jwks.newer(&held).await.is_none(), "not due");
    hand.advance(seconds(10));
    assert!(jwks.newer(&held).await.unwrap().contains(&new_kid));
    assert!(jwks.newer(&held).await.unwrap().contains(&new_kid), "without a fetch: they are here");
    assert_eq!(server.hits(), 3);
    hand.advance(seconds(10));
    server.then(Answer::Reply(500, &[], String::new()));
    assert!(jwks.newer(&jwks.held().unwrap()).await.is_none());
    assert_eq!(server.hits(), 4);
}

#[tokio::test]
async fn what_can_t_be_used_is_published_and_nothing_else() {
    let (set, kid) = key_set();
    let unusable = r#"{"keys":[{"kty":"EC","crv":"P-521","kid":"k512","use":"sig"}]}"#;
    let encryption = r#"{"keys":[{"kty":"RSA","use":"enc","kid":"e"}]}"#;
    let why = "the key set has no usable signing key";
    let named = format!("{why}: key 1 \"k512\": crv \"P-521\" is not supported");
    for (text, expected) in [(unusable, named.as_str()), (encryption, why)] {
        let server = Server::start([good(text)]).await;
        let (jwks, _) = jwks(&server);
        assert_eq!(jwks.published(None).await.unwrap().published_with([].into_iter()), text);
        let error = jwks.keys(Some("k")).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.reason()), (expected, Reason::KeysUnusable));
    }
    // A set that has keys for signatures replaces usable keys: the issuer has withdrawn them.
    let server = Server::start([good(&set), good(encryption), good(unusable)]).await;
    let (jwks, _) = jwks(&server);
    assert!(jwks.keys(None).await.unwrap().contains(&kid));
    assert!(jwks.scheduled().await.is_err());
    assert!(jwks.keys(None).await.unwrap().contains(&kid), "still these");
    assert!(jwks.scheduled().await.is_ok());
    assert_eq!(jwks.keys(None).await.unwrap_err().to_string(), named);
    assert!(jwks.published(None).await.unwrap().publishes("k512"));
}
