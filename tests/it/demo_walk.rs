//! `cambio demo --once`.

use cambio::demo::walk::{self, Verdict};

#[tokio::test]
async fn the_story_goes_as_told() {
    let mut out = Vec::new();
    let verdict = walk::run(true, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(verdict, Verdict::AsTold, "{text}");
    assert!(text.contains("TOKEN=$(curl -s http://127.0.0.1:"), "{text}");
    assert!(text.contains("client_not_permitted"), "{text}");
    assert!(!text.contains("eyJ"), "no token is printed:\n{text}");
}
