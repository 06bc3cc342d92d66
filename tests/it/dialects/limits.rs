//! What each dialect says when a limit is reached.

use jiff::SignedDuration;

use super::*;

#[tokio::test]
async fn every_dialect_answers_429_in_its_own_shape() {
    let mut lines = Vec::new();
    for (dialect, more, path, usual) in DIALECTS {
        let limits = "    rateLimits: { perClient: 1/m }\n    clientLockout: { wrongSecrets: 1 }\n";
        let world = world(dialect, &format!("{more}{limits}")).await;
        let token = subject_token(&world, dialect).await;
        let fields = form::changed(&exchange_fields(&token), usual);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        for (name, changes, status) in [
            ("a wrong secret", &[("client_secret", "wrong")][..], 401),
            ("locked out", &[], 429),
            ("allowed", &[], 200),
            ("too often", &[], 429),
        ] {
            let answer = client::post(world.address(), path, &form::changed(&fields, changes)).await;
            assert_eq!(answer.status, status, "{dialect}, {name}: {}", answer.text());
            if status == 429 {
                let headers = ["retry-after", "content-type", "cache-control", "www-authenticate"];
                let headers = headers.map(|header| answer.header(header).to_owned()).join("|");
                lines.push(format!("{dialect}, {name}: 429 {} [{headers}]\n", answer.text()));
                world.clock.advance(SignedDuration::from_secs(1));
            }
        }
    }
    golden::check("dialects/limits.txt", &lines.concat());
}
