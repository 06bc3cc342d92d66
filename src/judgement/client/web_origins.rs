//! Which web pages may read the answers to a client (CORS), by Keycloak's rules.

use std::collections::BTreeSet;

/// Stands for every origin.
const EVERY: &str = "*";

/// In Keycloak, stands for the origins of the client's redirect URIs.
const OF_REDIRECTS: &str = "+";

/// The origins of a client's web pages. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebOrigins(BTreeSet<String>);

impl WebOrigins {
    /// The origins in a list: those of the configuration, or of the claim `allowed-origins` in Keycloak's tokens.
    pub fn listed<'o>(origins: impl IntoIterator<Item = &'o str>) -> Self {
        Self(origins.into_iter().map(str::to_owned).collect())
    }

    /// The origins of one of Keycloak's clients. `+` among them stands for the origins of its redirect URIs, and a
    /// redirect URI without an origin for that of its root URL.
    pub fn of_client(listed: &[String], redirects: &[String], root: Option<&str>) -> Self {
        let mut origins: BTreeSet<String> = listed.iter().cloned().collect();
        if origins.remove(OF_REDIRECTS) {
            let of = |redirect: &String| origin_of(redirect).or_else(|| root.and_then(origin_of));
            origins.extend(redirects.iter().filter_map(of));
        }
        Self(origins)
    }

    /// Whether a page of this origin may read the answers. Origins are equal if their texts are.
    pub fn allow(&self, origin: &str) -> bool {
        self.0.contains(origin) || self.0.contains(EVERY)
    }
}

/// Scheme, host and port of an `http` or `https` URL.
fn origin_of(url: &str) -> Option<String> {
    let after_scheme = ["https://", "http://"].into_iter().find(|scheme| url.starts_with(scheme))?.len();
    let rest = url.get(after_scheme..)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    url.get(..after_scheme + end).filter(|_| end > 0).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_what_keycloak_allows() {
        let redirects = ["https://app.example/*", "/rel/*", "http://localhost:9000/cb", "*", "app://x/y"];
        let redirects = redirects.map(str::to_owned);
        let list = |origins: &[&str]| origins.iter().map(|origin| (*origin).to_owned()).collect::<Vec<_>>();
        let root = Some("https://root.example/app");
        for (name, listed, root, origin, expected) in [
            ("listed", &["https://spa.example"][..], None, "https://spa.example", true),
            ("another", &["https://spa.example"], None, "https://evil.example", false),
            ("another port", &["https://spa.example"], None, "https://spa.example:8443", false),
            ("another scheme", &["https://spa.example"], None, "http://spa.example", false),
            ("a longer name", &["https://spa.example"], None, "https://spa.example.evil.test", false),
            ("every origin", &["*"], None, "https://evil.example", true),
            ("no page's origin", &["https://spa.example"], None, "null", false),
            ("nothing", &[], None, "https://spa.example", false),
            ("a redirect URI", &["+"], None, "https://app.example", true),
            ("a redirect URI with a port", &["+"], None, "http://localhost:9000", true),
            ("another than the redirect URIs", &["+"], root, "https://evil.example", false),
            ("a relative redirect URI", &["+"], root, "https://root.example", true),
            ("a relative redirect URI without a root", &["+"], None, "https://root.example", false),
            ("a redirect URI without +", &["https://spa.example"], root, "https://app.example", false),
            ("listed beside +", &["+", "https://spa.example"], root, "https://spa.example", true),
            ("the plus itself", &["+"], root, "+", false),
        ] {
            assert_eq!(WebOrigins::of_client(&list(listed), &redirects, root).allow(origin), expected, "{name}");
        }
        assert!(!WebOrigins::of_client(&list(&["+"]), &list(&["*"]), None).allow("https://evil.example"));
        assert!(WebOrigins::listed(["https://spa.example"]).allow("https://spa.example"));
    }
}
