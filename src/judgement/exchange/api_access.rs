//! A client asks for a token of its own service account, for an audience: CERN's `api-access/token`, read strictly.

use http::request::Parts;

use super::classify::read;
use super::lenient::readings;
use super::parameters::{refuse_parameters_besides, refuse_repeated_parameters, requested_scope};
use crate::judgement::client::credentials::Credentials;
use crate::judgement::exchange::accepts::Accepts;
use crate::words::oauth::form::{Form, bounded};
use crate::words::oauth::scope::Scope;
use crate::words::refusal::{Reason, Refusal};

/// `grant_type` of API access (RFC 6749 section 4.4).
const GRANT: &str = "client_credentials";

/// A request with understood parameters only. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct ApiAccess {
    pub(super) audience: String,
    pub(super) scope: Option<Scope>,
    pub(super) credentials: Credentials,
}

/// Reads a request. A parameter without a value counts as omitted (RFC 6749 section 3.2).
pub fn parse(head: &Parts, body: &[u8], accepts: &Accepts) -> Result<ApiAccess, Refusal> {
    let form = read(head, body)?;
    refuse_repeated_parameters(&form, &[])?;
    if !readings(body).grants.is_empty() {
        return Err(Refusal::new(Reason::GrantTypeAmbiguous, "some parser could read a governed grant"));
    }
    match form.one("grant_type") {
        Some(GRANT) => {}
        Some(_) => {
            return Err(Refusal::new(Reason::GrantTypeUnsupported, "grant_type is not client_credentials"));
        }
        None => return Err(Refusal::new(Reason::GrantTypeMissing, "grant_type")),
    }
    refuse_parameters_besides(&["audience", "scope"], &form)?;
    let credentials = Credentials::read(&head.headers, &form, &accepts.workloads)?;
    let Some(audience) = form.one("audience") else {
        let client = bounded(credentials.client_id());
        return Err(Refusal::new(Reason::AudienceMissing, format!("client {client} names no audience")));
    };
    Ok(ApiAccess { audience: audience.to_owned(), scope: requested_scope(&form)?, credentials })
}

impl ApiAccess {
    /// The client's credentials.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The request for the service account's own token, which Cambio does not hand out. Goes with
    /// `credentials().authorization()` as its `Authorization` header.
    pub fn upstream_form(&self) -> String {
        let mut form = Form::new();
        form.push("grant_type", GRANT);
        self.credentials.write(&mut form);
        form.encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str, body: &str) -> Result<ApiAccess, Reason> {
        let head = http::Request::post(target)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        parse(&head, body.as_bytes(), &Accepts::default()).map_err(|refusal| refusal.reason)
    }

    const GOOD: &str = "grant_type=client_credentials&client_id=my-app&client_secret=s3cret&audience=target-app";

    #[test]
    fn reads_a_request() {
        let read = read("/realms/cern/api-access/token", &format!("{GOOD}&scope=email")).unwrap();
        assert_eq!((read.audience.as_str(), read.credentials().client_id()), ("target-app", "my-app"));
        assert_eq!(read.scope.as_ref().unwrap().to_string(), "email");
        assert_eq!(
            read.upstream_form(),
            "grant_type=client_credentials&client_id=my-app&client_secret=s3cret",
            "Cambio judges the audience"
        );
        assert!(!format!("{read:?}").contains("s3cret"));
    }

    #[test]
    fn refuses_what_is_not_one_thing() {
        for (name, body, reason) in [
            ("no grant", GOOD.replace("grant_type=client_credentials&", ""), Reason::GrantTypeMissing),
            ("password", GOOD.replace("client_credentials", "password"), Reason::GrantTypeUnsupported),
            ("refresh", GOOD.replace("client_credentials", "refresh_token"), Reason::GrantTypeUnsupported),
            (
                "an exchange",
                GOOD.replace("client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"),
                Reason::GrantTypeAmbiguous,
            ),
            ("no audience", GOOD.replace("&audience=target-app", ""), Reason::AudienceMissing),
            ("an empty audience", GOOD.replace("target-app", ""), Reason::AudienceMissing),
            ("two audiences", format!("{GOOD}&audience=other"), Reason::ParameterRepeated),
            ("a subject token", format!("{GOOD}&subject_token=x"), Reason::ParameterUnknown),
            ("no client", GOOD.replace("client_id=my-app&", ""), Reason::ClientMissing),
            ("no form", "{}".to_owned(), Reason::GrantTypeMissing),
        ] {
            assert_eq!(read("/realms/cern/api-access/token", &body).unwrap_err(), reason, "{name}");
        }
        assert_eq!(read("/x?a=b", GOOD).unwrap_err(), Reason::ParameterInQuery);
    }
}
