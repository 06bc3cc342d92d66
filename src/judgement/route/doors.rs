//! Endpoints of Keycloak, besides the token endpoint, that turn one token into another.
//!
//! A path that is written in its one canonical form is the endpoint of its realm. A path that some server could read as
//! such an endpoint, but that is written in another way, is refused.

use http::HeaderMap;
use http::header::ACCEPT;

use super::{canonical, disguise};

/// An endpoint, besides the token endpoint, that turns one token into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointDoor {
    /// `/broker/ALIAS/token` hands out the tokens of a brokered identity provider.
    BrokerToken,
    /// Endpoints that make or show offers of credentials. An offer has a pre-authorized code, which is good for a token
    /// (`OpenID` for Verifiable Credential Issuance 1.0).
    CredentialOffer,
}

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DoorPath<'a> {
    /// The endpoint of the realm at this path.
    Endpoint(EndpointDoor, &'a str),
    /// Some server could read the path as such an endpoint.
    Disguised,
}

/// Names of the endpoints with offers, in Keycloak 26.0 to 26.7.
const OFFERS: [&str; 3] = ["create-credential-offer", "credential-offer", "credential-offer-uri"];

/// The names of a token introspection endpoint, in order.
const INTROSPECTION: [&str; 4] = ["protocol", "openid-connect", "token", "introspect"];

/// The endpoint at a path; `None` for all other paths.
pub(super) fn find(path: &str) -> Option<DoorPath<'_>> {
    if !has_word(path) {
        return None;
    }
    if is_plain(path) {
        return endpoint(path);
    }
    // The name of a realm may have escapes, in their one spelling.
    if canonical::is_canonical(path.strip_suffix('/').unwrap_or(path))
        && let Some(DoorPath::Endpoint(door, realm)) = endpoint(path)
        && path.get(realm.len()..).is_some_and(|rest| !rest.contains('%'))
    {
        return Some(DoorPath::Endpoint(door, realm));
    }
    let decoded = disguise::decode(path);
    let broker = disguise::has_in_order(&decoded, &["broker", "token"]);
    let offer = || OFFERS.iter().any(|name| disguise::has_in_order(&decoded, &["protocol", "oid4vc", name]));
    (broker || offer()).then_some(DoorPath::Disguised)
}

/// Whether some server could read the path as that of token introspection.
pub(super) fn may_be_introspection(path: &str) -> bool {
    has_word(path) && disguise::has_in_order(&disguise::decode(path), &INTROSPECTION)
}

/// Whether a caller asks for its answer as a JWT. Keycloak then puts a full token, signed, into the answer to an
/// introspection.
pub fn asks_for_jwt(headers: &HeaderMap) -> bool {
    let names_jwt = |value: &[u8]| value.windows(3).any(|word| word.eq_ignore_ascii_case(b"jwt"));
    headers.get_all(ACCEPT).iter().any(|value| names_jwt(value.as_bytes()))
}

/// The endpoint at a path that has one reading. A trailing slash changes nothing at Keycloak.
fn endpoint(path: &str) -> Option<DoorPath<'_>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (before, last) = path.rsplit_once('/')?;
    let (before, middle) = before.rsplit_once('/')?;
    let (rest, first) = before.rsplit_once('/').unwrap_or_default();
    let is = |segment: &str, name: &str| segment.eq_ignore_ascii_case(name);
    let is_offer = |segment: &str| OFFERS.iter().any(|name| is(segment, name));
    let (door, realm) = if is(first, "broker") && is(last, "token") {
        (EndpointDoor::BrokerToken, rest)
    } else if is(first, "protocol") && is(middle, "oid4vc") && is_offer(last) {
        (EndpointDoor::CredentialOffer, rest)
    } else if is(first, "oid4vc") && is_offer(middle) {
        // The offer with this nonce.
        let (realm, protocol) = rest.rsplit_once('/')?;
        if !is(protocol, "protocol") {
            return None;
        }
        (EndpointDoor::CredentialOffer, realm)
    } else {
        return None;
    };
    let rest = path.get(realm.len()..).unwrap_or_default();
    // Keycloak's names are in lower case; no name of a realm is looked at here.
    let names = rest.split('/').filter(|segment| {
        ["broker", "token", "protocol", "oid4vc"].iter().chain(&OFFERS).any(|name| is(segment, name))
    });
    if names.clone().all(|segment| segment.bytes().all(|byte| !byte.is_ascii_uppercase())) {
        Some(DoorPath::Endpoint(door, realm))
    } else {
        Some(DoorPath::Disguised)
    }
}

/// Whether the path has to be looked at: nearly no path has one of the words or an escape.
fn has_word(path: &str) -> bool {
    let bytes = path.as_bytes();
    let has = |word: &[u8]| bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    !bytes.is_ascii() || bytes.contains(&b'%') || has(b"token") || has(b"offer")
}

