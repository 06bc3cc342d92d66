//! The sources of the crate as text: which modules a file imports, and what its declarations look like.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of `src/`, without comments and unit tests.
pub struct Source {
    /// The path below the repository.
    pub path: String,
    /// The module that the file is, for instance `edge::gateway::case`.
    pub module: String,
    /// The text of the file that is built into the binary.
    pub code: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A file that a test makes up.
    pub fn planted(module: &str, text: &str) -> Self {
        let path = format!("src/{}.rs", module.replace("::", "/"));
        Self { path, module: module.to_owned(), code: without_comments(text), text: text.to_owned() }
    }
}

/// Every file that is built into the binary.
pub fn sources() -> Vec<Source> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let read = |file: PathBuf| {
        let relative = file.strip_prefix(&root).unwrap().with_extension("");
        let module: Vec<_> = relative.iter().map(|part| part.to_str().unwrap()).collect();
        // Unit tests may use whatever they like to make their inputs.
        if module.iter().any(|part| ["tests", "lib", "main"].contains(part)) {
            return None;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = without_comments(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
        let path = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_str().unwrap().to_owned();
        Some(Source { path, module: module.join("::"), code, text })
    };
    let mut sources: Vec<_> = files.into_iter().filter_map(read).collect();
    sources.sort_by(|a, b| a.module.cmp(&b.module));
    sources
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

fn without_comments(text: &str) -> String {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    // What only tests see is no part of the house, and a visibility is no import.
    let mut kept = Vec::new();
    let mut skip = false;
    for line in code {
        if skip && line.trim_end().ends_with([';', '}']) {
            skip = false;
        } else if line.trim() == "#[cfg(test)]" {
            skip = true;
        } else if !skip {
            let visible = line.find("pub(in ").and_then(|at| Some((at, at + line[at..].find(')')?)));
            kept.push(
                visible
                    .map_or_else(|| line.to_owned(), |(from, to)| format!("{}pub{}", &line[..from], &line[to + 1..])),
            );
        }
    }
    kept.join("\n")
}

/// The modules that a file imports, each as the longest path that is a file. A use of a child through its name alone
/// (`child::function`) counts, too.
pub fn imports(source: &Source, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut add = |path: &[&str]| {
        let longest = (1..=path.len()).rev().map(|length| path[..length].join("::")).find(|one| modules.contains(one));
        if let Some(module) = longest.filter(|module| *module != source.module) {
            found.insert(module);
        }
    };
    for path in paths(&source.code) {
        let own: Vec<&str> = source.module.split("::").collect();
        let mut parts: Vec<&str> = path.split("::").collect();
        let base = match parts.first() {
            Some(&"crate") => Vec::new(),
            Some(&"self") => own,
            Some(&"super") => {
                let up = parts.iter().take_while(|part| **part == "super").count();
                parts.drain(..up - 1);
                own[..own.len().saturating_sub(up)].to_vec()
            }
            // A child, if there is a file of that name.
            Some(first) if modules.contains(&format!("{}::{first}", source.module)) => {
                parts.insert(0, "self");
                own
            }
            _ => continue,
        };
        let full: Vec<&str> = base.into_iter().chain(parts.into_iter().skip(1)).collect();
        add(&full);
    }
    found
}

/// Every path of two or more names in a text, the groups of `use` written out.
fn paths(code: &str) -> Vec<String> {
    let bytes = code.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let starts = is_word(bytes[at]) && (at == 0 || !is_word(bytes[at - 1]) && bytes[at - 1] != b':');
        if !starts {
            at += 1;
            continue;
        }
        let mut path = String::new();
        at = read_path(code, at, &mut path, &mut found);
    }
    found
}

fn read_path(code: &str, mut at: usize, prefix: &mut String, found: &mut Vec<String>) -> usize {
    let bytes = code.as_bytes();
    loop {
        let start = at;
        while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_') {
            at += 1;
        }
        prefix.push_str(&code[start..at]);
        if !code[at..].starts_with("::") {
            if prefix.contains("::") {
                found.push(prefix.clone());
            }
            return at;
        }
        at += 2;
        match bytes.get(at) {
            Some(b'{') => return read_group(code, at + 1, prefix, found),
            Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' => prefix.push_str("::"),
            _ => {
                found.push(prefix.clone());
                return at;
            }
        }
    }
}

fn read_group(code: &str, mut at: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    let bytes = code.as_bytes();
    while at < bytes.len() && bytes[at] != b'}' {
        if bytes[at].is_ascii_alphabetic() || bytes[at] == b'_' {
            let mut path = format!("{prefix}::");
            at = read_path(code, at, &mut path, found);
            // `as name` is no path.
            while at < bytes.len() && ![b',', b'}'].contains(&bytes[at]) {
                at += 1;
            }
        } else {
            at += 1;
        }
    }
    at + 1
}

/// The parameters of every function that are written as a tuple to take apart.
pub fn tuple_parameters(source: &Source) -> Vec<String> {
    let code = &source.code;
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let Some(open) = code[at..].find('(').map(|offset| at + offset) else { continue };
        if !code[at + 3..open].chars().all(|c| c.is_alphanumeric() || "_<>'=:, +&\n".contains(c)) {
            continue;
        }
        let (mut depth, mut begins) = (0_i32, true);
        for (offset, letter) in code[open..].char_indices() {
            match letter {
                '(' | '[' | '{' | '<' => {
                    if letter == '(' && depth == 1 && begins {
                        let line = code[..open + offset].lines().count();
                        found.push(format!("{}: near line {line} of its code", source.path));
                    }
                    depth += 1;
                    begins = depth == 1;
                }
                ')' | ']' | '}' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                '>' if !code[..open + offset].ends_with('-') => depth -= 1,
                ',' if depth == 1 => begins = true,
                letter if letter.is_whitespace() => {}
                _ => begins = false,
            }
        }
    }
    found
}

/// The names of the types that a file shows to other files.
pub fn public_types(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for line in source.code.lines().map(str::trim_start) {
        let Some(rest) = line.strip_prefix("pub") else { continue };
        let rest = match rest.strip_prefix('(').and_then(|rest| rest.split_once(") ")) {
            Some((_, rest)) => rest,
            None => rest.trim_start(),
        };
        let mut words = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
        if let (Some("struct" | "enum" | "trait" | "type" | "union"), Some(name)) = (words.next(), words.next()) {
            found.push(name.to_owned());
        }
    }
    found
}
