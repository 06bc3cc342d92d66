//! The name that somebody probably meant.

/// One letter of so many may differ.
const ALIKE: usize = 5;

/// Longest name that is compared, in bytes, and most names that are compared with it: callers choose names, and a comparison
/// takes time.
const LONGEST: usize = 64;
const MOST: usize = 500;

/// "did you mean", with the known name that is most like `name`; nothing if none is.
pub fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    if name.len() > LONGEST {
        return String::new();
    }
    let lower = name.to_lowercase();
    // Names of very different lengths are not alike. A name is not compared with itself.
    let is_near =
        |one: &&str| one.len() <= LONGEST && one.len().abs_diff(lower.len()) * ALIKE <= one.len().max(lower.len());
    let near = known.into_iter().filter(|one| *one != name).filter(is_near).take(MOST);
    // Two letters that changed places are one difference.
    let differences = |one: &str| strsim::osa_distance(&lower, &one.to_lowercase());
    let alike = |(differences, one): &(usize, &str)| differences * ALIKE <= one.len().max(lower.len());
    let best = near.map(|one| (differences(one), one)).filter(alike).min_by_key(|(differences, _)| *differences);
    best.map_or_else(String::new, |(_, one)| format!("; did you mean {one}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_is_meant() {
        let known = ["back-end-api", "billing", "back-end-api-2", "b"];
        for (name, meant) in [
            ("back-end-ap", "; did you mean back-end-api?"),
            ("Back-End-API", "; did you mean back-end-api?"),
            ("back-edn-api", "; did you mean back-end-api?"),
            ("back-end-api-23", "; did you mean back-end-api-2?"),
            ("bilings", ""),
            ("bliling", "; did you mean billing?"),
            ("back-end-api", "; did you mean back-end-api-2?"),
            ("billings", "; did you mean billing?"),
            ("reports", ""),
            ("a", ""),
            ("", ""),
        ] {
            assert_eq!(did_you_mean(name, known), meant, "{name}");
        }
    }

    #[test]
    fn a_long_name_is_compared_with_nothing() {
        let (long, known) = ("a".repeat(LONGEST + 1), "a".repeat(LONGEST));
        assert_eq!(did_you_mean(&long, [known.as_str()]), "");
    }
}
