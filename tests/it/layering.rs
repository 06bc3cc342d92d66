//! The house: words ← core ← adapters ← edge. A module uses its own row and the rows above it.

use std::fs;
use std::path::{Path, PathBuf};

/// Rows, top first: folders of `src/`.
const ROWS: [&str; 6] = ["words", "judgement", "adapters", "edge", "tools", "cli"];

/// Text that the pure core has no business with.
const IMPURE: [&str; 8] =
    ["async fn", ".await", "tokio::", "hyper::", "std::fs", "std::env", "std::net::Tcp", "tracing::"];

#[test]
fn no_module_looks_down() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        let from = row(&module).unwrap_or_else(|| panic!("{} is in no row", file.display()));
        for used in uses(code(&file, &text)) {
            let Some(to) = row(&used) else { continue };
            if to > from {
                wrong.push(format!("{}: {} uses crate::{used} of a lower row", file.display(), ROWS[from]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_core_is_pure() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        if row(&module) != Some(1) {
            continue;
        }
        for line in code(&file, &text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            wrong.extend(
                IMPURE.iter().filter(|word| line.contains(**word)).map(|word| format!("{}: {word}", file.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn some_crates_have_one_user() {
    let mut wrong = Vec::new();
    let one = [
        ("prometheus::", vec!["src/adapters/metrics"]),
        ("jsonwebtoken::decode", vec!["src/judgement/jose"]),
        // One verifier of signatures by public keys, and one of codes by shared secrets but for the demo's provider.
        ("crypto::verify(", vec!["src/judgement/jose"]),
        (".verify_sig(", vec!["src/judgement/jose"]),
        ("hmac::verify(", vec!["src/judgement/jose", "src/judgement/token/dpop", "src/tools/demo"]),
    ];
    for (krate, users) in one {
        for (file, _, text) in sources() {
            let path = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_str().unwrap();
            if text.contains(krate) && !users.iter().any(|user| path.starts_with(user)) {
                wrong.push(format!("{} uses {krate}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> =
        sources().into_iter().filter(|(_, _, text)| text.lines().count() > 600).map(|(file, ..)| file).collect();
    assert!(long.is_empty(), "{long:?}");
}

/// The test bites: what it forbids, it finds.
#[test]
fn uses_are_found() {
    let text = "use crate::edge::Story;\nuse crate::{words, cli::serve};\nlet x = crate::adapters::metrics::X;\n";
    assert_eq!(uses(text), ["edge", "words", "cli", "adapters"]);
}

/// What is built into the binary: unit tests may use whatever they like to make their inputs.
fn code<'t>(file: &Path, text: &'t str) -> &'t str {
    let unit_test = file.ends_with("tests.rs") || file.iter().any(|part| part == "tests");
    if unit_test { "" } else { text.split("#[cfg(test)]").next().unwrap() }
}

fn row(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| *row == module)
}

/// The modules that are named after `crate::`.
fn uses(text: &str) -> Vec<String> {
    let mut used = Vec::new();
    for after in text.split("crate::").skip(1) {
        let name =
            |text: &str| text.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
        match after.strip_prefix('{') {
            Some(group) => {
                // Names at depth one of a group.
                let mut depth = 0;
                let mut start = true;
                for (at, letter) in group.char_indices() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        letter if start && letter.is_ascii_alphabetic() => {
                            used.push(name(&group[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
            None => used.push(name(after)),
        }
    }
    used
}

/// Every source file, its top module, its text.
fn sources() -> Vec<(PathBuf, String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files
        .into_iter()
        .filter(|file| !["lib.rs", "main.rs"].iter().any(|top| **file == root.join(top)))
        .map(|file| {
            let relative = file.strip_prefix(&root).unwrap();
            let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&file).unwrap();
            (file, module, text)
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
