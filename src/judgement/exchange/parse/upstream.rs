//! The request to the identity provider: serialised anew, with judged parameters only.

use super::Parsed;
use crate::judgement::policy::scopes::OFFLINE;
use crate::words::oauth::form::Form;
use crate::words::oauth::urn::{GRANT_JWT_BEARER, GRANT_TOKEN_EXCHANGE, TokenType};
use crate::words::secret::Secret;

impl Parsed {
    /// The exchange serialised anew for the identity provider, which is asked for a token of this type. `audiences`
    /// take the place of audiences and resources. The form goes with `credentials().authorization()` as its
    /// `Authorization` header.
    pub fn upstream_form(&self, requested: TokenType, audiences: &[String]) -> String {
        self.exchange_form(&self.subject_token, self.subject_token_type, requested, audiences)
    }

    /// The exchange of an access token that the identity provider gave for the subject token.
    pub fn upstream_form_for(&self, subject: &Secret, requested: TokenType, audiences: &[String]) -> String {
        self.exchange_form(subject, TokenType::AccessToken, requested, audiences)
    }

    /// The JWT authorization grant that makes the subject token one of the identity provider's own (RFC 7523 section
    /// 2.1). The scope belongs to the exchange that follows.
    pub fn upstream_assertion_form(&self) -> String {
        let mut form = Form::new();
        form.push("grant_type", GRANT_JWT_BEARER);
        form.push("assertion", self.subject_token.expose());
        self.push_scope(&mut form, Some(OFFLINE));
        self.credentials.write(&mut form);
        form.encode()
    }

    fn exchange_form(&self, subject: &Secret, kind: TokenType, requested: TokenType, audiences: &[String]) -> String {
        let mut form = Form::new();
        form.push("grant_type", GRANT_TOKEN_EXCHANGE);
        form.push("subject_token", subject.expose());
        form.push("subject_token_type", kind.urn());
        form.push("requested_token_type", requested.urn());
        for audience in audiences {
            form.push("audience", audience);
        }
        self.push_scope(&mut form, None);
        self.credentials.write(&mut form);
        for (name, value) in &self.extra {
            form.push(name, value);
        }
        form.encode()
    }

    fn push_scope(&self, form: &mut Form, without: Option<&str>) {
        let Some(scope) = &self.scope else { return };
        let sent = scope.filtered(|token| Some(token) != without);
        // Keycloak treats an empty scope as an unknown scope.
        if !sent.is_empty() {
            form.push("scope", sent.to_string());
        }
    }
}
