//! A question: a request, as somebody describes it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::edge::gateway::generation::Generation;
use crate::edge::gateway::realm_runtime::RealmRuntime;
use crate::words::oauth::form::Form;
use crate::words::oauth::urn::TokenType;
use crate::words::secret::Secret;

/// How long supposed tokens without `exp` are good.
const USUAL_LIFETIME: SignedDuration = SignedDuration::from_mins(5);

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A request, as somebody describes it. What a form of the request says and what the other members say adds up.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExplainQuestion {
    /// The realm's name in `cambio.yaml`. Optional if there is only one realm.
    pub realm: Option<String>,
    /// The requesting client's id.
    pub client: Option<String>,
    /// The requested audiences.
    pub audience: Vec<String>,
    /// The requested resources.
    pub resource: Vec<String>,
    /// The requested scope.
    pub scope: Option<String>,
    /// The type of the subject token: its name, such as `access_token`, or its URN.
    pub subject_token_type: Option<String>,
    /// The type of the requested token: its name or its URN.
    pub requested_token_type: Option<String>,
    /// The claims of the subject token. `iss`, `sub`, `azp`, `typ`, `iat` and `exp` have usual values if they are missing.
    pub claims: Option<Map<String, Value>>,
    /// The claims of the actor token, likewise.
    pub actor_claims: Option<Map<String, Value>>,
    /// The subject token, instead of its claims.
    #[serde(deserialize_with = "secret")]
    pub subject_token: Option<Secret>,
    /// The actor token, instead of its claims.
    #[serde(deserialize_with = "secret")]
    pub actor_token: Option<Secret>,
    /// The body of the request, `application/x-www-form-urlencoded`.
    #[serde(deserialize_with = "secret")]
    pub form: Option<Secret>,
    /// The value of the header `Authorization`.
    #[serde(deserialize_with = "secret")]
    pub authorization: Option<Secret>,
}

/// A question that can't be answered. The text says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuestionError(pub String);

/// A question as a request.
pub(super) struct PreparedQuestion {
    pub(super) head: Parts,
    pub(super) body: Vec<u8>,
    /// What was filled in.
    pub(super) supposed: Vec<String>,
}

impl ExplainQuestion {
    /// The realm that the question is about.
    pub(super) fn realm<'g>(&self, generation: &'g Generation) -> Result<&'g RealmRuntime, QuestionError> {
        let names = || generation.realms.iter().map(|realm| realm.config.name.as_str()).collect::<Vec<_>>().join(", ");
        match (&self.realm, &generation.realms[..]) {
            (Some(name), _) => generation
                .realm(name)
                .ok_or_else(|| QuestionError(format!("there is no realm {name:?}: there are {}", names()))),
            (None, [only]) => Ok(only),
            (None, _) => Err(QuestionError(format!("name the realm: there are {}", names()))),
        }
    }

    /// The request of the question.
    pub(super) fn asked(
        &self,
        generation: &Generation,
        realm: &RealmRuntime,
        now: Timestamp,
    ) -> Result<PreparedQuestion, QuestionError> {
        let head = head_of(self.authorization.as_ref().map(Secret::expose));
        let head = head.ok_or_else(|| QuestionError("the header Authorization can't be read".to_owned()))?;
        let mut supposed = Vec::new();
        let mut form = Form::new();
        if let Some(body) = &self.form {
            let body = body.expose().trim().as_bytes();
            match Form::parse(body) {
                Ok(written) => form = written,
                // The gate says what is wrong with it.
                Err(_) => return Ok(PreparedQuestion { head, body: body.to_vec(), supposed }),
            }
        } else {
            form.push("grant_type", EXCHANGE);
        }
        let is_assertion = form.one("grant_type") == Some(JWT_BEARER);
        let filling = Filling {
            generation,
            realm,
            now,
            client: self.client.as_deref().or(form.one("client_id")).map(str::to_owned),
        };
        let add = |form: &mut Form, name: &str, value: Option<&str>| {
            if let Some(value) = value {
                form.push(name, value);
            }
        };
        add(&mut form, "client_id", self.client.as_deref());
        add(&mut form, "scope", self.scope.as_deref());
        for audience in &self.audience {
            form.push("audience", audience);
        }
        for resource in &self.resource {
            form.push("resource", resource);
        }
        let subject_parameter = if is_assertion { "assertion" } else { "subject_token" };
        let subject = match (&self.subject_token, &self.claims) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(claims)) => Some(filling.token("subject", claims, &mut supposed)),
            (None, None) => None,
        };
        if let Some(token) = &subject {
            form.push(subject_parameter, token.expose());
        }
        let actor = match (&self.actor_token, &self.actor_claims) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(claims)) => Some(filling.token("actor", claims, &mut supposed)),
            (None, None) => None,
        };
        if let Some(token) = &actor {
            form.push("actor_token", token.expose());
        }
        let types = [
            ("subject_token_type", self.subject_token_type.as_deref(), self.form.is_none()),
            ("actor_token_type", None, actor.is_some()),
            ("requested_token_type", self.requested_token_type.as_deref(), false),
        ];
        for (name, stated, is_needed) in types {
            let usual = is_needed.then(|| TokenType::AccessToken.name());
            if let Some(kind) = stated.or(usual.filter(|_| form.one(name).is_none())) {
                let known = TokenType::from_name(kind).map(TokenType::urn);
                form.push(name, known.unwrap_or(kind));
            }
        }
        Ok(PreparedQuestion { head, body: form.encode().into_bytes(), supposed })
    }
}

/// Fills in what supposed tokens do not state.
struct Filling<'a> {
    generation: &'a Generation,
    realm: &'a RealmRuntime,
    now: Timestamp,
    client: Option<String>,
}

impl Filling<'_> {
    /// A token without a signature that has these claims.
    fn token(&self, role: &str, claims: &Map<String, Value>, supposed: &mut Vec<String>) -> Secret {
        let config = &self.realm.config;
        let mut claims = claims.clone();
        let mut filled = Vec::new();
        let mut usual = |claims: &mut Map<String, Value>, name: &str, value: Value| {
            if !claims.contains_key(name) {
                filled.push(format!("{name} {value}"));
                claims.insert(name.to_owned(), value);
            }
        };
        usual(&mut claims, "iss", json!(config.issuer));
        let is_own = claims.get("iss").and_then(Value::as_str) == Some(&config.issuer);
        usual(&mut claims, "sub", json!(role));
        if is_own {
            usual(&mut claims, "typ", json!("Bearer"));
            if let Some(client) = self.client.as_ref().filter(|_| role == "subject") {
                usual(&mut claims, "azp", json!(client));
            }
        }
        let (now, until) = (self.now, self.now.saturating_add(USUAL_LIFETIME).unwrap_or(self.now));
        usual(&mut claims, "iat", json!(now.as_second()));
        usual(&mut claims, "exp", json!(until.as_second()));
        if !filled.is_empty() {
            supposed.push(format!("the {role} token has {}", filled.join(", ")));
        }
        let iss = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
        let issuer = self.generation.issuers.trusted(self.realm, iss);
        let algorithm = issuer.and_then(|issuer| issuer.checks.checks.algorithms.first().copied());
        let algorithm = algorithm.unwrap_or(Algorithm::RS256);
        let header = json!({"alg": format!("{algorithm:?}"), "typ": "JWT"});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        Secret::new(format!("{}.{}.", part(&header), part(&Value::Object(claims))))
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// The head of a request to a token endpoint.
fn head_of(authorization: Option<&str>) -> Option<Parts> {
    let mut request = http::Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    Some(request.body(()).ok()?.into_parts().0)
}
