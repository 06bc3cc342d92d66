//! Texts of other parties, made fit for the detail of a refusal.

use std::fmt::Write as _;

/// Longest word that an excerpt shows. Names, addresses and UUIDs are shorter; tokens are longer.
const WORD: usize = 64;

/// A secret that is shorter could be a part of any text. A text that may hold one is not shown at all.
const SHORTEST_SECRET: usize = 8;

/// The first `limit` characters of a text, on one line. Words that are longer than names are, which a token could be, are
/// left out.
pub fn excerpt(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for word in text.split(|character: char| character.is_whitespace() || character.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(if word.chars().nth(WORD).is_some() { "…" } else { word });
    }
    match shown.char_indices().nth(limit) {
        None => shown,
        Some((end, _)) => {
            shown.truncate(end);
            shown.push('…');
            shown
        }
    }
}

/// The text without these secrets.
pub fn without<'s>(text: &str, secrets: impl IntoIterator<Item = &'s str>) -> String {
    let mut shown = text.to_owned();
    for secret in secrets {
        if secret.is_empty() || !shown.contains(secret) {
            continue;
        }
        if secret.len() < SHORTEST_SECRET {
            return String::new();
        }
        shown = shown.replace(secret, "…");
    }
    shown
}

/// Names in quotation marks, at most five of them: `"a", "b" and 3 more`.
pub fn names<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    const SHOWN: usize = 5;
    let mut text = String::new();
    let mut names = names.into_iter();
    for (count, name) in names.by_ref().take(SHOWN).enumerate() {
        let separator = if count == 0 { "" } else { ", " };
        // Writing to a text can't fail.
        let _ = write!(text, "{separator}{:?}", excerpt(name, 2 * WORD));
    }
    match names.count() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line_without_long_words() {
        let token = "e".repeat(WORD + 1);
        for (name, text, limit, shown) in [
            ("short", "User not found", 200, "User not found".to_owned()),
            ("lines", "one\r\n two\u{0}three\u{1b}[0m", 200, "one two three [0m".to_owned()),
            ("cut", "abcdef", 3, "abc…".to_owned()),
            ("cut between characters", "äöü", 2, "äö…".to_owned()),
            ("a token", &format!("the token {token} is bad"), 200, "the token … is bad".to_owned()),
            ("the longest name", &token[1..], 200, token[1..].to_owned()),
            ("nothing", "", 200, String::new()),
        ] {
            assert_eq!(excerpt(text, limit), shown, "{name}");
        }
    }

    #[test]
    fn secrets_are_left_out() {
        for (name, secrets, shown) in [
            ("none", &[][..], "wrong secret hunter22-hunter22 for a"),
            ("long", &["hunter22"], "wrong secret …-… for a"),
            ("short", &["a"], ""),
            ("elsewhere", &["swordfish"], "wrong secret hunter22-hunter22 for a"),
            ("empty", &[""], "wrong secret hunter22-hunter22 for a"),
        ] {
            assert_eq!(without("wrong secret hunter22-hunter22 for a", secrets.iter().copied()), shown, "{name}");
        }
    }

    #[test]
    fn names_are_quoted_and_few() {
        assert_eq!(names([]), "");
        assert_eq!(names(["a"]), r#""a""#);
        assert_eq!(names(["a\"b", "c"]), r#""a\"b", "c""#);
        assert_eq!(names(["a", "b", "c", "d", "e", "f", "g"]), r#""a", "b", "c", "d", "e" and 2 more"#);
    }
}
