//! What a dialect requires of a subject token besides a good signature.

use serde_json::{Map, Value};

use super::rules::{ClaimForm, DialectRules};
use crate::words::refusal::{Reason, Refusal};

/// Claims that are numbers (RFC 7519 section 2, `NumericDate`); other required claims are texts.
const TIMES: [&str; 4] = ["auth_time", "exp", "iat", "nbf"];

/// A verified subject token and the request that carries it, as far as a dialect looks at them.
#[derive(Clone, Copy, Debug)]
pub struct DialectInput<'a> {
    /// The subject token's claims.
    pub claims: &'a Map<String, Value>,
    /// The hosts under which the configuration says that callers reach the realm, perhaps with ports.
    pub hosts: &'a [&'a str],
    /// The parameter `subject_issuer`.
    pub subject_issuer: Option<&'a str>,
}

/// Checks the subject token against the dialect's rules.
///
/// # Errors
/// [`Reason::SubjectTokenClaims`] if a claim is missing or not of its form, or `iss` is not the `subject_issuer`;
/// [`Reason::SubjectTokenAudience`] if `aud` has none of the realm's hosts.
pub fn check(rules: &DialectRules, input: &DialectInput<'_>) -> Result<(), Refusal> {
    for name in rules.required_claims {
        let there = match input.claims.get(*name) {
            Some(Value::String(text)) => !text.is_empty() && !TIMES.contains(name),
            Some(Value::Number(_)) => TIMES.contains(name),
            _ => false,
        };
        if !there {
            return Err(Refusal::new(Reason::SubjectTokenClaims, format!("the dialect needs the claim {name}")));
        }
    }
    for optional in rules.optional_claims {
        if input.claims.get(optional.name).is_some_and(|value| !has_form(optional.form, value)) {
            let detail = format!("the claim {} is not what the dialect says: {}", optional.name, words(optional.form));
            return Err(Refusal::new(Reason::SubjectTokenClaims, detail));
        }
    }
    let issuer = input.claims.get("iss").and_then(Value::as_str);
    if rules.subject_issuer && issuer != input.subject_issuer {
        return Err(Refusal::new(Reason::SubjectTokenClaims, "subject_issuer is not the token's iss"));
    }
    if rules.audience_is_host && !input.hosts.iter().any(|host| is_for(input.claims, host)) {
        return Err(Refusal::new(
            Reason::SubjectTokenAudience,
            "aud has neither the host of realms.*.issuer nor one of realms.*.publicOrigins",
        ));
    }
    Ok(())
}

fn has_form(form: ClaimForm, value: &Value) -> bool {
    match (form, value) {
        (ClaimForm::Text, Value::String(_)) => true,
        (ClaimForm::Locale, Value::String(text)) => is_locale(text),
        (ClaimForm::TimeZone, Value::String(text)) => is_time_zone(text),
        _ => false,
    }
}

fn words(form: ClaimForm) -> &'static str {
    match form {
        ClaimForm::Text => "a text",
        ClaimForm::Locale => "a language such as en, or en-US with a country",
        ClaimForm::TimeZone => "the name of a time zone, such as Europe/Paris",
    }
}

fn is_locale(text: &str) -> bool {
    let (language, country) =
        text.split_once('-').map_or((text, None), |(language, country)| (language, Some(country)));
    let has = |text: &str, of: fn(&u8) -> bool| text.len() == 2 && text.bytes().all(|byte| of(&byte));
    has(language, u8::is_ascii_lowercase) && country.is_none_or(|country| has(country, u8::is_ascii_uppercase))
}

/// Whether a text is written like a name of the time zone database. The database itself changes, so it is not asked.
fn is_time_zone(text: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
    };
    text.split('/').all(is_part)
}

