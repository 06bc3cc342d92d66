//! Every input in `tests/fuzz/corpus` through the assertions of its fuzz target, without a fuzzer: seeds, and inputs that once
//! failed.

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a panic is a finding"
)]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

const TARGETS: [(&str, fn(&[u8])); 15] = [
    ("answer_lock", targets::answer_lock::check),
    ("basic", targets::basic::check),
    ("cel", targets::cel::check),
    ("certificate_header", targets::certificate_header::check),
    ("classify", targets::classify::check),
    ("configuration", targets::configuration::check),
    ("dpop", targets::dpop::check),
    ("form", targets::form::check),
    ("head_scanner", targets::head_scanner::check),
    ("introspection", targets::introspection::check),
    ("json", targets::json::check),
    ("jwks", targets::jwks::check),
    ("jwt", targets::jwt::check),
    ("route", targets::route::check),
    ("seal", targets::seal::check),
];

#[test]
fn every_input_of_the_corpus_holds() {
    for (name, check) in TARGETS {
        let folder = Path::new("tests/fuzz/corpus").join(name);
        let inputs: Vec<_> = folder.read_dir().unwrap().map(|input| input.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "{name} has no seeds");
        for path in inputs {
            let input = std::fs::read(&path).unwrap();
            let outcome = std::panic::catch_unwind(|| check(&input));
            assert!(outcome.is_ok(), "{}", path.display());
        }
    }
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let names = |folder: &str| {
        let entries = Path::new("tests/fuzz").join(folder).read_dir().unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let targets = TARGETS.map(|(name, _)| name.to_owned());
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("targets"), targets);
}
