//! Request head to route: one canonical path or a refusal. The first half of the request lock: a path that some server
//! could read as a token endpoint is either written exactly as Cambio would write it, and judged, or refused.

pub mod canonical;
mod configured;
mod disguise;
pub mod doors;
mod framing;
pub mod media_type;

use std::collections::{BTreeSet, HashMap};

use http::request::Parts;
use http::{HeaderMap, Method, Version, header};

use self::configured::{ConfiguredPaths, Meaning};
use self::disguise::OwnPaths;
use self::doors::{DoorPath, EndpointDoor, asks_for_jwt};
pub use self::framing::framing;
use crate::judgement::dialect::RealmPath;
use crate::judgement::dialect::endpoints::keycloak::TOKEN;
use crate::words::refusal::{Reason, Refusal};

/// Headers that replace the method of the request line on some servers.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// What to do with a request, by its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Forward as it is.
    Pass,
    /// No token endpoint, but the body may be a form: read it, look for a governed grant, forward it.
    Form,
    /// A token endpoint and a method without a body: read the body, if one comes, and refuse it.
    Bodiless,
    /// The keys of the realm with this index.
    Keys(usize),
    /// The discovery document of the realm with this index.
    Discovery(usize),
    /// An endpoint of a realm that describes or ends tokens. Cambio answers for the tokens that it issued.
    Own {
        /// Index of the realm.
        realm: usize,
        /// Which one.
        endpoint: OwnTokenEndpoint,
    },
    /// A token endpoint: read the body and classify it.
    Door {
        /// Index of the realm; none if it is not configured, and then nothing may be exchanged there.
        realm: Option<usize>,
    },
    /// Another endpoint that turns one token into another.
    Endpoint {
        /// Which one.
        door: EndpointDoor,
        /// Index of the realm; none if it is not configured, and then the door is closed.
        realm: Option<usize>,
    },
    /// API access at the realm with this index: read the body and judge it.
    ApiAccess(usize),
    /// A web page asks whether it may call a path of a dialect, which the identity provider does not know (CORS).
    Preflight,
    /// Answer with the refusal.
    Reject(Refusal),
}

/// The paths that mean something, for the realms of one configuration.
#[derive(Clone, Debug)]
pub struct RouteTable {
    endpoints: HashMap<String, Endpoint>,
    /// What stands before the name of a realm that is not configured, for instance `/realms/`.
    realm_prefixes: BTreeSet<String>,
    /// Paths of dialects, and the identity provider's paths for them.
    upstream: HashMap<String, String>,
    /// The dialects' doors.
    doors: Vec<DialectDoor>,
    /// Where the realms' other endpoints are that Cambio answers.
    own: OwnPaths,
    /// Where the endpoints are of realms whose paths the configuration says.
    configured: ConfiguredPaths,
}

/// A door at a path of a dialect.
#[derive(Clone, Debug)]
struct DialectDoor {
    /// The segments of the path, folded.
    names: Vec<String>,
    /// Index of the realm.
    realm: usize,
}

/// An endpoint that takes tokens, besides the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnTokenEndpoint {
    /// RFC 7662.
    Introspection,
    /// RFC 7009.
    Revocation,
    /// OpenID Connect Core section 5.3.
    Userinfo,
    /// Keycloak's logout with a refresh token.
    Logout,
}

impl OwnTokenEndpoint {
    /// All of them that a realm has, with their paths.
    fn of(place: RealmPath<'_>) -> impl Iterator<Item = (Self, String)> {
        let all = [
            (Self::Introspection, place.introspection()),
            (Self::Revocation, place.revocation()),
            (Self::Userinfo, place.userinfo()),
            (Self::Logout, place.end_session()),
        ];
        all.into_iter().filter_map(|(endpoint, path)| Some((endpoint, path?.into_owned())))
    }

    /// Whether it is served with this method; with others, the identity provider answers.
    fn takes(self, method: &Method) -> bool {
        *method == Method::POST || (self == Self::Userinfo && *method == Method::GET)
    }
}

#[derive(Clone, Copy, Debug)]
enum Endpoint {
    Own(OwnTokenEndpoint, usize),
    Token(usize),
    ApiAccess(usize),
    Certs(usize),
    Discovery(usize),
}

