//! Golden files: plain text in `tests/it/golden/`. `UPDATE_GOLDEN=1 cargo test` writes them anew.

use std::path::PathBuf;

use serde_json::Value;

/// Compares with the golden file of this name, volatile parts masked by the caller.
#[track_caller]
pub fn check(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name);
    if std::env::vars().any(|(name, value)| name == "UPDATE_GOLDEN" && value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        expected == actual,
        "{} differs (UPDATE_GOLDEN=1 writes it anew)\n--- expected\n{expected}\n--- actual\n{actual}",
        path.display()
    );
}

/// An audit line as a golden file has it: one field per line, nothing volatile.
pub fn audit(line: &Value) -> String {
    let mut line = line.clone();
    line["duration_ms"] = Value::from(0);
    format!("{}\n", mask(&serde_json::to_string_pretty(&line).unwrap()))
}

/// Replaces what differs from run to run: UUIDs, digests, key ids, loopback ports, times.
pub fn mask(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_') {
            word.push(letter);
            continue;
        }
        out.push_str(masked_word(&word));
        word.clear();
        if letter != '\0' {
            out.push(letter);
        }
    }
    mask_ports(&out)
}

fn masked_word(word: &str) -> &str {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let uuid = || {
        let lengths: Vec<_> = word.split('-').map(str::len).collect();
        lengths == [8, 4, 4, 4, 12] && word.split('-').all(hex)
    };
    match word.len() {
        36 if uuid() => "[uuid]",
        64 if hex(word) => "[sha256]",
        // A base64url SHA-256: a key id by RFC 7638. It has digits and both cases; a word of a text has not.
        43 if word.bytes().any(|b| b.is_ascii_digit()) && word.bytes().any(|b| b.is_ascii_uppercase()) => "[kid]",
        _ => word,
    }
}

fn mask_ports(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("127.0.0.1:") {
        let (before, after) = rest.split_at(at + "127.0.0.1:".len());
        out.push_str(before);
        out.push_str("[port]");
        rest = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
    }
    out.push_str(rest);
    out
}

#[test]
fn masks_what_is_volatile_only() {
    for (text, masked) in [
        ("id 0b0b7c52-8a1f-4d0e-8a55-3b7f6d2eb0b0.", "id [uuid]."),
        ("at 127.0.0.1:80812/x", "at 127.0.0.1:[port]/x"),
        ("subject_token_not_yet_valid", "subject_token_not_yet_valid"),
        ("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "[kid]"),
    ] {
        assert_eq!(mask(text), masked);
    }
}
