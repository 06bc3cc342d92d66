//! The ways from one token to another that Cambio does not judge, because the configuration says so.

use serde_json::Value;

use super::gathered::{Gathered, Severity};
use super::inquiry::Inquiry;
use crate::adapters::config::Realm;
use crate::adapters::upstream::discovery::DiscoveryDocument;
use crate::judgement::exchange::doors::GovernedDoor;
use crate::words::oauth::urn::{GRANT_CIBA, GRANT_JWT_BEARER, GRANT_PRE_AUTHORIZED_CODE, GRANT_UMA_TICKET};

/// A note for each open door of a realm, with the key that closes it, and one if exchanges are observed.
pub(super) fn look(asked: &Inquiry, realm: &Realm, document: &DiscoveryDocument, found: &mut Gathered) {
    let doors = &realm.doors;
    let open = |door| door == GovernedDoor::Open;
    let offered = document.members.get("grant_types_supported").and_then(Value::as_array);
    for (name, is_open, grant) in [
        ("jwtBearer", open(doors.jwt_bearer), Some(GRANT_JWT_BEARER)),
        ("umaTicket", doors.uma_ticket, Some(GRANT_UMA_TICKET)),
        ("ciba", doors.ciba, Some(GRANT_CIBA)),
        ("requestedIssuer", doors.requested_issuer, None),
        ("requestedSubject", open(doors.requested_subject), None),
        ("brokerToken", doors.broker_token, None),
        ("preAuthorizedCode", doors.pre_authorized_code, Some(GRANT_PRE_AUTHORIZED_CODE)),
        ("introspectionJwt", doors.introspection_jwt, None),
    ] {
        if !is_open {
            continue;
        }
        let key = format!("realms.{}.doors.{name}", realm.name);
        let use_of_it = match grant.zip(offered) {
            Some((grant, offered)) if offered.iter().any(|one| one == grant) => ", and the identity provider offers it",
            Some(_) => ", though the identity provider does not offer it now",
            None => "",
        };
        let message = format!(
            "the door {name} of the realm {} stands open{use_of_it}: Cambio does not judge what passes there; {key}: closed closes it",
            realm.name
        );
        found.add(Severity::Note, asked.at(&key, message));
    }
    if let Some(until) = realm.observed_until.filter(|until| until.is_on(asked.clock.now())) {
        let (name, last) = (&realm.name, until.last());
        let key = format!("realms.{name}.observeUntil");
        let message = format!(
            "exchanges of the realm {name} are observed until {last}: what Cambio would refuse passes; remove {key} to enforce"
        );
        found.add(Severity::Note, asked.at(&key, message));
    }
}