impl RouteTable {
    /// A table for realms at these places; the index of a realm is its place here.
    pub fn new<'a>(realms: impl IntoIterator<Item = RealmPath<'a>>) -> Self {
        let mut table = Self {
            endpoints: HashMap::new(),
            realm_prefixes: BTreeSet::from(["/realms/".to_owned(), "/auth/realms/".to_owned()]),
            upstream: HashMap::new(),
            doors: Vec::new(),
            own: OwnPaths::default(),
            configured: ConfiguredPaths::default(),
        };
        for (index, place) in realms.into_iter().enumerate() {
            let path = place.path;
            table.add(place.jwks().into_owned(), Endpoint::Certs(index));
            for document in place.discovery_paths() {
                table.add(document, Endpoint::Discovery(index));
            }
            for (own, at) in OwnTokenEndpoint::of(place) {
                table.add(at, Endpoint::Own(own, index));
            }
            table.add_dialect(place, index);
            // Last, because no other endpoint may take the place of a door.
            table.endpoints.insert(place.token().into_owned(), Endpoint::Token(index));
            if place.endpoints.is_some() {
                table.configured.add(place);
                continue;
            }
            table.own.add_realm(path);
            // The unconfigured neighbours of a realm at /sso/realms/corp are at /sso/realms/*.
            if let Some((prefix, _)) = path.rsplit_once('/').filter(|(prefix, _)| prefix.ends_with("/realms")) {
                table.realm_prefixes.insert(format!("{prefix}/"));
            }
        }
        table
    }

    /// Every path that means something at a realm: no two realms may share one.
    pub fn paths(place: RealmPath<'_>) -> BTreeSet<String> {
        Self::new([place]).endpoints.into_keys().collect()
    }

    /// The paths of a realm's token endpoint, the identity provider's own first.
    pub fn token_paths(place: RealmPath<'_>) -> Vec<String> {
        std::iter::once(place.token().into_owned()).chain(place.token_paths()).collect()
    }

    /// The realm whose door is at exactly this path.
    pub fn realm_at(&self, path: &str) -> Option<usize> {
        match self.endpoints.get(path) {
            Some(Endpoint::Token(realm) | Endpoint::ApiAccess(realm)) => Some(*realm),
            _ => None,
        }
    }

    /// The realm whose caller gets the refusal of a request to this path: the realm whose door the path is, or, in another
    /// spelling, the door of a dialect. The realm decides only about the words of the refusal.
    pub fn realm_meant(&self, path: &str) -> Option<usize> {
        self.realm_at(path).or_else(|| {
            let meant = disguise::resolved(path);
            self.doors.iter().find(|door| door.names == meant).map(|door| door.realm)
        })
    }

    /// Whether the path is that of a token endpoint, which the configuration says. Nearly no table has one.
    pub fn is_configured_door(&self, path: &str) -> bool {
        self.configured.has_doors() && self.realm_at(path).is_some()
    }

    /// The identity provider's path for a path of a dialect; `None` for other paths.
    pub fn upstream_path(&self, path: &str) -> Option<&str> {
        self.upstream.get(path).map(String::as_str)
    }

    /// Adds an endpoint in both spellings that Keycloak serves: without and with a slash at the end.
    fn add(&mut self, mut path: String, endpoint: Endpoint) {
        if path.ends_with('/') {
            path.pop();
        }
        self.endpoints.insert(format!("{path}/"), endpoint);
        self.endpoints.insert(path, endpoint);
    }

    fn add_door(&mut self, path: &str, realm: usize) {
        self.doors.push(DialectDoor { names: disguise::segments(path), realm });
    }

    fn add_dialect(&mut self, place: RealmPath<'_>, index: usize) {
        for path in place.token_paths() {
            self.add_door(&path, index);
            self.upstream.insert(path.clone(), place.token().into_owned());
            self.endpoints.insert(path, Endpoint::Token(index));
        }
        for (path, upstream) in place.introspection_paths().filter_map(|path| Some((path, place.introspection()?))) {
            self.add_door(&path, index);
            for spelling in [format!("{path}/"), path.clone()] {
                self.upstream.insert(spelling, upstream.clone().into_owned());
            }
            self.add(path, Endpoint::Own(OwnTokenEndpoint::Introspection, index));
        }
        for path in place.api_access_paths() {
            self.add_door(&path, index);
            self.upstream.insert(path.clone(), place.token().into_owned());
            self.endpoints.insert(path, Endpoint::ApiAccess(index));
        }
    }

    /// Where the request goes.
    pub fn route(&self, head: &Parts) -> Route {
        if let Err(refusal) = framing(head) {
            return Route::Reject(refusal);
        }
        let path = head.uri.path();
        let endpoint = self.endpoints.get(path);
        let unconfigured = path.strip_suffix(TOKEN).filter(|at| endpoint.is_none() && self.is_realm(at));
        if (endpoint.is_some() || unconfigured.is_some()) && asks_for_websocket(head) {
            return reject(Reason::MethodNotAllowed, "a WebSocket at an endpoint that Cambio answers");
        }
        if is_preflight(head) && self.upstream.contains_key(path) {
            return Route::Preflight;
        }
        let configured = if endpoint.is_none() { self.configured.meaning(path) } else { None };
        match endpoint {
            Some(Endpoint::Token(realm)) => return door(Route::Door { realm: Some(*realm) }, head),
            Some(Endpoint::ApiAccess(realm)) => return door(Route::ApiAccess(*realm), head),
            Some(Endpoint::Certs(realm)) if is_plain_read(head) => return Route::Keys(*realm),
            Some(Endpoint::Discovery(realm)) if is_plain_read(head) => return Route::Discovery(*realm),
            Some(Endpoint::Own(endpoint, realm)) if endpoint.takes(&head.method) => {
                return Route::Own { realm: *realm, endpoint: *endpoint };
            }
            None if unconfigured.is_some_and(|at| !has_one_spelling(at) && self.own.is_realm_decoded(at)) => {
                return reject(Reason::PathNotCanonical, "the path resembles that of a configured realm");
            }
            None if unconfigured.is_some() => return door(Route::Door { realm: None }, head),
            None if disguise::may_be_read_as_door(path, self.doors.iter().map(|door| door.names.as_slice())) => {
                return reject(Reason::PathNotCanonical, "the path resembles a token endpoint");
            }
            None if self.own.may_be_meant(path, |at| self.is_realm(at) && has_one_spelling(at)) => {
                return resembles_own();
            }
            None if configured == Some(Meaning::Door) => {
                return reject(Reason::PathNotCanonical, "the path resembles a token endpoint");
            }
            None if configured == Some(Meaning::Other) => return resembles_own(),
            // A preflight (CORS) hands out nothing.
            None if head.method != Method::OPTIONS => match doors::find(path) {
                Some(DoorPath::Endpoint(door, realm)) => {
                    return Route::Endpoint { door, realm: self.realm_at(&format!("{realm}{TOKEN}")) };
                }
                Some(DoorPath::Disguised) => {
                    return reject(Reason::PathNotCanonical, "the path resembles an endpoint that gives tokens");
                }
                None => {}
            },
            Some(Endpoint::Certs(_) | Endpoint::Discovery(_) | Endpoint::Own(..)) | None => {}
        }
        // A POST to introspection at a configured realm was routed above, and its door is asked there.
        let introspects = matches!(endpoint, Some(Endpoint::Own(OwnTokenEndpoint::Introspection, _)));
        if asks_for_jwt(&head.headers) && (introspects || doors::may_be_introspection(path)) {
            return reject(Reason::DoorClosed, "introspection with a JWT as answer, at no configured realm's endpoint");
        }
        if may_be_form(head) { Route::Form } else { Route::Pass }
    }

    /// Whether the path is the plainly written path of some realm, which need not be configured.
    fn is_realm(&self, path: &str) -> bool {
        self.realm_prefixes.iter().any(|prefix| path.strip_prefix(prefix.as_str()).is_some_and(is_plain_segment))
    }
}

