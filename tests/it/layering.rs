//! The house: a total order of modules, and what no file may have. Each check is seen to bite on a planted file.

mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Source, imports, public_types, sources, tuple_parameters};

/// The modules in their order: a module imports only modules above it. An entry stands for every file below it that no
/// longer entry names.
const ORDER: &[&str] = &[
    // words
    "words::clock",
    "words::secret",
    "words::oauth::error",
    "words::refusal",
    "words::oauth",
    // judgement
    "judgement::expression",
    "judgement::jose",
    "judgement::client",
    "judgement::dialect",
    "judgement::policy",
    "judgement::route",
    "judgement::exchange",
    "judgement::token",
    "judgement::permit",
    "judgement::issue",
    // adapters
    "adapters::descriptors",
    "adapters::drain",
    "adapters::memory",
    "adapters::peer",
    "adapters::seal",
    "adapters::tls",
    "adapters::limits",
    "adapters::config",
    "adapters::logs",
    "adapters::metrics",
    "adapters::audit",
    "adapters::net",
    "adapters::upstream",
    "adapters::introspection",
    "adapters::jwks",
    "adapters::store",
    // edge
    "edge::server",
    "edge::gateway::setup_error",
    "edge::gateway::answer_lock",
    "edge::gateway::respond",
    "edge::gateway::authenticator",
    "edge::gateway::key_cache",
    "edge::gateway::metadata::amend",
    "edge::gateway::metadata::cache",
    "edge::gateway::realm_runtime",
    "edge::gateway::signing",
    "edge::gateway::issuers",
    "edge::gateway::generation",
    "edge::gateway::refreshes",
    "edge::gateway::services",
    "edge::gateway::page",
    "edge::gateway::record",
    "edge::gateway::case",
    "edge::gateway::limits",
    "edge::gateway::passing",
    "edge::gateway::metadata",
    "edge::gateway::evidence",
    "edge::gateway::replay",
    "edge::gateway::sessions",
    "edge::gateway::exchange::outcome",
    "edge::gateway::exchange::ask",
    "edge::gateway::authenticate",
    "edge::gateway::introspection",
    "edge::gateway::exchange",
    "edge::gateway::own_tokens",
    "edge::gateway::observe",
    "edge::gateway::token_endpoint",
    "edge::gateway::dispatch",
    "edge::gateway",
    "edge::health",
    "edge::explain",
    "edge::admin",
    "edge::app",
    "edge::linear",
    // tools
    "tools::failure",
    "tools::config_file",
    "tools::private_file",
    "tools::audience_drafts",
    "tools::secrets",
    "tools::keys",
    "tools::check",
    "tools::diff",
    "tools::texts",
    "tools::verify",
    "tools::explain",
    "tools::policy_test",
    "tools::replay",
    "tools::conformance",
    "tools::learn",
    "tools::migrate",
    "tools::demo",
    // the command line
    "cli",
];

/// Text that the pure judgement has no business with.
const IMPURE: [&str; 8] =
    ["async fn", ".await", "tokio::", "hyper::", "std::fs", "std::env", "std::net::Tcp", "tracing::"];

/// Crates and functions that one module uses.
const ONE_USER: [(&str, &[&str]); 8] = [
    ("prometheus::", &["src/adapters/metrics"]),
    ("governor::", &["src/adapters/limits"]),
    ("jsonwebtoken::decode", &["src/judgement/jose"]),
    // One verifier of signatures with public keys, and one of codes with shared secrets but for the demo's provider.
    ("crypto::verify(", &["src/judgement/jose"]),
    (".verify_sig(", &["src/judgement/jose"]),
    // Tokens whose signature nobody checks are for explanations only.
    (".supposed(", &["src/judgement/token/checked"]),
    ("TokenSource::Supposed", &["src/judgement/permit/preview", "src/judgement/token/checked"]),
    ("hmac::verify(", &["src/judgement/jose", "src/judgement/token/dpop", "src/tools/demo"]),
];

