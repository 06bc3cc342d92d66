//! `Content-Type`, read strictly (RFC 9110 sections 5.6.6 and 8.3.1).

/// A media type and its parameters, names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads one field value; nothing if it is not exactly one media type.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (essence, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let essence = trim(essence);
        let (kind, subtype) = essence.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut parameters = Vec::new();
        while let Some(after) = rest.strip_prefix(';') {
            let after = after.trim_start_matches([' ', '\t']);
            // RFC 9110 allows an empty parameter, as in "text/plain;".
            if after.is_empty() || after.starts_with(';') {
                rest = after;
                continue;
            }
            let (name, after) = after.split_once('=')?;
            let (value, after) = value(after)?;
            if !is_token(name) {
                return None;
            }
            parameters.push((name.to_ascii_lowercase(), value));
            rest = after.trim_start_matches([' ', '\t']);
        }
        rest.is_empty().then(|| Self { essence: essence.to_ascii_lowercase(), parameters })
    }

    /// Whether this is a form in UTF-8: no parameter, or `charset=utf-8` alone.
    pub fn is_plain_form(&self) -> bool {
        self.essence == "application/x-www-form-urlencoded" && self.is_utf8()
    }

    /// Whether this is JSON in UTF-8: no parameter, or `charset=utf-8` alone.
    pub fn is_plain_json(&self) -> bool {
        self.essence == "application/json" && self.is_utf8()
    }

    fn is_utf8(&self) -> bool {
        match self.parameters.as_slice() {
            [] => true,
            [(name, value)] => name == "charset" && value.eq_ignore_ascii_case("utf-8"),
            _ => false,
        }
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// A token or a quoted string from the start of `text`, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        return is_token(token).then(|| (token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return quoted.get(index + 1..).map(|rest| (value, rest)),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_plain_form() {
        for (text, expected) in [
            ("application/x-www-form-urlencoded", Some(true)),
            ("Application/X-WWW-Form-URLEncoded", Some(true)),
            ("application/x-www-form-urlencoded;charset=UTF-8", Some(true)),
            ("application/x-www-form-urlencoded ; Charset=\"utf-8\"", Some(true)),
            ("application/x-www-form-urlencoded;", Some(true)),
            ("application/x-www-form-urlencoded;charset=utf-16", Some(false)),
            ("application/x-www-form-urlencoded;charset=utf-8;charset=utf-8", Some(false)),
            ("application/x-www-form-urlencoded;boundary=x", Some(false)),
            ("application/json", Some(false)),
            ("multipart/form-data; boundary=\"a;b\"", Some(false)),
            ("application/x-www-form-urlencoded,text/plain", None),
            ("application/x-www-form-urlencoded charset=utf-8", None),
            ("application/x-www-form-urlencoded;charset", None),
            ("application/x-www-form-urlencoded;charset=\"utf-8", None),
            ("application/x-www-form-urlencoded;charset=utf-8 x", None),
            ("application", None),
            ("application/", None),
            ("", None),
        ] {
            assert_eq!(MediaType::parse(text.as_bytes()).map(|m| m.is_plain_form()), expected, "{text}");
        }
        assert_eq!(MediaType::parse(b"application/x-www-form-urlencoded;a=\xff"), None);
    }
}
