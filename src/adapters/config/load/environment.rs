//! `${NAME}` in text.

use std::fmt::Write as _;

use super::problem::ProblemList;
use super::tree::{Node, Value};

/// Where Cambio looks up `${NAME}`.
pub trait Environment: Send + Sync {
    /// The variable's value; `None` if it is not set.
    fn var(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// An environment without variables: for files whose meaning must not depend on where they are read.
impl Environment for () {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
}

/// Replaces `${NAME}` in every text of the tree; `$${` stands for `${`. Keys stay as they are. The YAML is parsed before,
/// so no value can add YAML.
///
/// Without an environment, `${NAME}` is a problem. This holds for audience files: they belong to other teams, and the
/// environment holds the platform's secrets.
pub(super) fn expand(tree: &mut Node, env: Option<&dyn Environment>, report: &ProblemList) {
    expand_below(tree, &mut String::new(), env, report);
}

/// `key` is the full key of the value.
fn expand_below(node: &mut Node, key: &mut String, env: Option<&dyn Environment>, report: &ProblemList) {
    let parent = key.len();
    match &mut node.value {
        Value::Text(text) if !text.contains("${") => {}
        Value::Text(text) => match expand_text(text, env) {
            Ok((expanded, from_environment)) => {
                *text = expanded;
                node.expanded = from_environment;
            }
            Err(problem) => {
                node.broken = true;
                match problem {
                    Unexpanded::Unset(_) => report.lacks(node.place, key, problem.to_string()),
                    Unexpanded::Wrong(message) => report.problem(node.place, key, message),
                }
            }
        },
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                // Writing into a text does not fail.
                let _ = write!(key, "[{index}]");
                expand_below(item, key, env, report);
                key.truncate(parent);
            }
        }
        Value::Map(entries) => {
            for (name, value) in entries {
                if parent > 0 {
                    key.push('.');
                }
                key.push_str(&name.text);
                expand_below(value, key, env, report);
                key.truncate(parent);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Why a text can't be expanded.
#[derive(Debug, thiserror::Error)]
enum Unexpanded {
    /// The variable of this name is not set.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The text is wrong, wherever it is read.
    #[error("{0}")]
    Wrong(String),
}

fn expand_text(text: &str, env: Option<&dyn Environment>) -> Result<(String, bool), Unexpanded> {
    let wrong = |message: &str| Unexpanded::Wrong(message.to_owned());
    let (mut out, mut rest, mut used) = (String::with_capacity(text.len()), text, false);
    while let Some(start) = rest.find("${") {
        if rest[..start].ends_with('$') {
            out.push_str(&rest[..start - 1]);
            out.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        out.push_str(&rest[..start]);
        let (name, after) = rest[start + 2..]
            .split_once('}')
            .ok_or_else(|| wrong("\"${\" without \"}\"; write \"$${\" for the text \"${\""))?;
        if !is_name(name) {
            return Err(wrong("\"${\" without the name of a variable; write \"$${\" for the text \"${\""));
        }
        let env = env.ok_or_else(|| {
            wrong(&format!("${{{name}}}: audience files do not read the environment, which belongs to the platform"))
        })?;
        out.push_str(&env.var(name).ok_or_else(|| Unexpanded::Unset(name.to_owned()))?);
        used = true;
        rest = after;
    }
    out.push_str(rest);
    Ok((out, used))
}

fn is_name(name: &str) -> bool {
    name.bytes().enumerate().all(|(at, b)| b == b'_' || b.is_ascii_alphabetic() || at > 0 && b.is_ascii_digit())
        && !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;

    impl Environment for One {
        fn var(&self, name: &str) -> Option<String> {
            (name == "HOST").then(|| "sso: {a: ${B}}".to_owned())
        }
    }

    #[test]
    fn expands_braces_only() {
        for (name, text, expected) in [
            ("nothing", "plain", Ok("plain")),
            ("whole", "${HOST}", Ok("sso: {a: ${B}}")),
            ("inside, twice", "a${HOST}b${HOST}", Ok("asso: {a: ${B}}bsso: {a: ${B}}")),
            ("no braces", "$HOST", Ok("$HOST")),
            ("lone dollars", "^a$ $$", Ok("^a$ $$")),
            ("escaped", "$${HOST}", Ok("${HOST}")),
            ("escaped and not", "$${HOST}${HOST}", Ok("${HOST}sso: {a: ${B}}")),
            ("unset", "${NOPE}", Err("the environment variable NOPE is not set")),
            ("open", "${HOST", Err("\"${\" without \"}\"")),
            ("empty", "${}", Err("without the name")),
            ("default values are no feature", "${HOST:-x}", Err("without the name")),
            ("digit first", "${1A}", Err("without the name")),
        ] {
            match (expand_text(text, Some(&One)), expected) {
                (Ok((got, _)), Ok(expected)) => assert_eq!(got, expected, "{name}"),
                (Err(got), Err(part)) => assert!(got.to_string().contains(part), "{name}: {got}"),
                (got, _) => panic!("{name}: {got:?}"),
            }
        }
    }

    #[test]
    fn audience_files_have_no_environment() {
        assert!(expand_text("${HOST}", None).unwrap_err().to_string().contains("do not read the environment"));
        assert_eq!(expand_text("$${HOST}", None).unwrap().0, "${HOST}");
    }
}
