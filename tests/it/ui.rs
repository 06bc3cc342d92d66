//! The stages are types: whoever skips one does not compile.
//!
//! Each file of tests/ui is given to rustc with the library that cargo has just built for these tests, which takes a
//! second. trybuild would build all dependencies once more, C and assembly included, in a folder of its own: minutes.
//! See docs/decisions/0005-forgery-tests-without-trybuild.md.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::files::Folder;
use crate::support::golden;

#[test]
fn stages_can_not_be_forged() {
    let mut files: Vec<_> = std::fs::read_dir(ui()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let (compiled, said) = compile(&file);
        assert!(!compiled, "{name} compiles");
        golden::check(&format!("../../ui/{}", name.replace(".rs", ".stderr")), &said);
    }
}

/// The test bites: what is as it should be compiles in the same way.
#[test]
fn what_forges_nothing_compiles() {
    let (compiled, said) = compile(&ui().join("pass/stages_are_visible.rs"));
    assert!(compiled, "{said}");
}

fn ui() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui")
}

/// Whether it compiles, and what rustc says, one line per error.
fn compile(file: &Path) -> (bool, String) {
    let built = std::env::current_exe().unwrap();
    let built = built.parent().unwrap();
    let folder = Folder::new();
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .current_dir(ui())
        .args(["--edition", "2024", "--crate-name", "ui", "--crate-type", "bin", "--emit", "metadata"])
        .args(["--error-format", "short", "--color", "never", "--cap-lints", "allow", "--out-dir"])
        .arg(folder.path("."))
        .arg("--extern")
        .arg(format!("cambio={}", library(built).display()))
        .arg("-L")
        .arg(format!("dependency={}", built.display()))
        .arg(file.strip_prefix(ui()).unwrap())
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

/// The library that was built last: of several kinds of build, the present one is the newest.
fn library(built: &Path) -> PathBuf {
    let candidates = std::fs::read_dir(built).unwrap().map(|entry| entry.unwrap().path());
    let libraries = candidates.filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap_or_default();
        name.starts_with("libcambio-") && path.extension().is_some_and(|extension| extension == "rlib")
    });
    libraries.max_by_key(|path| path.metadata().unwrap().modified().unwrap()).expect("a library of these tests")
}
