//! docs/dialects/promises.md is made from tests/keycloak/promises/*.toml, and the tests that these files name exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const PAGES: [&str; 5] = ["cern", "terradue", "pace", "key-bridge", "forgerock"];
const HEAD: &str = "# Promises of the five pages

Each row is a promise that the page of a product makes to its callers. PASS: the tests that the row names pass, in front of
Keycloak or in the hermetic suite. The other rows say what Cambio does not do, and why. `cargo test` checks that each test
exists; the last test of a run at Keycloak fails if a named test did not pass in that run.

Generated from `tests/keycloak/promises`: `UPDATE_GOLDEN=1 cargo test --test it promises` writes this page anew.
";

/// One promise of a page.
#[derive(Default)]
struct Promise {
    says: String,
    tests: Vec<String>,
    reason: Option<String>,
}

/// The promises of one product's page.
struct Page {
    name: &'static str,
    product: String,
    title: String,
    promises: Vec<Promise>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Of TOML, the part that these files use: every line is empty, a comment, `[[promise]]`, or a key with a JSON value.
fn page(name: &'static str) -> Page {
    let file = root().join("tests/keycloak/promises").join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut page = Page { name, product: String::new(), title: String::new(), promises: Vec::new() };
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line == "[[promise]]" {
            page.promises.push(Promise::default());
            continue;
        }
        let (key, value) = line.split_once(" = ").unwrap_or_else(|| panic!("{name}.toml: {line}"));
        let text = || serde_json::from_str(value).unwrap_or_else(|error| panic!("{name}.toml: {line}: {error}"));
        match (key, page.promises.last_mut()) {
            ("page", None) => page.product = text(),
            ("title", None) => page.title = text(),
            ("says", Some(promise)) => promise.says = text(),
            ("reason", Some(promise)) => promise.reason = Some(text()),
            ("tests", Some(promise)) => promise.tests = serde_json::from_str(value).unwrap(),
            _ => panic!("{name}.toml: {line}"),
        }
    }
    assert!(!page.product.is_empty() && !page.title.is_empty() && !page.promises.is_empty(), "{name}.toml");
    page
}

fn pages() -> Vec<Page> {
    let folder = root().join("tests/keycloak/promises");
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = names.collect();
    let pages: Vec<_> = PAGES.into_iter().filter(|name| files.contains(&format!("{name}.toml"))).map(page).collect();
    assert_eq!(pages.len(), files.len(), "a page of this name is not known: {files:?}");
    pages
}

/// A file of tests in the repository: the suite at Keycloak is named by its files alone.
fn path_of(file: &str) -> String {
    if file.starts_with("test_") { format!("tests/keycloak/{file}") } else { file.to_owned() }
}

impl Promise {
    fn result(&self) -> String {
        match &self.reason {
            None => String::from("PASS"),
            Some(reason) if self.tests.is_empty() => format!("no: {reason}"),
            Some(reason) => format!("PASS in part: {reason}"),
        }
    }

    fn row(&self, number: usize) -> String {
        let link = |test: &String| {
            let (file, name) = test.split_once("::").unwrap_or((test, ""));
            format!("[{}](../../{})", name.replace('_', " "), path_of(file))
        };
        let tests: Vec<_> = self.tests.iter().map(link).collect();
        let cells = [number.to_string(), self.says.clone(), self.result(), tests.join(", ")];
        format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
    }
}

fn counted(pages: &[Page]) -> String {
    let rows = pages.iter().map(|page| {
        let count = |wanted: fn(&Promise) -> bool| page.promises.iter().filter(|promise| wanted(promise)).count();
        let pass = count(|promise| promise.reason.is_none());
        let part = count(|promise| promise.reason.is_some() && !promise.tests.is_empty());
        let no = count(|promise| promise.tests.is_empty());
        format!("| [{}]({}.md) | {} | {pass} | {part} | {no} |\n", page.product, page.name, page.promises.len())
    });
    format!("\n| page | promises | PASS | in part | no |\n|---|---|---|---|---|\n{}", rows.collect::<String>())
}

fn document(pages: &[Page]) -> String {
    let mut text = format!("{HEAD}{}", counted(pages));
    for page in pages {
        let rows = page.promises.iter().enumerate().map(|(index, promise)| promise.row(index + 1));
        let (product, title) = (&page.product, &page.title);
        let _ = writeln!(text, "\n## {product}: \"{title}\"\n");
        text += "| | the page says | result | shown by |\n|---|---|---|---|\n";
        text.extend(rows);
    }
    text
}

#[test]
fn the_table_of_promises_is_up_to_date() {
    let file = root().join("docs/dialects/promises.md");
    let expected = document(&pages());
    if std::env::vars().any(|(name, value)| name == "UPDATE_GOLDEN" && value == "1") {
        std::fs::write(file, expected).unwrap();
        return;
    }
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text == expected, "UPDATE_GOLDEN=1 writes docs/dialects/promises.md anew");
}

#[test]
fn every_promise_has_a_test_or_a_reason() {
    for page in pages() {
        for promise in page.promises {
            let said = &promise.says;
            assert!(!said.is_empty(), "{}: a promise without words", page.name);
            assert!(!promise.tests.is_empty() || promise.reason.is_some(), "{}: {said}", page.name);
            assert_ne!(promise.reason.as_deref(), Some(""), "{}: {said}", page.name);
        }
    }
}

#[test]
fn every_test_of_a_promise_exists() {
    let mut sources = BTreeMap::new();
    for page in pages() {
        for test in page.promises.iter().flat_map(|promise| &promise.tests) {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{}: {test}", page.name));
            let path = path_of(file);
            let source = sources
                .entry(path.clone())
                .or_insert_with(|| std::fs::read_to_string(root().join(&path)).unwrap_or_default());
            let python = Path::new(file).extension().is_some_and(|extension| extension == "py");
            let found = if python {
                name.starts_with("test_") && source.lines().any(|line| line.starts_with(&format!("def {name}(")))
            } else {
                is_rust_test(source, name)
            };
            assert!(found, "{}: there is no test {test}", page.name);
        }
    }
}

/// Whether the source has a function of this name with `#[test]` or `#[tokio::test]` before it.
fn is_rust_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    let before = before.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let mut attributes = before.lines().rev().take_while(|line| !line.trim().is_empty());
    attributes.any(|line| matches!(line.trim(), "#[test]") || line.trim().starts_with("#[tokio::test"))
}
