//! A file of tests.

use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;

use super::expectation::Expectation;
use crate::edge::explain::question::ExplainQuestion;
use crate::tools::failure::CommandFailure;

/// A file of tests as its owner writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TestFile {
    /// The audience of requests that name none.
    audience: Option<String>,
    /// The realm of requests that name none.
    realm: Option<String>,
    /// The time of all decisions.
    pub(super) at: Option<Timestamp>,
    /// The tests.
    pub(super) tests: Vec<PolicyTest>,
}

/// One test.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyTest {
    /// What the test is about.
    pub(super) name: String,
    /// The request.
    request: ExplainQuestion,
    /// What must be decided.
    pub(super) expect: Expectation,
}

impl TestFile {
    /// Reads a file.
    ///
    /// # Errors
    /// The file can't be read, or has something that no test has.
    pub(super) fn read(path: &Path) -> Result<Self, CommandFailure> {
        let failed = |error: &dyn std::fmt::Display| CommandFailure(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
        let file: Self = serde_saphyr::from_str(&text).map_err(|error| failed(&error))?;
        if file.tests.is_empty() {
            return Err(failed(&"there is no test in it"));
        }
        Ok(file)
    }

    /// The request of a test. A request without claims has a token with the usual claims.
    pub(super) fn question(&self, test: &PolicyTest) -> ExplainQuestion {
        let mut question = test.request.clone();
        if question.form.is_none() {
            if question.audience.is_empty() && question.resource.is_empty() {
                question.audience.extend(self.audience.clone());
            }
            if question.claims.is_none() && question.subject_token.is_none() {
                question.claims = Some(serde_json::Map::new());
            }
        }
        question.realm = question.realm.or_else(|| self.realm.clone());
        question
    }
}
