//! The strict reader of forms.

use cambio::judgement::exchange::classify::carries_governed_grant;
use cambio::words::oauth::form::Form;
use cambio::words::oauth::urn;

/// A form that was read is written and read again as the same form. Whatever the strict reader takes for a governed grant,
/// the lenient reader finds, too.
pub fn check(input: &[u8]) {
    let Ok(form) = Form::parse(input) else { return };
    let again = Form::parse(form.encode().as_bytes());
    assert!(again.as_ref() == Ok(&form), "written and read again, the form is another");
    assert!(form.fields().all(|(name, _)| !name.is_empty()), "a field without a name");
    let names: Vec<&str> = form.fields().map(|(name, _)| name).collect();
    let repeated = (1..names.len()).find(|at| names[..*at].contains(&names[*at])).map(|at| names[at]);
    assert_eq!(form.repeated(&[]), repeated, "the first name that occurs twice");
    let governed = [urn::GRANT_TOKEN_EXCHANGE, urn::GRANT_JWT_BEARER, urn::GRANT_UMA_TICKET, urn::GRANT_CIBA];
    if form.all("grant_type").any(|grant| governed.contains(&grant)) {
        assert!(carries_governed_grant(input), "the strict reader sees a governed grant, the lenient one does not");
    }
}
