//! Files change while Cambio runs: good ones take effect, bad ones change nothing. `audience_files.rs` has the audience
//! files of several teams.

use serde_json::Value;

use crate::support::client;
use crate::support::files::{BACK_END_API, PERMITTED};
use crate::support::world::{World, until};

#[tokio::test]
async fn a_bad_file_keeps_the_last_good_policy() {
    let world = World::start().await;
    let alice = world.alice().await;
    for (name, bad) in [
        ("no YAML", "permissions: [".to_owned()),
        ("unknown key", format!("{BACK_END_API}{PERMITTED}surprise: 1\n")),
        ("bad CEL", format!("{BACK_END_API}permissions: [{{ clients: [a], scopes: [], condition: '(' }}]\n")),
        ("empty", String::new()),
    ] {
        world.rewrite("audiences/back-end-api.yaml", &bad).await;
        let answer = world.exchange(&alice, &[]).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        world.permit(true).await;
    }
    assert!(world.metric("cambio_config_reloads_total{outcome=\"partial\"}").await >= 4.0);
}

/// What operators see of it: the metric, the text of the error, and that the old generation is in use.
#[tokio::test]
async fn a_bad_file_shows_until_a_good_one_comes() {
    let world = World::start().await;
    let alice = world.alice().await;
    let shown = async || client::get_by_address(world.cambio.admin, "/config").await.json();
    let good = shown().await;
    assert_eq!(good["last_reload_error"], Value::Null);
    assert!(world.metric("cambio_config_last_reload_successful").await > 0.0);

    let platform = world.folder.read("cambio.yaml");
    for (file, text, error) in [
        ("audiences/back-end-api.yaml", format!("{BACK_END_API}{PERMITTED}surprise: 1\n"), "surprise"),
        ("cambio.yaml", platform.replace("subjectIssuers: [corp, partner]", "subjectIssuers: []"), "subjectIssuers"),
        ("corp.pem", "no key\n".to_owned(), "corp.pem"),
    ] {
        let before = world.folder.read(file);
        world.rewrite(file, &text).await;
        let bad = shown().await;
        assert!(bad["last_reload_error"].as_str().is_some_and(|text| text.contains(error)), "{file}: {bad}");
        assert_eq!(bad["policyHash"], good["policyHash"], "{file}: the last good one is in use");
        assert!(world.metric("cambio_config_last_reload_successful").await < 1.0, "{file}");
        world.exchange(&alice, &[]).await.access_token();
        assert_eq!(client::get(world.cambio.admin, "/readyz").await.status, 200);

        world.rewrite(file, &before).await;
        assert_eq!(shown().await["last_reload_error"], Value::Null, "{file}");
        assert!(world.metric("cambio_config_last_reload_successful").await > 0.0, "{file}");
        world.exchange(&alice, &[]).await.access_token();
    }
}

/// Links within the folder are how a mounted `ConfigMap` works. A link out of the folder is not read.
#[tokio::test]
async fn links_stay_within_their_folder() {
    use std::os::unix::fs::symlink;

    let world = World::start().await;
    let alice = world.alice().await;
    let at = |name: &str| world.folder.path(name);
    // As the kubelet writes a new version and swaps `..data`.
    for (version, permissions, status) in [("..1", PERMITTED, 200), ("..2", crate::support::files::NOBODY, 403)] {
        let before = world.reloads().await;
        std::fs::create_dir(at(&format!("audiences/{version}"))).unwrap();
        world.folder.write(
            &format!("audiences/{version}/back-end-api.yaml"),
            &format!("{BACK_END_API}{permissions}# {version}\n"),
        );
        symlink(version, at("audiences/..new")).unwrap();
        std::fs::rename(at("audiences/..new"), at("audiences/..data")).unwrap();
        if version == "..1" {
            symlink("..data/back-end-api.yaml", at(".link")).unwrap();
            std::fs::rename(at(".link"), at("audiences/back-end-api.yaml")).unwrap();
        }
        until("a reload", async || (world.reloads().await != before).then_some(())).await;
        assert_eq!(world.exchange(&alice, &[]).await.status, status, "{version}");
    }
    let before = world.reloads().await;
    world.folder.write("elsewhere", "top: secret-text\n");
    symlink(at("elsewhere"), at("audiences/other.yaml")).unwrap();
    until("a reload", async || (world.reloads().await != before).then_some(())).await;
    let shown = client::get_by_address(world.cambio.admin, "/config").await.json();
    let error = shown["last_reload_error"].as_str().unwrap();
    assert!(error.contains("other.yaml: is a link to a file outside of its folder"), "{error}");
    assert!(!shown.to_string().contains("secret-text"), "{shown}");
    assert_eq!(world.exchange(&alice, &[]).await.status, 403, "what the good file says");
}

#[tokio::test]
async fn a_file_that_goes_takes_its_permissions_with_it_and_one_that_comes_brings_them() {
    let world = World::start().await;
    let alice = world.alice().await;
    let before = world.reloads().await;
    world.folder.remove("audiences/back-end-api.yaml");
    until("a reload", async || (world.reloads().await != before).then_some(())).await;
    let answer = world.exchange(&alice, &[]).await;
    assert_ne!(answer.status, 200);
    assert_eq!(world.audit(1).await[0]["reason"], "audience_unknown");
    world.permit(true).await;
    world.exchange(&alice, &[]).await.access_token();
}

/// As Kubernetes changes a mounted `ConfigMap`: the files are links into a folder that is a link itself.
#[cfg(unix)]
#[tokio::test]
async fn a_swapped_folder_is_seen() {
    use std::os::unix::fs::symlink;
    let plan = crate::support::world::Plan::new().await;
    let audiences = plan.folder.path("audiences");
    std::fs::remove_dir_all(&audiences).unwrap();
    std::fs::create_dir(&audiences).unwrap();
    for (generation, permissions) in [("..1", PERMITTED), ("..2", "permissions: []\n")] {
        std::fs::create_dir(audiences.join(generation)).unwrap();
        let text = format!("{BACK_END_API}{permissions}");
        std::fs::write(audiences.join(generation).join("back-end-api.yaml"), text).unwrap();
    }
    symlink("..1", audiences.join("..data")).unwrap();
    symlink("..data/back-end-api.yaml", audiences.join("back-end-api.yaml")).unwrap();
    let world = plan.start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();

    let before = world.reloads().await;
    symlink("..2", audiences.join("..new")).unwrap();
    std::fs::rename(audiences.join("..new"), audiences.join("..data")).unwrap();
    until("a reload", async || (world.reloads().await != before).then_some(())).await;
    assert_ne!(world.exchange(&alice, &[]).await.status, 200);
}