fn resembles_own() -> Route {
    reject(Reason::PathNotCanonical, "the path resembles an endpoint that Cambio answers")
}

/// Whether nothing is escaped, or all of it in the one spelling that Keycloak publishes.
fn has_one_spelling(path: &str) -> bool {
    !path.contains('%') || canonical::is_canonical(path)
}

fn door(there: Route, head: &Parts) -> Route {
    let query = head.uri.query();
    match head.method {
        // The body is read, and the query string and the headers with it.
        Method::POST => there,
        _ if overrides_method(&head.headers) => reject(Reason::MethodNotAllowed, "a header overrides the method"),
        // The upstream answers CORS preflights, and 405, itself. HTTP/2 does not say in the head whether a body
        // follows, so one that does is looked at.
        Method::GET | Method::HEAD | Method::OPTIONS if query.is_some_and(disguise::may_name_grant) => {
            reject(Reason::ParameterInQuery, "a grant in the query string on a token endpoint")
        }
        Method::GET | Method::HEAD | Method::OPTIONS => match body_in_head(head) {
            Some(true) => reject(Reason::MethodNotAllowed, "a body with a method other than POST"),
            Some(false) => Route::Pass,
            None => Route::Bodiless,
        },
        _ => reject(Reason::MethodNotAllowed, "the method is not POST"),
    }
}

