//! The report of all tests, in words and as `JUnit` XML.

use std::fmt::{self, Write as _};
use std::path::Path;

use super::file::PolicyTest;
use crate::edge::explain::explanation::Explanation;

/// The outcome of one test.
#[derive(Debug)]
pub(super) struct TestOutcome {
    file: String,
    name: String,
    /// What is otherwise than expected.
    differences: Vec<String>,
}

/// The outcomes of all tests.
#[derive(Debug, Default)]
pub(super) struct Report {
    outcomes: Vec<TestOutcome>,
    /// What no test touches.
    pub(super) untested: Vec<String>,
}

impl TestOutcome {
    pub(super) fn of(path: &Path, test: &PolicyTest, explanation: &Explanation) -> Self {
        let differences = test.expect.differences(explanation);
        Self { file: path.display().to_string(), name: test.name.clone(), differences }
    }
}

impl Report {
    pub(super) fn add(&mut self, outcome: TestOutcome) {
        self.outcomes.push(outcome);
    }

    /// Whether all tests pass.
    pub(super) fn passes(&self) -> bool {
        self.failed() == 0
    }

    fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| !outcome.differences.is_empty()).count()
    }

    /// The outcomes for test reports of CI systems. What no test touches is in `system-out`.
    pub(super) fn junit(&self) -> String {
        let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
        let (tests, failed) = (self.outcomes.len(), self.failed());
        let _ = writeln!(xml, "<testsuites tests=\"{tests}\" failures=\"{failed}\">");
        let _ = writeln!(xml, "  <testsuite name=\"cambio\" tests=\"{tests}\" failures=\"{failed}\">");
        for outcome in &self.outcomes {
            let (file, name) = (escaped(&outcome.file), escaped(&outcome.name));
            let _ = write!(xml, "    <testcase classname=\"{file}\" name=\"{name}\"");
            if outcome.differences.is_empty() {
                xml.push_str("/>\n");
            } else {
                let text = escaped(&outcome.differences.join("\n"));
                let _ = writeln!(xml, "><failure message=\"{text}\"/></testcase>");
            }
        }
        if !self.untested.is_empty() {
            let _ = writeln!(xml, "    <system-out>{}</system-out>", escaped(&self.untested.join("\n")));
        }
        xml + "  </testsuite>\n</testsuites>\n"
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for TestOutcome { file, name, differences } in &self.outcomes {
            writeln!(f, "{}      {file}: {name}", if differences.is_empty() { "ok  " } else { "FAIL" })?;
            for difference in differences {
                writeln!(f, "  {difference}")?;
            }
        }
        for untested in &self.untested {
            writeln!(f, "untested  {untested}")?;
        }
        let (tests, failed) = (self.outcomes.len(), self.failed());
        writeln!(f, "{tests} test{}, {failed} failed", if tests == 1 { "" } else { "s" })
    }
}

/// Text in XML 1.0, which has no control characters but these.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\n' => xml.push_str("&#10;"),
            '\t' => xml.push_str("&#9;"),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => xml.push('\u{fffd}'),
            other => xml.push(other),
        }
    }
    xml
}
