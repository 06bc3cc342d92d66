//! The cases, section by section. A new section is a file here and a line in [`all`].

mod authentication;
mod chain;
mod delegation;
mod endpoint;
mod errors;
mod form;
mod may_act;
mod metadata;
mod parameters;
mod response;
mod scope;
mod subject;
mod target;
mod token;
mod types;

use super::case::ConformanceCase;

/// Every case, in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static ConformanceCase> {
    [
        parameters::CASES,
        subject::CASES,
        types::CASES,
        target::CASES,
        scope::CASES,
        response::CASES,
        token::CASES,
        errors::CASES,
        delegation::CASES,
        chain::CASES,
        may_act::CASES,
        authentication::CASES,
        endpoint::CASES,
        form::CASES,
        metadata::CASES,
    ]
    .into_iter()
    .flatten()
}

/// Whether `--only` selects this case, with its id, its section, or a section above. `2.1` means RFC 8693 section 2.1.
pub fn chosen(case: &ConformanceCase, only: &[String]) -> bool {
    let number = case.section.strip_prefix("RFC 8693 ");
    let below = |section: &str, wanted: &str| {
        section == wanted || section.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(['.', ' ']))
    };
    only.is_empty()
        || only.iter().any(|wanted| {
            case.id == wanted || below(case.section, wanted) || number.is_some_and(|number| below(number, wanted))
        })
}

#[cfg(test)]
mod tests;
