//! Stage 4: the only maker of a permit.

pub mod renewal;

use jiff::Timestamp;

use crate::policy::contract::Contract;
use crate::policy::decide::{Decision, Request, decide};
use crate::policy::model::{Demands, Issuance, Policy};
use crate::policy::reason::Refusal;
use crate::token::Validated;

/// The proof that a request was judged and allowed, with the contract that its answer must meet.
/// Only [`Permit::decide`] makes one.
#[derive(Debug)]
pub struct Permit {
    validated: Validated,
    decision: Decision,
}

/// A request that policy does not allow, and why: `refusal.detail` says what is missing in which audience's file.
#[derive(Debug)]
pub struct Refused {
    /// The cause.
    pub refusal: Refusal,
    /// The request, for audit.
    pub validated: Validated,
}

impl Permit {
    /// Judges a request in a realm against what the audiences' owners say.
    pub fn decide(
        validated: Validated,
        policy: &Policy,
        realm: &str,
        now: Timestamp,
    ) -> Result<Self, Box<Refused>> {
        let parsed = validated.authenticated().parsed();
        let subject = validated.subject();
        let request = Request {
            client: parsed.credentials().client_id(),
            issuer: validated.issuer(),
            own: validated.is_own(),
            subject_token: validated.kind(),
            requested_token: parsed.requested(),
            audiences: parsed.audiences(),
            resources: validated.resources(),
            scope: validated.scope(),
            claims: subject.claims(),
            subject: subject.subject(),
            subject_expires: subject.expires(),
        };
        match decide(policy, realm, &request, now) {
            Ok(decision) => Ok(Self { validated, decision }),
            Err(refusal) => Err(Box::new(Refused { refusal, validated })),
        }
    }

    /// What the answer must look like.
    pub fn contract(&self) -> &Contract {
        &self.decision.contract
    }

    /// How the answer is made.
    pub fn issuance(&self) -> Issuance {
        self.decision.contract.issuance
    }

    /// What must be found out about the subject token before the answer is made.
    pub fn demands(&self) -> Demands {
        self.decision.demands
    }

    /// Whether a refresh token was asked for beside the access token, and is permitted.
    pub fn refresh(&self) -> bool {
        self.decision.refresh
    }

    /// The audiences, named or meant by a resource, each once: what goes upstream.
    pub fn audiences(&self) -> &[String] {
        &self.decision.audiences
    }

    /// The permissions that applied: audience and position in its file, from 1.
    pub fn permissions(&self) -> &[(String, usize)] {
        &self.decision.permissions
    }

    /// The requesting client's id.
    pub fn client(&self) -> &str {
        &self.decision.contract.client
    }

    /// The request and its subject token.
    pub fn validated(&self) -> &Validated {
        &self.validated
    }
}
