//! A token request in JSON, for dialects that have it: one object of texts, read strictly and judged like a form.
//! Cambio never forwards the JSON, so it may only be a token exchange.

use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::classify::{Classified, content_coding};
use super::grant::Grant;
use crate::judgement::route::media_type::MediaType;
use crate::judgement::route::overrides_method;
use crate::words::oauth::form::{Form, bounded};
use crate::words::oauth::json;
use crate::words::oauth::urn::GRANT_TOKEN_EXCHANGE;
use crate::words::refusal::{Reason, Refusal};

/// Most members: an exchange has at most twenty.
const MAX_MEMBERS: usize = 64;

/// The class of a request with a JSON media type; `None` for other media types.
pub fn classify(head: &Parts, body: &[u8]) -> Option<Classified> {
    let mut types = head.headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return None };
    MediaType::parse(value.as_bytes()).filter(MediaType::is_plain_json)?;
    Some(read(head, body).and_then(classify_form).unwrap_or_else(Classified::Refused))
}

fn read(head: &Parts, body: &[u8]) -> Result<Form, Refusal> {
    let malformed = |why: &str| Refusal::new(Reason::FormMalformed, format!("the JSON body: {why}"));
    if head.uri.query().is_some() {
        return Err(Refusal::new(Reason::ParameterInQuery, "a query string on a token endpoint"));
    }
    if overrides_method(&head.headers) {
        return Err(Refusal::new(Reason::MethodNotAllowed, "a header overrides the method"));
    }
    content_coding(head)?;
    let members = json::object(body).map_err(|error| malformed(&error.to_string()))?;
    if members.len() > MAX_MEMBERS {
        return Err(malformed("too many members"));
    }
    let mut form = Form::new();
    for (name, value) in members {
        let serde_json::Value::String(text) = value else {
            return Err(malformed(&format!("{} is no text", bounded(&name))));
        };
        if name.is_empty() {
            return Err(malformed("a member has no name"));
        }
        // PACE's own example ends the token with a line feed; no token has one.
        let text = if name == "subject_token" { text.trim_end_matches('\n') } else { &text };
        form.push(name, text);
    }
    Ok(form)
}

fn classify_form(form: Form) -> Result<Classified, Refusal> {
    match form.one("grant_type") {
        Some(GRANT_TOKEN_EXCHANGE) => Ok(Classified::Exchange(Grant::TokenExchange, form)),
        Some(_) => Err(Refusal::new(Reason::GrantTypeUnsupported, "grant_type is no token exchange")),
        None => Err(Refusal::new(Reason::GrantTypeMissing, "grant_type")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: &str) -> Parts {
        http::Request::post("/protocol/openid-connect/token")
            .header("content-type", kind)
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    fn short(classified: Option<Classified>) -> String {
        match classified {
            None => "not JSON".to_owned(),
            Some(Classified::Refused(refusal)) => refusal.reason.to_string(),
            Some(Classified::Exchange(_, form)) => {
                form.fields().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(" ")
            }
            Some(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn reads_an_object_of_texts() {
        const GRANT: &str = r#""grant_type":"urn:ietf:params:oauth:grant-type:token-exchange""#;
        let exchange = "grant_type=\"urn:ietf:params:oauth:grant-type:token-exchange\"";
        for (name, body, expected) in [
            ("exchange", format!("{{{GRANT}}}"), exchange.to_owned()),
            ("a value", format!(r#"{{{GRANT},"scope":"a&b=c"}}"#), format!("{exchange} scope=\"a&b=c\"")),
            (
                "PACE's line feed",
                format!(r#"{{{GRANT},"subject_token":"t\n"}}"#),
                format!("{exchange} subject_token=\"t\""),
            ),
            ("another grant", r#"{"grant_type":"password"}"#.to_owned(), "grant_type_unsupported".to_owned()),
            (
                "a refresh of ours",
                r#"{"grant_type":"refresh_token","refresh_token":"cambio_rt_x"}"#.to_owned(),
                "grant_type_unsupported".to_owned(),
            ),
            ("no grant", "{}".to_owned(), "grant_type_missing".to_owned()),
            ("a number", format!("{{{GRANT},\"expires\":1}}"), "form_malformed".to_owned()),
            ("a list", format!(r#"{{{GRANT},"audience":["a","b"]}}"#), "form_malformed".to_owned()),
            ("null", format!(r#"{{{GRANT},"scope":null}}"#), "form_malformed".to_owned()),
            ("nested", format!(r#"{{{GRANT},"a":{{}}}}"#), "form_malformed".to_owned()),
            ("a member twice", format!("{{{GRANT},{GRANT}}}"), "form_malformed".to_owned()),
            (
                "a member twice, one escaped",
                format!(r#"{{{GRANT},"\u0067rant_type":"password"}}"#),
                "form_malformed".to_owned(),
            ),
            ("no name", format!(r#"{{{GRANT},"":"x"}}"#), "form_malformed".to_owned()),
            ("a list of objects", format!("[{{{GRANT}}}]"), "form_malformed".to_owned()),
            ("two objects", format!("{{{GRANT}}}{{}}"), "form_malformed".to_owned()),
            ("a form", "grant_type=password".to_owned(), "form_malformed".to_owned()),
        ] {
            assert_eq!(short(classify(&head("application/json"), body.as_bytes())), expected, "{name}");
        }
        let many: Vec<String> = (0..65).map(|n| format!("\"a{n}\":\"\"")).collect();
        let many = format!("{{{}}}", many.join(","));
        assert_eq!(short(classify(&head("application/json"), many.as_bytes())), "form_malformed");
    }

    #[test]
    fn only_what_says_that_it_is_json_is_read() {
        for (kind, expected) in [
            ("application/json", "grant_type_missing"),
            ("application/JSON; charset=UTF-8", "grant_type_missing"),
            ("application/json; charset=utf-16", "not JSON"),
            ("application/json; a=b", "not JSON"),
            ("application/problem+json", "not JSON"),
            ("application/x-www-form-urlencoded", "not JSON"),
            ("text/json", "not JSON"),
        ] {
            assert_eq!(short(classify(&head(kind), b"{}")), expected, "{kind}");
        }
    }
}
