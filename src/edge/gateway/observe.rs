//! Observed requests: the identity provider answers, and Cambio writes down what it would have decided.

use std::time::Duration;

use http::Response;
use http::request::Parts;
use tokio::time::timeout;

use super::case::client::CaseClient;
use super::case::{Case, RequestContext};
use super::realm_runtime::RealmRuntime;
use super::record::{AuditRecord, Shadow};
use super::services::ReadForm;
use crate::adapters::net::body::Body;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::policy::observe::{Targets, is_observed};
use crate::judgement::policy::observed_until::ObservedUntil;
use crate::words::oauth::form::Form;
use crate::words::refusal::{Reason, Refusal};

/// Longest time that an answer waits for the judgement.
const LONGEST: Duration = Duration::from_secs(1);

/// An observed request to a token endpoint.
pub enum Observed {
    /// Cambio would have refused it unjudged.
    Refused(Refusal),
    /// A token exchange, or another grant that is judged like one.
    Exchange(Grant, Form),
}

impl<'a> RequestContext<'a> {
    /// How long a realm is observed. Whatever is not configured is observed together.
    fn observed_until(self, realm: Option<&RealmRuntime>) -> Option<ObservedUntil> {
        realm.map_or(self.generation.config.observed_until, |realm| realm.config.observed_until)
    }

    /// Whether everything that a realm closes is observed.
    pub fn observes_realm(self, realm: Option<&RealmRuntime>) -> bool {
        self.observed_until(realm).is_some_and(|until| until.is_on(self.services.now()))
    }

    /// Whether an exchange is observed.
    pub fn observes_exchange(self, realm: &RealmRuntime, form: &Form) -> bool {
        let policy = self.generation.config.policy.realms.get(&realm.config.name);
        is_observed(&Targets::of(form), self.observed_until(Some(realm)), policy, self.services.now())
    }

    /// Passes a request as it came, and the answer as it came. No limit and no judgement stops it. Cambio judges what the
    /// identity provider accepted, because only then the client is proven.
    pub async fn observe(
        self,
        observed: Observed,
        realm: Option<&'a RealmRuntime>,
        head: Parts,
        form: ReadForm,
        mut record: AuditRecord<'a>,
    ) -> Response<Body> {
        let copy = head.clone();
        let response = match self.send_original(head, form.into_body()).await {
            Ok(response) => response,
            Err(refusal) => return record.conclude(Err(refusal)).await,
        };
        let status = response.status();
        match (observed, realm) {
            _ if !status.is_success() => record.observed(status, None).await,
            (Observed::Exchange(grant, form), Some(realm)) => {
                let mut case = Case::new(self, realm, copy, record);
                case.client = CaseClient::Accepted;
                let shadow = match timeout(LONGEST, Box::pin(case.shadow(grant, form))).await {
                    Ok(Ok(permit)) => Shadow::Allowed(Box::new(permit)),
                    Ok(Err(refusal)) => Shadow::Refused(refusal),
                    Err(_) => Shadow::Refused(late()),
                };
                case.record.observed(status, Some(shadow)).await;
            }
            (Observed::Exchange(..), None) => record.observed(status, Some(Shadow::Refused(unknown_realm()))).await,
            (Observed::Refused(refusal), _) => record.observed(status, Some(Shadow::Refused(refusal))).await,
        }
        response
    }
}

/// The refusal of an exchange at a realm that is not configured.
pub(super) fn unknown_realm() -> Refusal {
    Refusal::new(Reason::RealmUnknown, "list the realm under `realms` in cambio.yaml to govern its exchanges")
}

fn late() -> Refusal {
    Refusal::new(Reason::Internal, "observed: the judgement took longer than 1 s, and the answer left without it")
}
