//! Many audiences: each request meets its own audience and no other, before and after changes.

use crate::support::world::{Plan, until};

const FILES: usize = 300;

fn file(number: usize, permitted: bool) -> String {
    // Every tenth audience has so many permissions that they have an index.
    let count = if number.is_multiple_of(10) { 40 } else { 2 };
    let others: Vec<_> =
        (0..count).map(|other| format!("  - {{ clients: [client-{other}], scopes: [email] }}\n")).collect();
    let others = others.concat();
    let own = if permitted { "  - { clients: [front-end-app], scopes: [email] }\n" } else { "" };
    format!(
        "audience: api-{number}\nowner: team-{number}\nresources: ['https://api-{number}.example.org']\nissuance: mint\n\
         permissions:\n{others}{own}"
    )
}

#[tokio::test]
async fn each_request_meets_its_own_audience() {
    let mut plan = Plan::new().await;
    for number in 0..FILES {
        plan = plan.audience(&format!("api-{number}"), &file(number, number % 3 != 0));
    }
    let world = plan.start().await;
    let alice = world.alice().await;
    for number in [0, 1, 3, 10, 100, 150, FILES - 1] {
        let (name, resource) = (format!("api-{number}"), format!("https://api-{number}.example.org"));
        let expected = if number % 3 == 0 { 403 } else { 200 };
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[("audience", &name)]).await;
        assert_eq!(answer.status, expected, "{name}: {}", answer.text());
        let line = world.audit_after(before).await;
        if expected == 200 {
            let index = if number.is_multiple_of(10) { 40 } else { 2 };
            assert_eq!(line["permissions"][0], format!("{name} permissions[{index}]"), "{line}");
        } else {
            assert_eq!(line["reason"], "client_not_permitted", "{line}");
            assert!(line["detail"].as_str().unwrap().contains(&format!("owner team-{number}")), "{line}");
        }
        let answer = world.exchange(&alice, &[("audience", "-"), ("resource", &resource)]).await;
        assert_eq!(answer.status, expected, "{resource}: {}", answer.text());
    }
    // Changes of some files at once, which nobody announces: all of them take effect, and no other.
    world.folder.write("audiences/api-3.yaml", &file(3, true));
    world.folder.write("audiences/api-10.yaml", &file(10, false));
    world.folder.remove("audiences/api-100.yaml");
    until("the changes", async || {
        let status = async |name: &str| world.exchange(&alice, &[("audience", name)]).await.status.as_u16();
        let now = (status("api-3").await, status("api-10").await, status("api-100").await);
        (now == (200, 403, 403)).then_some(())
    })
    .await;
    for (name, expected) in [("api-0", 403), ("api-1", 200), ("api-150", 403), ("api-299", 200)] {
        assert_eq!(world.exchange(&alice, &[("audience", name)]).await.status, expected, "{name}");
    }
}