/// Whether a header replaces the method of the request line on some servers.
pub fn overrides_method(headers: &HeaderMap) -> bool {
    METHOD_OVERRIDES.iter().any(|name| headers.contains_key(*name))
}

/// Whether the request could become a tunnel past the locks. Every other upgrade is ignored: the header is not forwarded,
/// and the request is answered like any other (RFC 9110 section 7.8).
fn asks_for_websocket(head: &Parts) -> bool {
    let offered = head.headers.get_all(header::UPGRADE).iter();
    head.method == Method::GET
        && offered.flat_map(|value| value.as_bytes().split(|&b| b == b',')).any(|offer| {
            let name = offer.split(|&b| b == b'/').next().unwrap_or_default();
            name.trim_ascii().eq_ignore_ascii_case(b"websocket")
        })
}

/// Whether a browser asks on behalf of a page. There is no body, so nothing is handed out.
fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(header::ORIGIN)
        && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && body_in_head(head) != Some(true)
}

fn reject(reason: Reason, detail: &str) -> Route {
    Route::Reject(Refusal::new(reason, detail))
}

/// A realm's name as one path segment: unreserved characters and escapes of anything that separates nothing.
/// Nothing may be exchanged at such a realm. The name of a configured realm in disguise is refused before.
fn is_plain_segment(segment: &str) -> bool {
    let decoded = disguise::decode(segment);
    !decoded.is_empty()
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%@+$,!".contains(&byte))
        && !decoded.chars().all(|character| character == '.')
        && !decoded.chars().any(|character| character.is_control() || "/\\;?#%".contains(character))
}

fn is_plain_read(head: &Parts) -> bool {
    matches!(head.method, Method::GET | Method::HEAD) && body_in_head(head) != Some(true)
}

/// Whether the body may be a form, by the head.
pub fn may_be_form(head: &Parts) -> bool {
    may_have_body(head) && is_formish(&head.headers)
}

/// Whether a body follows, as far as the head says.
fn body_in_head(head: &Parts) -> Option<bool> {
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        return Some(true);
    }
    match head.headers.get(header::CONTENT_LENGTH) {
        Some(length) => Some(length.as_bytes().iter().any(|digit| *digit != b'0')),
        None if head.version < Version::HTTP_2 => Some(false),
        None => None,
    }
}

/// Over HTTP/2, a GET without length and media type is taken to have no body: nearly every GET is like that.
fn may_have_body(head: &Parts) -> bool {
    body_in_head(head).unwrap_or_else(|| {
        head.headers.contains_key(header::CONTENT_TYPE)
            || !matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS)
    })
}

/// Whether some server could read the body as a form: it says so anywhere, or says nothing that is clear.
fn is_formish(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return true;
    };
    let bytes = value.as_bytes();
    media_type::MediaType::parse(bytes).is_none()
        || bytes.to_ascii_lowercase().windows(21).any(|window| window == b"x-www-form-urlencoded")
}

#[cfg(test)]
mod tests;
