//! `cambio demo --once`.

use cambio::tools::demo::walk::{self, WalkVerdict};

#[tokio::test]
async fn the_story_goes_as_told() {
    let mut out = Vec::new();
    let verdict = walk::run(true, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(verdict, WalkVerdict::Passed, "{text}");
    for told in [
        "TOKEN=$(curl -s http://127.0.0.1:",
        "CAROL=$(curl -s http://127.0.0.1:",
        "subject_token=\"$TOKEN\"",
        "subject_token=\"$CAROL\"",
        "client_not_permitted",
        "issuer_not_permitted",
        "issuance  reissue",
        "issuance  mint",
        "issuance  translate",
        "its sub        partner#",
        "BOB=$(curl -s http://127.0.0.1:",
        "actor_token=\"$BOB\"",
        "actor_token_unsupported",
        "its act        {",
    ] {
        assert!(text.contains(told), "{told}:\n{text}");
    }
    assert!(!text.contains("eyJ"), "no token is printed:\n{text}");
}
