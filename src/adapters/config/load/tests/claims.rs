//! What several files claim.

use super::broken::{Installation, file};

/// Files as they are, what is in force then, and the broken files.
type Step = (&'static [(&'static str, &'static str)], &'static str, &'static str);

/// Names and steps. Texts are `audience resource client`; with `-` for the client, the file has a mistake. The first step is a
/// start.
const TABLES: &[(&str, &[Step])] = &[
    (
        "the newcomer is refused",
        &[
            (&[("m", "m m x")], "m:x", ""),
            (&[("a", "m a y")], "m:x", "a"),
            (&[("z", "m z y")], "m:x", "a z"),
            (&[("m", "m m w")], "m:w", "a z"),
            (&[("a", ""), ("z", "")], "m:w", ""),
        ],
    ),
    (
        "at a start nobody is right",
        &[
            (&[("a", "m a x"), ("b", "m b y"), ("c", "c c z")], "c:z", "a b"),
            (&[("c", "c c w")], "c:w", "a b"),
            (&[("a", "")], "c:w m:y", ""),
        ],
    ),
    (
        "two newcomers",
        &[
            (&[("c", "c c z")], "c:z", ""),
            (&[("a", "m a x"), ("b", "m b y")], "c:z", "a b"),
            (&[("b", "b b y")], "b:y c:z m:x", ""),
        ],
    ),
    (
        "a resource",
        &[
            (&[("m", "m r x")], "m:x", ""),
            (&[("a", "a r y"), ("m", "m r w")], "m:w", "a"),
            (&[("m", "m m w")], "a:y m:w", ""),
        ],
    ),
    ("a resource at a start", &[(&[("a", "a r x"), ("b", "b r y"), ("c", "c c z")], "c:z", "a b")]),
    (
        "a change that takes another's falls back",
        &[
            (&[("a", "a a x"), ("b", "b b y")], "a:x b:y", ""),
            (&[("a", "b a w")], "a:x b:y", "a+"),
            (&[("a", "a b w")], "a:x b:y", "a+"),
            (&[("b", "")], "a:x", "a+"),
            (&[("a", "a b v")], "a:v", ""),
        ],
    ),
    (
        "the owner's file is away for a moment",
        &[
            (&[("m", "m m x")], "m:x", ""),
            (&[("a", "m a y")], "m:x", "a"),
            (&[("m", "")], "", "a"),
            (&[("m", "m m x")], "m:x", "a"),
            (&[("m", "")], "", "a"),
            (&[("a", "m a z")], "m:z", ""),
            (&[("m", "m m x")], "m:z", "m"),
        ],
    ),
    (
        "the last good version keeps its claims",
        &[
            (&[("a", "a a x"), ("b", "b b y")], "a:x b:y", ""),
            (&[("a", "broken"), ("c", "a c z")], "a:x b:y", "a+ c"),
            (&[("b", "b a w")], "a:x b:y", "a+ b+ c"),
            (&[("a", "")], "b:y", "b+ c"),
            (&[("b", "b a v"), ("c", "a c v")], "a:v b:v", ""),
        ],
    ),
    (
        "what a fallback had is not free",
        &[
            // a gives up its audience and wants b's, and c wants the one that a gave up.
            (&[("a", "a a x"), ("b", "b b y")], "a:x b:y", ""),
            (&[("a", "b a w"), ("c", "a c z")], "a:x b:y", "a+ c"),
        ],
    ),
    (
        "two files change places",
        &[(&[("a", "a a x"), ("b", "b b y")], "a:x b:y", ""), (&[("a", "b b x"), ("b", "a a y")], "a:y b:x", "")],
    ),
    ("a file has another name", &[(&[("a", "a a x")], "a:x", ""), (&[("a", ""), ("b", "a a y")], "a:y", "")]),
    (
        "nobody gets the audience of a broken file",
        &[
            (&[("a", "a a -"), ("b", "a b y"), ("c", "c a z"), ("d", "d d w")], "d:w", "a b c"),
            (&[("d", "d d v")], "d:v", "a b c"),
            (&[("a", "a a x"), ("b", ""), ("c", "")], "a:x d:v", ""),
        ],
    ),
    (
        "a broken file does not take either",
        &[(&[("b", "b b y")], "b:y", ""), (&[("a", "b b -")], "b:y", "a"), (&[("b", "b b w")], "b:w", "a")],
    ),
];

#[test]
fn no_file_takes_what_another_has() {
    for (name, steps) in TABLES {
        let mut installation: Option<Installation> = None;
        for (index, (files, in_force, broken)) in steps.iter().enumerate() {
            let text = |text: &str| match text.split(' ').collect::<Vec<_>>()[..] {
                [audience, resource, "-"] => file(audience, resource, "x") + "foo: 1\n",
                [audience, resource, client] => file(audience, resource, client),
                [""] => String::new(),
                _ => "a: [\n".to_owned(),
            };
            let files: Vec<_> = files.iter().map(|(name, one)| (format!("{name}.yaml"), text(one))).collect();
            let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            match &mut installation {
                None => installation = Some(Installation::start(&files)),
                Some(running) => _ = running.change(&files),
            }
            let running = installation.as_mut().unwrap();
            for how in ["", ", again"] {
                let got = running.broken().replace(".yaml", "");
                assert_eq!(
                    (running.in_force().as_str(), got.as_str()),
                    (*in_force, *broken),
                    "{name}, step {index}{how}"
                );
                // Loading the same files again changes nothing.
                running.reload();
            }
        }
    }
}

#[test]
fn a_conflict_names_the_other_file() {
    let mut installation = Installation::start(&[("a.yaml", &file("m", "a", "x")), ("b.yaml", &file("m", "b", "y"))]);
    let problems = installation.folder.problems();
    let expected = [
        "audiences/a.yaml:1:11: audience: the realm corp has it in audiences/b.yaml (owner m-team), too; nobody gets it, \
         because Cambio can't know which file is right",
        "audiences/b.yaml:1:11: audience: the realm corp has it in audiences/a.yaml (owner m-team), too; nobody gets it, \
         because Cambio can't know which file is right",
    ];
    let folder = installation.folder.path("").display().to_string();
    assert_eq!(problems, expected);
    installation.change(&[("b.yaml", &file("b", "b", "y"))]).change(&[("b.yaml", &file("b", "a", "y"))]);
    let shown = installation.loaded.audience_files.problems()[0].to_string().replace(&folder, "");
    assert_eq!(
        shown,
        "audiences/b.yaml:4:13: resources[0]: \"https://a\" already stands for the audience in audiences/a.yaml (owner m-team)"
    );
}
