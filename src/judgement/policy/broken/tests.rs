use super::*;

fn broken(file: &str, realm: Option<&str>, audience: Option<&str>, resources: &[&str]) -> BrokenFile {
    BrokenFile {
        file: file.to_owned(),
        names: FileNames {
            owner: audience.map(|name| format!("{name}-team")),
            realm: realm.map(str::to_owned),
            audience: audience.map(str::to_owned),
            resources: resources.iter().copied().map(str::to_owned).collect(),
        },
        problem: format!("{file}:1:1: foo: unknown key"),
    }
}

#[test]
fn a_refusal_names_the_broken_file_that_it_is_about() {
    let named = || broken("a.yaml", Some("corp"), Some("a"), &["https://a"]);
    let nameless = |file: &str| broken(file, None, None, &[]);
    let many = || ["1.yaml", "2.yaml", "3.yaml", "4.yaml", "5.yaml"].map(nameless).into();
    let rows: [(&str, Vec<BrokenFile>, Reason, &str, &str); 7] = [
        (
            "none",
            vec![],
            Reason::AudienceUnknown,
            "add a file with audience: a and realm: corp to the audiences folder",
            "",
        ),
        (
            "its file",
            vec![nameless("1.yaml"), named()],
            Reason::AudienceMisconfigured,
            "mend the audience's file (owner a-team): a.yaml:1:1: foo: unknown key",
            "",
        ),
        (
            "its file, without a realm",
            vec![broken("a.yaml", None, Some("a"), &[])],
            Reason::AudienceMisconfigured,
            "mend the audience's file (owner a-team): a.yaml",
            "",
        ),
        (
            "another audience's",
            vec![broken("b.yaml", None, Some("b"), &[])],
            Reason::AudienceUnknown,
            "",
            "audiences folder",
        ),
        (
            "another realm's",
            vec![broken("a.yaml", Some("partner"), Some("a"), &[])],
            Reason::AudienceUnknown,
            "",
            "audiences folder",
        ),
        (
            "perhaps",
            vec![nameless("1.yaml")],
            Reason::AudienceUnknown,
            "",
            "folder; or mend 1.yaml: Cambio can't read which audience a broken file is about",
        ),
        (
            "one of many",
            many(),
            Reason::AudienceUnknown,
            "",
            "; or mend 1.yaml, 2.yaml, 3.yaml and 2 more: Cambio can't read which audience a broken file is about",
        ),
    ];
    for (name, broken, reason, start, end) in rows {
        let refusal = BrokenFiles(broken).no_audience("corp", "a", std::iter::empty());
        assert_eq!(refusal.reason, reason, "{name}");
        assert!(refusal.detail.starts_with(start) && refusal.detail.ends_with(end), "{name}: {}", refusal.detail);
    }
    let broken = BrokenFiles(vec![named(), nameless("1.yaml")]);
    assert_eq!(broken.no_resource("corp", "https://a").reason, Reason::AudienceMisconfigured);
    let refusal = broken.no_resource("corp", "https://b");
    assert_eq!(refusal.reason, Reason::ResourceUnknown);
    assert!(refusal.detail.contains("or mend 1.yaml"), "{}", refusal.detail);
}