/// Whether the path has nothing that a server could decode, cut, merge or resolve.
fn is_plain(path: &str) -> bool {
    let inner = path.strip_suffix('/').unwrap_or(path);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    inner.bytes().all(plain) && inner.split('/').skip(1).all(|segment| !segment.is_empty() && !segment.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn finds_each_door_in_every_spelling() {
        let broker = |realm| Some(DoorPath::Endpoint(EndpointDoor::BrokerToken, realm));
        let offer = |realm| Some(DoorPath::Endpoint(EndpointDoor::CredentialOffer, realm));
        let disguised = Some(DoorPath::Disguised);
        for (path, expected) in [
            ("/realms/corp/broker/partner/token", broker("/realms/corp")),
            ("/realms/corp/broker/partner/token/", broker("/realms/corp")),
            ("/auth/realms/other/broker/a.b-c_d/token", broker("/auth/realms/other")),
            ("/realms/corp/broker/token/token", broker("/realms/corp")),
            ("/broker/partner/token", broker("")),
            ("/realms/my%20realm/broker/partner/token", broker("/realms/my%20realm")),
            ("/realms/my%20realm/broker/partner/to%20ken", disguised),
            ("/realms/m%c3%bcnchen/broker/partner/token", disguised),
            ("/realms/my%20realm/broker/partner/token%20", disguised),
            ("/realms/corp/Broker/partner/token", disguised),
            ("/realms/corp/broker/partner/TOKEN", disguised),
            ("/realms/corp/broker/partner/token;a=b", disguised),
            ("/realms/corp/broker/partner;x/token", disguised),
            ("/realms/corp/broker;x/partner/token", disguised),
            ("/realms/corp/broker/partner/token//", disguised),
            ("/realms/corp/broker//partner/token", disguised),
            ("/realms/corp/broker/./partner/token", disguised),
            ("/realms/corp/broker/x/../partner/token", disguised),
            ("/realms/corp/broker/partner/%74oken", disguised),
            ("/realms/corp/broker/partner/%2574oken", disguised),
            ("/realms/corp/b%72oker/partner/token", disguised),
            ("/realms/corp/broker/partner%2Ftoken", disguised),
            ("/realms/corp/broker/partner%5ctoken", disguised),
            ("/realms/corp/broker\\partner\\token", disguised),
            ("/realms/corp/broker/partner/token%00", disguised),
            ("/realms/corp/broker/partner/token%20", disguised),
            ("/realms/corp/broker/partner/token.", disguised),
            ("/realms/corp/broker/part%20ner/token", disguised),
            ("/realms/corp/broker/partner@x/token", disguised),
            ("/realms/corp/broker/partner/to%E2%84%AAen", disguised),
            ("/realms/corp/protocol/oid4vc/create-credential-offer", offer("/realms/corp")),
            ("/realms/corp/protocol/oid4vc/create-credential-offer/", offer("/realms/corp")),
            ("/realms/corp/protocol/oid4vc/credential-offer/nonce", offer("/realms/corp")),
            ("/realms/corp/protocol/oid4vc/credential-offer-uri", offer("/realms/corp")),
            ("/realms/corp/protocol/oid4vc/credential-offer/a:b", disguised),
            ("/realms/corp/protocol;x/oid4vc/create-credential-offer", disguised),
            ("/realms/corp/protocol/oid4vc/create%2Dcredential-offer", disguised),
            ("/realms/corp/protocol/OID4VC/create-credential-offer", disguised),
            ("/realms/corp/broker/partner/endpoint", None),
            ("/realms/corp/broker/token/endpoint", None),
            ("/realms/corp/broker/partner/token/x", None),
            ("/realms/corp/broker/partner/tokens", None),
            ("/realms/corp/broker/after-first-broker-login", None),
            ("/realms/corp/protocol/oid4vc/credential", None),
            ("/realms/corp/protocol/oid4vc/nonce", None),
            ("/realms/corp/protocol/openid-connect/token", None),
            ("/realms/corp/protocol/openid-connect/auth", None),
            ("/resources/offer/token", None),
        ] {
            assert_eq!(find(path), expected, "{path}");
        }
    }

    #[test]
    fn introspection_in_every_spelling() {
        for (path, expected) in [
            ("/realms/corp/protocol/openid-connect/token/introspect", true),
            ("/realms/corp/protocol/openid-connect/token/introspect/", true),
            ("/realms/corp/protocol/openid-connect/token/introspect;a", true),
            ("/realms/corp/protocol/openid-connect/%74oken/introspect", true),
            ("/realms/corp/protocol/openid-connect/token%2Fintrospect", true),
            ("/realms/corp/protocol/openid-connect/token", false),
            ("/realms/corp/protocol/openid-connect/userinfo", false),
        ] {
            assert_eq!(may_be_introspection(path), expected, "{path}");
        }
    }

    #[test]
    fn a_jwt_is_asked_for() {
        for (accept, expected) in [
            (&["application/jwt"][..], true),
            (&["application/JWT;q=0.1"], true),
            (&["application/json", "application/token-introspection+jwt"], true),
            (&["application/json"], false),
            (&["*/*"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, value.parse().unwrap());
            }
            assert_eq!(asks_for_jwt(&headers), expected, "{accept:?}");
        }
    }
}
