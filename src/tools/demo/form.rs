//! Forms as Keycloak reads them, which is more lenient than the gate.

/// The fields of a form, in order.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

/// The body can't be read; Keycloak answers with status 500.
#[derive(Debug)]
pub(super) struct Unreadable;

/// The largest number of fields.
const MAX_FIELDS: usize = 1000;

impl Fields {
    /// Reads `name=value&…`, names percent-encoded or not.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        let mut fields = Vec::new();
        for field in body.split(|byte| *byte == b'&').filter(|field| !field.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return Err(Unreadable);
            }
            let split = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
            let (name, value) = field.split_at(split);
            fields.push((decode(name)?, decode(value.strip_prefix(b"=").unwrap_or(value))?));
        }
        Ok(Self(fields))
    }

    /// Adds the fields of another form at the end.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The first value that is not empty.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// Every value that is not empty.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// Whether a name other than `audience` and `resource` is repeated.
    pub(super) fn repeated(&self) -> bool {
        let mut names: Vec<_> =
            self.0.iter().map(|(n, _)| n.as_str()).filter(|n| !matches!(*n, "audience" | "resource")).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair.first() == pair.last())
    }
}

fn decode(text: &[u8]) -> Result<String, Unreadable> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|d| char::from(*d).to_digit(16)).ok_or(Unreadable);
                let value = digit()? * 16 + digit()?;
                u8::try_from(value).map_err(|_| Unreadable)?
            }
            byte => *byte,
        });
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_keycloak_reads() {
        for (name, body, expected) in [
            ("plain", "grant_type=a", Some("a")),
            ("encoded name", "%67rant%5Ftype=a", Some("a")),
            ("plus and percent", "grant_type=a+%62", Some("a b")),
            ("empty fields", "&&grant_type=a&", Some("a")),
            ("no value", "grant_type", None),
        ] {
            assert_eq!(Fields::parse(body.as_bytes()).unwrap().one("grant_type"), expected, "{name}");
        }
        assert!(Fields::parse(b"a=%zz").is_err());
        assert!(Fields::parse("a=1&".repeat(1001).as_bytes()).is_err());
    }

    #[test]
    fn sees_repeats() {
        assert!(Fields::parse(b"a=1&b=2&a=3").unwrap().repeated());
        assert!(!Fields::parse(b"audience=1&audience=2&b=1").unwrap().repeated());
    }
}