#[test]
fn every_import_follows_the_order() {
    let sources = sources();
    let is_there = |entry: &&str| sources.iter().any(|source| source.module.starts_with(entry));
    assert!(ORDER.iter().all(is_there), "an entry of the order is no module any more");
    let wrong = against_the_order(&sources);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let wrong = circle(&sources());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_parameter_is_a_tuple_to_take_apart() {
    let wrong: Vec<_> = sources().iter().flat_map(tuple_parameters).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_public_type_name_is_defined_twice() {
    let wrong = defined_twice(&sources());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_judgement_is_pure() {
    let wrong = impure(&sources());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn some_crates_have_one_user() {
    let wrong: Vec<_> = sources()
        .iter()
        .flat_map(|source| ONE_USER.iter().map(move |(used, users)| (source, *used, *users)))
        .filter(|(source, used, users)| {
            source.code.contains(used) && !users.iter().any(|user| source.path.starts_with(user))
        })
        .map(|(source, used, _)| format!("{} uses {used}", source.path))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A comment that sends the reader to another comment is none.
#[test]
fn no_comment_sends_the_reader_elsewhere() {
    let begins = |line: &str| {
        let line = line.trim_start();
        let text = line.strip_prefix("///").or(line.strip_prefix("//!")).map(str::trim_start);
        text.is_some_and(|text| ["The same", "Likewise", "Ditto"].iter().any(|word| text.starts_with(word)))
    };
    let wrong: Vec<_> = sources()
        .iter()
        .flat_map(|source| {
            source.text.lines().filter(|line| begins(line)).map(|line| format!("{}: {line}", source.path))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_short() {
    let mut sizes: Vec<_> = sources().iter().map(|source| (lines(source), source.path.clone())).collect();
    sizes.sort_unstable();
    let at = |share: usize| &sizes[sizes.len() * share / 100];
    assert!(at(50).0 < 130, "half of the files have fewer than 130 lines: {:?}", at(50));
    assert!(at(90).0 < 300, "nine in ten have fewer than 300: {:?}", at(90));
    let longest = sizes.last().unwrap();
    assert!(longest.0 <= 450, "none has more than 450: {longest:?}");
}

/// Lines of a file without its unit tests.
fn lines(source: &Source) -> usize {
    source.text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines().count()
}

/// The place of a module in the order: that of the longest entry that it is, or lies below.
fn place(module: &str) -> Option<usize> {
    let below = |entry: &str| module.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let longest = ORDER.iter().enumerate().filter(|(_, entry)| below(entry)).max_by_key(|(_, entry)| entry.len());
    longest.map(|(index, _)| index)
}

fn graph(sources: &[Source]) -> BTreeMap<&str, BTreeSet<String>> {
    let modules: BTreeSet<String> = sources.iter().map(|source| source.module.clone()).collect();
    sources.iter().map(|source| (source.module.as_str(), imports(source, &modules))).collect()
}

fn against_the_order(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (module, imported) in graph(sources) {
        let Some(own) = place(module) else {
            wrong.push(format!("{module} stands nowhere in the order"));
            continue;
        };
        wrong.extend(
            imported
                .iter()
                .filter(|other| place(other).is_some_and(|other| other > own))
                .map(|other| format!("{module} imports {other}")),
        );
    }
    wrong
}

/// The files of one circle, if there is any.
fn circle(sources: &[Source]) -> Vec<String> {
    let graph = graph(sources);
    // Files that import nothing that is left can't be in a circle, nor can those that nothing left imports.
    let mut left: BTreeSet<&str> = graph.keys().copied().collect();
    loop {
        let leaf = left.iter().copied().find(|module| {
            let imports = graph[module].iter().any(|other| left.contains(other.as_str()));
            let imported = left.iter().any(|other| graph[other].contains(*module));
            !imports || !imported
        });
        match leaf {
            Some(leaf) => left.remove(leaf),
            None => {
                return left
                    .iter()
                    .map(|module| {
                        format!(
                            "{module} imports {:?}",
                            graph[module].iter().filter(|other| left.contains(other.as_str())).collect::<Vec<_>>()
                        )
                    })
                    .collect();
            }
        };
    }
}

/// Names that two files define. A file's mirror in `adapters::config::file` and its checked type may share one.
fn defined_twice(sources: &[Source]) -> Vec<String> {
    let mut defined: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for source in sources {
        for name in public_types(source) {
            defined.entry(name).or_default().push(&source.module);
        }
    }
    let is_mirror = |module: &&&str| module.starts_with("adapters::config::file");
    let shared = |modules: &[&str]| modules.len() == 2 && modules.iter().filter(is_mirror).count() == 1;
    let twice = defined.into_iter().filter(|(_, modules)| modules.len() > 1 && !shared(modules));
    twice.map(|(name, modules)| format!("{name}: {}", modules.join(", "))).collect()
}

fn impure(sources: &[Source]) -> Vec<String> {
    let judgement = sources.iter().filter(|source| source.module.starts_with("judgement::"));
    let found = |source: &Source| {
        let words: Vec<_> = IMPURE.iter().filter(|word| source.code.contains(**word)).collect();
        words.into_iter().map(|word| format!("{}: {word}", source.path)).collect::<Vec<_>>()
    };
    judgement.flat_map(found).collect()
}

/// Every check finds what it forbids.
mod the_checks_bite {
    use super::*;

    #[test]
    fn an_import_against_the_order() {
        for text in [
            "use crate::edge::app::Running;",
            "use crate::{words::clock::Clock, edge::app::Running};",
            "fn f() { crate::edge::app::start(); }",
            "use super::super::edge::app::{Running, start as begin};",
        ] {
            let planted = [Source::planted("judgement::route", text), Source::planted("edge::app", "")];
            assert_eq!(against_the_order(&planted), ["judgement::route imports edge::app"], "{text}");
        }
        let planted = [Source::planted("nowhere::at_all", "")];
        assert_eq!(against_the_order(&planted).len(), 1);
        let fine = [
            Source::planted("edge::app", "use crate::judgement::route::Route;"),
            Source::planted("judgement::route", ""),
        ];
        assert!(against_the_order(&fine).is_empty());
    }

    #[test]
    fn a_circle() {
        let planted = [
            Source::planted("judgement::policy", "mod decide;\nfn f() { decide::decide(); }"),
            Source::planted("judgement::policy::decide", "use super::Policy;"),
            Source::planted("judgement::policy::model", "use crate::judgement::policy::decide;"),
        ];
        let found = circle(&planted);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("judgement::policy imports"), "{found:?}");
        assert!(circle(&planted[1..]).is_empty());
    }

    #[test]
    fn a_tuple_parameter() {
        for (text, expected) in [
            ("fn f((a, b): (u8, u8)) {}", 1),
            ("pub async fn f<'a>(x: &'a str, (a, b): (&Secret, u8)) -> u8 {", 1),
            ("fn f(\n    x: u8,\n    ((a, b), c): ((u8, u8), u8),\n) {}", 1),
            ("fn f(pair: (u8, u8), with: impl Fn((u8, u8)) -> u8) {}", 0),
            ("fn f(&self, list: Vec<(u8, u8)>) { g((1, 2)); let c = |(a, b): (u8, u8)| a; }", 0),
        ] {
            assert_eq!(tuple_parameters(&Source::planted("words::secret", text)).len(), expected, "{text}");
        }
    }

    #[test]
    fn a_name_that_is_defined_twice() {
        let one = || Source::planted("judgement::policy::model", "pub struct Permission {");
        let other = || Source::planted("edge::app", "pub(crate) enum Permission {");
        let mirror = || Source::planted("adapters::config::file::audience", "pub struct Permission {");
        assert_eq!(defined_twice(&[one(), other()]).len(), 1);
        assert_eq!(defined_twice(&[one(), mirror()]).len(), 0);
        assert_eq!(defined_twice(&[one(), other(), mirror()]).len(), 1);
        assert_eq!(defined_twice(&[one(), Source::planted("edge::app", "struct Permission;")]).len(), 0);
    }

    #[test]
    fn what_is_not_pure() {
        let planted = [Source::planted("judgement::route", "fn f() { tokio::spawn(x); }")];
        assert_eq!(impure(&planted).len(), 1);
        assert_eq!(impure(&[Source::planted("edge::app", "fn f() { tokio::spawn(x); }")]).len(), 0);
    }
}