/// Whether `aud` has the host, with or without its port (RFC 7519 section 4.1.3). The case of a host does not matter.
fn is_for(claims: &Map<String, Value>, host: &str) -> bool {
    let bare = match host.rsplit_once(':') {
        Some((bare, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => bare,
        _ => host,
    };
    let names_host = |audience: &str| audience.eq_ignore_ascii_case(host) || audience.eq_ignore_ascii_case(bare);
    match claims.get("aud") {
        Some(Value::String(audience)) => names_host(audience),
        Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).any(names_host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::judgement::dialect::Dialect;

    fn claims() -> Value {
        json!({
            "iss": "https://as.example.com", "aud": "api.dev.pace.cloud", "iat": 1_516_239_022, "exp": 1_516_249_022,
            "sub": "03836e1f-58ed-4d67-baa0-a73bf77b9d5d", "email": "03836e1f@as.example.com",
        })
    }

    fn check(claims: &Value, host: &[&str], subject_issuer: Option<&str>) -> Option<Reason> {
        let claims = claims.as_object().unwrap();
        let input = DialectInput { claims, hosts: host, subject_issuer };
        super::check(Dialect::Pace.rules(), &input).err().map(|refusal| refusal.reason)
    }

    #[test]
    fn pace_wants_its_claims_and_its_host() {
        let (host, issuer) = (&["api.dev.pace.cloud"][..], Some("https://as.example.com"));
        assert_eq!(check(&claims(), host, issuer), None);
        assert_eq!(
            check(&claims(), &["other.example", "API.dev.pace.cloud:8443"], issuer),
            None,
            "one of two, a port, another case"
        );
        for name in ["iat", "exp", "sub", "email"] {
            let mut without = claims();
            without.as_object_mut().unwrap().remove(name);
            assert_eq!(check(&without, host, issuer), Some(Reason::SubjectTokenClaims), "{name}");
        }
        for (name, value) in [("email", json!("")), ("email", json!(7)), ("sub", json!([])), ("iat", json!("1"))] {
            let mut wrong = claims();
            wrong[name] = value;
            assert_eq!(check(&wrong, host, issuer), Some(Reason::SubjectTokenClaims), "{wrong}");
        }
        let mut several = claims();
        several["aud"] = json!(["x", "api.dev.pace.cloud"]);
        assert_eq!(check(&several, host, issuer), None, "several audiences");
        for (name, host, subject_issuer, expected) in [
            ("another host", &["api.pace.cloud"][..], issuer, Reason::SubjectTokenAudience),
            ("no host", &[], issuer, Reason::SubjectTokenAudience),
            ("part of the host", &["dev.pace.cloud"], issuer, Reason::SubjectTokenAudience),
            ("another issuer", host, Some("https://x.example.com"), Reason::SubjectTokenClaims),
            ("no issuer", host, None, Reason::SubjectTokenClaims),
        ] {
            assert_eq!(check(&claims(), host, subject_issuer), Some(expected), "{name}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn pace_wants_optional_claims_to_be_what_its_page_says() {
        for (name, value, ok) in [
            ("name", json!("Jane Doe"), true), ("name", json!(""), true), ("name", json!(7), false),
            ("name", json!(["Jane"]), false), ("name", json!(null), false), ("name", json!({"given": "Jane"}), false),
            ("given_name", json!(false), false), ("family_name", json!({}), false),
            ("locale", json!("de"), true), ("locale", json!("en-US"), true), ("locale", json!("en_US"), false),
            ("locale", json!("EN"), false), ("locale", json!("en-us"), false), ("locale", json!("deu"), false),
            ("locale", json!(""), false), ("locale", json!("de-"), false), ("locale", json!(1), false),
            ("locale", json!(["de"]), false), ("locale", json!(null), false),
            ("zoneinfo", json!("Europe/Paris"), true), ("zoneinfo", json!("UTC"), true), ("zoneinfo", json!("Etc/GMT+5"), true),
            ("zoneinfo", json!("America/Argentina/Buenos_Aires"), true), ("zoneinfo", json!("Europe/"), false),
            ("zoneinfo", json!("/etc/passwd"), false), ("zoneinfo", json!("../x"), false), ("zoneinfo", json!(""), false),
            ("zoneinfo", json!("+02:00"), false), ("zoneinfo", json!(2), false),
            ("email_verified", json!("true"), true), ("nickname", json!(7), true), // not used
        ] {
            let mut claims = claims();
            claims[name] = value.clone();
            let found = check(&claims, &["api.dev.pace.cloud"], Some("https://as.example.com"));
            assert_eq!(found, (!ok).then_some(Reason::SubjectTokenClaims), "{name}: {value}");
        }
    }

    #[test]
    fn the_others_leave_it_to_the_issuers_configuration() {
        for dialect in Dialect::ALL.into_iter().filter(|dialect| *dialect != Dialect::Pace) {
            let claims = Map::new();
            let input = DialectInput { claims: &claims, hosts: &[], subject_issuer: None };
            assert_eq!(super::check(dialect.rules(), &input), Ok(()), "{dialect:?}");
        }
    }
}
