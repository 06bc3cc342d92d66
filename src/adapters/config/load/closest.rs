//! The word that a slip of the pen was likely meant to be.

/// The known word that the author of `word` likely meant: equal but for case, `_` and `-`, or at most two edits away.
pub(super) fn closest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |text: &str| text.replace(['_', '-'], "").to_lowercase();
    let limit = if word.chars().count() < 5 { 1 } else { 2 };
    known
        .map(|candidate| (distance(&plain(word), &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance; words of very different lengths are far away.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            next.push((row[j] + usize::from(x != y)).min(row[j + 1] + 1).min(next[j] + 1));
        }
        row = next;
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["signingKey", "issuer", "path", "subjectIssuers"];
        for (word, expected) in [
            ("signing_key", Some("signingKey")),
            ("signingkey", Some("signingKey")),
            ("isuer", Some("issuer")),
            ("issuers", Some("issuer")),
            ("subjectIssuer", Some("subjectIssuers")),
            ("pth", Some("path")),
            ("key", None),
            ("", None),
        ] {
            assert_eq!(closest(word, known.into_iter()), expected, "{word}");
        }
    }
}
