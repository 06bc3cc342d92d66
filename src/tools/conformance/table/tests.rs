use super::*;
use crate::tools::conformance::cases;

fn rows() -> Vec<Row> {
    let verdicts = [
        CaseVerdict::Pass,
        CaseVerdict::Fail("200 | a <token>".to_owned()),
        CaseVerdict::Warn("so".to_owned()),
        CaseVerdict::Unsupported("400 invalid_request".to_owned()),
        CaseVerdict::Skipped("needs --audience".to_owned()),
        CaseVerdict::Error("no answer in time".to_owned()),
    ];
    cases::all().zip(verdicts).collect()
}

#[test]
fn what_was_skipped_is_counted_and_not_passed() {
    let text = "6 cases: 1 pass, 1 FAIL, 1 warn, 1 not supported, 1 skipped, 1 ERROR";
    assert_eq!(summary(&rows()), text);
    for format in ["table", "markdown"] {
        assert!(Format::from_name(format).unwrap().render(&rows()).contains(text), "{format}");
    }
    let json: Value = serde_json::from_str(&Format::Json.render(&rows())).unwrap();
    assert_eq!(json["summary"]["skipped"], 1);
    assert_eq!(json["cases"][3]["verdict"], "not_supported");
    assert_eq!(Format::from_name("xml"), None);
}

#[test]
fn a_broken_must_and_a_missing_answer_are_failures() {
    let all = rows();
    for (at, expected) in [(0, true), (1, false), (2, true), (3, true), (4, true), (5, false)] {
        assert_eq!(conforms(all.get(at..=at).unwrap()), expected, "{at}");
    }
}

#[test]
fn a_cell_stays_one_cell() {
    let text = Format::Markdown.render(&rows());
    let row = text.lines().find(|line| line.contains("**FAIL**")).unwrap();
    assert_eq!(row.replace("\\|", "").matches('|').count(), 8, "{row}");
    assert!(row.ends_with("| **FAIL**: 200 \\| a &lt;token> |"), "{row}");
}
