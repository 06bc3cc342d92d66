//! A small server of token exchanges that keeps RFC 8693 to the letter, and one defect on request.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use cambio::judgement::issue::key::SigningKey;
use cambio::judgement::jose::jws::SUPPORTED;
use cambio::judgement::jose::keys::KeySet;
use cambio::judgement::jose::verify::verify_payload;
use cambio::words::clock::Clock;
use cambio::words::oauth::form::{self, Form};
use cambio::words::oauth::urn;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::files;

pub const CLIENT: &str = "the app";
pub const SECRET: &str = "s3cret +%:&=";
pub const RESOURCE: &str = "https://api.example.org/";
const AUDIENCES: [&str; 2] = ["api", "other"];
const SCOPES: [&str; 2] = ["read", "write"];

/// What a server may do wrong, one thing at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    None,
    /// No defect: tokens are opaque, and the introspection endpoint says what they mean.
    Opaque,
    /// No defect: no delegation, and that is said.
    NoDelegation,
    ActorIgnored,
    ActorUnchecked,
    ActorTypeUnchecked,
    ResourceIgnored,
    ResourceUnchecked,
    AudienceIgnored,
    AudienceCode,
    FirstAudienceOnly,
    WideAudience,
    ScopeIgnored,
    ScopeSilent,
    ScopeInvented,
    ScopeList,
    ScopeByPosition,
    SignatureUnchecked,
    NoneAccepted,
    TimesUnchecked,
    RevocationUnchecked,
    IssuerUnchecked,
    SubjectTypeUnchecked,
    SubjectTypeOptional,
    SubjectTypeShort,
    RequestedTypeIgnored,
    RequestedTypeFolded,
    NoIssuedType,
    OddIssuedType,
    NeverNotApplicable,
    AlwaysNotApplicable,
    NoTokenType,
    NumberTokenType,
    Created,
    Html,
    Stored,
    NoPragma,
    RepeatedName,
    TokenSpaces,
    SameToken,
    NoExpiresIn,
    TextExpiresIn,
    FalseExpiresIn,
    RefreshUnasked,
    OtherKey,
    OtherIssuer,
    OtherSubject,
    Expired,
    Future,
    NumberAudience,
    SameId,
    ActUnasked,
    OtherClientId,
    PlainTyp,
    ErrorStatus,
    ErrorHtml,
    ErrorCode,
    ErrorCodeOdd,
    ErrorEcho,
    ErrorUri,
    ErrorQuotes,
    ErrorWithToken,
    ActText,
    ActOther,
    ActNoIssuer,
    ActWithTimes,
    ActorBecomesSubject,
    ActLost,
    ActReplaced,
    ActInverted,
    ActNotIntrospected,
    MayActIgnored,
    MayActRefused,
    NoBasic,
    RawBasic,
    TwoCredentials,
    SecretCode,
    NoChallenge,
    SecretUnchecked,
    ClientOptional,
    TwoNames,
    GetServed,
    QueryRead,
    JsonRead,
    Repeated,
    GrantFolded,
    GrantMissing,
    EmptyCounts,
    UnknownRefused,
    EscapesUnread,
    CharsetRefused,
    Unannounced,
    OtherEndpoint,
    FaultWithoutSubject,
    FaultOnJwt,
    FaultOnIdToken,
    FaultOnPost,
    ScopeMistold,
    Unsecured,
}

/// The running server; dropping it ends it.
pub struct Exchanger {
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    key: SigningKey,
    other: SigningKey,
    keys: KeySet,
    defect: Defect,
    issuer: String,
    next: AtomicU64,
}

/// An answer: status, body, extra header.
struct Said(u16, Value, Option<(&'static str, &'static str)>);

impl Exchanger {
    pub async fn start(defect: Defect) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let key = SigningKey::from_pem(files::signing_key_pem().as_bytes()).unwrap();
        let other = SigningKey::from_pem(files::signing_key_pem().as_bytes()).unwrap();
        let keys = KeySet::parse(json!({"keys": [key.jwk()]}).to_string().as_bytes()).unwrap();
        let issuer = format!("http://{address}");
        let next = AtomicU64::new(0);
        let shared = Arc::new(Shared { key, other, keys, defect, issuer, next });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { shared, server }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.shared.issuer)
    }

    /// A token that the server made; claims over the usual ones, null takes one away.
    pub fn token(&self, subject: &str, changes: &Value) -> String {
        let mut claims = self.shared.claims(subject);
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.remove(name);
            } else {
                claims.insert(name.clone(), value.clone());
            }
        }
        self.shared.key.sign(&claims, "at+jwt").unwrap()
    }

    /// A good token of nobody that is known here.
    pub fn untrusted(&self) -> String {
        let mut claims = self.shared.claims("alice");
        claims.insert("iss".to_owned(), json!("https://login.example.net"));
        self.shared.key.sign(&claims, "at+jwt").unwrap()
    }
}

impl Drop for Exchanger {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let asked = Asked {
        get: head.method == http::Method::GET,
        query: head.uri.query().unwrap_or_default().to_owned(),
        kind: text("content-type"),
        authorization: text("authorization"),
        body,
    };
    let said = match head.uri.path() {
        "/token" => shared.token(&asked).unwrap_or_else(|refused| refused),
        "/introspect" => shared.introspect(&asked),
        "/keys" => Said(200, json!({"keys": [shared.key.jwk()]}), None),
        "/.well-known/openid-configuration" => Said(200, shared.metadata(), None),
        _ => Said(404, json!({}), None),
    };
    Ok(shared.written(said))
}

/// A request, read.
struct Asked {
    get: bool,
    query: String,
    kind: String,
    authorization: String,
    body: Bytes,
}

fn refuse(code: &str) -> Said {
    Said(400, json!({"error": code, "error_description": "refused"}), None)
}

fn invalid() -> Said {
    refuse("invalid_request")
}

fn fault() -> Said {
    Said(500, json!({"error": "server_error"}), None)
}

fn ensure(holds: bool, refusal: Said) -> Result<(), Said> {
    if holds { Ok(()) } else { Err(refusal) }
}

impl Shared {
    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn now() -> i64 {
        Clock::System.now().as_second()
    }

    fn claims(&self, subject: &str) -> Map<String, Value> {
        let now = Self::now();
        let claims = json!({
            "iss": self.issuer, "sub": subject, "aud": CLIENT, "iat": now, "exp": now + 600,
            "jti": format!("id-{}", self.next.fetch_add(1, Ordering::Relaxed)),
            "scope": "read write", "typ": "access",
        });
        claims.as_object().unwrap().clone()
    }

    fn metadata(&self) -> Value {
        let grant = if self.has(Defect::Unannounced) { "none" } else { urn::GRANT_TOKEN_EXCHANGE };
        let token = if self.has(Defect::OtherEndpoint) { "/tokens" } else { "/token" };
        let method = if self.has(Defect::Unannounced) { "none" } else { "client_secret_basic" };
        json!({
            "issuer": self.issuer,
            "token_endpoint": format!("{}{token}", self.issuer),
            "jwks_uri": format!("{}/keys", self.issuer),
            "grant_types_supported": [grant],
            "token_endpoint_auth_methods_supported": [method, "client_secret_post"],
        })
    }

    fn introspect(&self, asked: &Asked) -> Said {
        let form = Form::parse(&asked.body).unwrap();
        let token = form.one("token").unwrap_or_default();
        let token = token.strip_prefix("opaque-").map_or_else(|| token.to_owned(), decode);
        let mut claims = self.verified(&token).unwrap_or_default();
        let active = !claims.is_empty();
        claims.insert("active".to_owned(), json!(active));
        if self.has(Defect::ActNotIntrospected) {
            claims.remove("act");
        }
        Said(200, claims.into(), None)
    }

    fn token(&self, asked: &Asked) -> Result<Said, Said> {
        let form = self.read(asked)?;
        self.client(asked, &form)?;
        let grant = self.one(&form, "grant_type").map(str::to_owned);
        match grant.as_deref() {
            None if self.has(Defect::GrantMissing) => {}
            None => return Err(invalid()),
            Some(urn::GRANT_TOKEN_EXCHANGE) => {}
            Some(other) if self.has(Defect::GrantFolded) && other.eq_ignore_ascii_case(urn::GRANT_TOKEN_EXCHANGE) => {}
            Some(_) => return Err(refuse("unsupported_grant_type")),
        }
        let missing = || if self.has(Defect::FaultWithoutSubject) { fault() } else { invalid() };
        let subject = self.one(&form, "subject_token").ok_or_else(missing)?;
        let kind = self.one(&form, "subject_token_type");
        let faulty = match self.defect {
            Defect::FaultOnJwt => kind == Some(urn::TokenType::Jwt.urn()),
            Defect::FaultOnIdToken => kind == Some(urn::TokenType::IdToken.urn()),
            Defect::FaultOnPost => form.one("client_secret").is_some(),
            _ => false,
        };
        ensure(!faulty, fault())?;
        let claims = self.accepted(subject, kind, self.has(Defect::SubjectTypeOptional))?;
        let actor = self.actor(&form)?;
        self.may_act(&claims, actor.as_ref())?;
        let requested = self.requested(&form)?;
        let aud = self.targets(&form)?;
        let scope = self.scope(&form)?;
        Ok(self.issue(subject, &claims, actor.as_ref(), requested, &(aud, scope)))
    }

    fn read(&self, asked: &Asked) -> Result<Form, Said> {
        let unknown = || Said(405, json!({"error": "invalid_request"}), None);
        let mut text = String::from_utf8(asked.body.to_vec()).unwrap();
        if asked.get {
            ensure(self.has(Defect::GetServed), unknown())?;
            // A server that answers anybody, to show that nobody must.
            return Err(Said(200, json!({"access_token": "x", "issued_token_type": "x"}), None));
        }
        if asked.kind == "application/json" {
            ensure(self.has(Defect::JsonRead), invalid())?;
            let members: Map<String, Value> = serde_json::from_str(&text).unwrap();
            let mut form = Form::new();
            for (name, value) in members {
                form.push(name, value.as_str().unwrap());
            }
            return Ok(form);
        }
        let plain = asked.kind == "application/x-www-form-urlencoded";
        ensure(plain || !self.has(Defect::CharsetRefused), invalid())?;
        if self.has(Defect::QueryRead) && !asked.query.is_empty() {
            text = format!("{text}&{}", asked.query);
        }
        ensure(!(self.has(Defect::EscapesUnread) && text.starts_with('%')), invalid())?;
        let form = Form::parse(text.as_bytes()).map_err(|_| invalid())?;
        let may_repeat = ["audience", "resource"];
        ensure(self.has(Defect::Repeated) || form.repeated(&may_repeat).is_none(), invalid())?;
        if self.has(Defect::EmptyCounts) {
            ensure(form.fields().all(|(_, value)| !value.is_empty()), invalid())?;
        }
        if self.has(Defect::UnknownRefused) {
            ensure(form.fields().all(|(name, _)| !name.starts_with("x-")), invalid())?;
        }
        Ok(form)
    }

    fn one<'f>(&self, form: &'f Form, name: &str) -> Option<&'f str> {
        let empty = self.has(Defect::EmptyCounts) && form.fields().any(|(n, v)| n == name && v.is_empty());
        if empty { Some("") } else { form.one(name) }
    }

    fn client(&self, asked: &Asked, form: &Form) -> Result<(), Said> {
        let code = if self.has(Defect::SecretCode) { "unauthorized_client" } else { "invalid_client" };
        let wrong = || {
            let basic = asked.authorization.starts_with("Basic ") && !self.has(Defect::NoChallenge);
            Said(401, json!({"error": code}), basic.then_some(("www-authenticate", "Basic realm=\"x\"")))
        };
        let named = form.one("client_id");
        let (id, secret) = match asked.authorization.strip_prefix("Basic ") {
            Some(_) if form.one("client_secret").is_some() && !self.has(Defect::TwoCredentials) => {
                return Err(invalid());
            }
            Some(_) if self.has(Defect::NoBasic) => return Err(wrong()),
            Some(encoded) => {
                let pair = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
                let (id, secret) = pair.split_once(':').unwrap();
                let raw = self.has(Defect::RawBasic) && id.starts_with('%');
                ensure(!raw, wrong())?;
                let (id, secret) = (form::decode(id).unwrap(), form::decode(secret).unwrap());
                let one_name = named.is_none_or(|named| named == id) || self.has(Defect::TwoNames);
                ensure(one_name, invalid())?;
                (id, Some(secret))
            }
            None => (named.unwrap_or_default().to_owned(), form.one("client_secret").map(str::to_owned)),
        };
        if id.is_empty() && self.has(Defect::ClientOptional) {
            return Ok(());
        }
        let known = id == CLIENT || self.has(Defect::SecretUnchecked);
        let proven = secret.as_deref() == Some(SECRET) || self.has(Defect::SecretUnchecked);
        ensure(known && proven, wrong())
    }

    /// The claims of a subject or actor token that is accepted.
    fn accepted(&self, token: &str, kind: Option<&str>, optional: bool) -> Result<Map<String, Value>, Said> {
        let known = [urn::TokenType::AccessToken, urn::TokenType::Jwt, urn::TokenType::IdToken];
        let unchecked = self.has(Defect::SubjectTypeUnchecked);
        match kind {
            None if optional => {}
            None => return Err(invalid()),
            Some("access_token") if self.has(Defect::SubjectTypeShort) => {}
            Some(kind) => {
                ensure(unchecked || known.iter().any(|one| one.urn() == kind), invalid())?;
            }
        }
        let opaque = token.strip_prefix("opaque-").map(decode);
        let claims = self.verified(opaque.as_deref().unwrap_or(token)).ok_or_else(|| self.error(token))?;
        let now = Self::now();
        let in_time = claims.get("exp").and_then(Value::as_i64).is_some_and(|exp| exp > now)
            && claims.get("nbf").and_then(Value::as_i64).is_none_or(|nbf| nbf <= now);
        ensure(in_time || self.has(Defect::TimesUnchecked), invalid())?;
        let revoked = claims.get("jti") == Some(&json!("revoked"));
        ensure(!revoked || self.has(Defect::RevocationUnchecked), invalid())?;
        let ours = claims.get("iss") == Some(&json!(self.issuer))
            || claims.get("iss") == Some(&json!("https://actors.example.org"));
        ensure(ours || self.has(Defect::IssuerUnchecked), invalid())?;
        Ok(claims)
    }

    /// What is said of a subject token that is none.
    fn error(&self, token: &str) -> Said {
        let said = |status, body| Said(status, body, None);
        match self.defect {
            _ if token != "no-token" => invalid(),
            Defect::ErrorStatus => said(403, json!({"error": "invalid_request"})),
            Defect::ErrorCode => refuse("invalid_grant"),
            Defect::ErrorCodeOdd => refuse("invalid_token"),
            Defect::ErrorQuotes => said(400, json!({"error": "invalid_request", "error_description": "no \"token\""})),
            Defect::ErrorUri => said(400, json!({"error": "invalid_request", "error_uri": "a b"})),
            Defect::ErrorWithToken => said(400, json!({"error": "invalid_request", "refresh_token": "x"})),
            _ => invalid(),
        }
    }

    fn verified(&self, token: &str) -> Option<Map<String, Value>> {
        let algorithms: Vec<_> = SUPPORTED.iter().map(|(_, algorithm)| *algorithm).collect();
        let payload = verify_payload(token, &self.keys, &algorithms).map(|(_, payload)| payload);
        let unsecured = token.ends_with('.') && self.has(Defect::NoneAccepted) && {
            let header = cambio::tools::conformance::answer::header_of(token)?;
            header.get("alg") == Some(&json!("none"))
        };
        if unsecured || self.has(Defect::SignatureUnchecked) {
            return cambio::tools::conformance::answer::claims_of(token);
        }
        serde_json::from_slice(&payload.ok()?).ok()
    }

    fn actor(&self, form: &Form) -> Result<Option<Map<String, Value>>, Said> {
        if self.has(Defect::ActorIgnored) {
            return Ok(None);
        }
        let (token, kind) = (self.one(form, "actor_token"), self.one(form, "actor_token_type"));
        match (token, kind) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) if self.has(Defect::NoDelegation) => Err(invalid()),
            (Some(token), Some(_)) if self.has(Defect::ActorUnchecked) => {
                Ok(cambio::tools::conformance::answer::claims_of(token))
            }
            (Some(token), kind) if self.has(Defect::ActorTypeUnchecked) => {
                let kind = kind.map(|_| urn::TokenType::AccessToken.urn());
                self.accepted(token, kind, true).map(Some)
            }
            (None, Some(_)) if self.has(Defect::ActorTypeUnchecked) => Ok(None),
            (Some(token), Some(kind)) => self.accepted(token, Some(kind), false).map(Some),
            _ => Err(invalid()),
        }
    }

    fn may_act(&self, subject: &Map<String, Value>, actor: Option<&Map<String, Value>>) -> Result<(), Said> {
        let Some(may_act) = subject.get("may_act") else { return Ok(()) };
        if self.has(Defect::MayActIgnored) {
            return Ok(());
        }
        ensure(!self.has(Defect::MayActRefused), invalid())?;
        let named = may_act.get("sub");
        ensure(named.is_some() && actor.is_some_and(|actor| actor.get("sub") == named), invalid())
    }

    fn requested(&self, form: &Form) -> Result<urn::TokenType, Said> {
        let usual = urn::TokenType::AccessToken;
        let Some(name) = self.one(form, "requested_token_type") else { return Ok(usual) };
        let folded = if self.has(Defect::RequestedTypeFolded) { name.to_lowercase() } else { name.to_owned() };
        match urn::TokenType::from_urn(&folded) {
            _ if self.has(Defect::RequestedTypeIgnored) => Ok(usual),
            Some(urn::TokenType::Saml1 | urn::TokenType::Saml2 | urn::TokenType::IdJag) | None => {
                let mut body = json!({"error": "invalid_request"});
                if self.has(Defect::ErrorEcho) {
                    body["error_description"] = json!(format!("unknown: {name}"));
                }
                Err(Said(400, body, None))
            }
            Some(kind) => Ok(kind),
        }
    }

    fn targets(&self, form: &Form) -> Result<Value, Said> {
        let code = if self.has(Defect::AudienceCode) { "invalid_client" } else { "invalid_target" };
        let mut audiences: Vec<&str> = form.all("audience").collect();
        if self.has(Defect::AudienceIgnored) {
            audiences = Vec::new();
        } else if self.has(Defect::FirstAudienceOnly) {
            audiences.truncate(1);
        }
        ensure(audiences.iter().all(|name| AUDIENCES.contains(name)), refuse(code))?;
        if !self.has(Defect::ResourceIgnored) {
            for resource in form.all("resource") {
                let malformed = !resource.contains("://") || resource.contains('#');
                ensure(!malformed || self.has(Defect::ResourceUnchecked), invalid())?;
                let known = resource == RESOURCE || (malformed && self.has(Defect::ResourceUnchecked));
                ensure(known, refuse(code))?;
                audiences.push(RESOURCE);
            }
        }
        if self.has(Defect::WideAudience) {
            audiences.push("everything");
        }
        if self.has(Defect::NumberAudience) {
            return Ok(json!([audiences, 7]));
        }
        Ok(match audiences.as_slice() {
            [] => json!("everybody"),
            [one] => json!(one),
            many => json!(many),
        })
    }

    fn scope(&self, form: &Form) -> Result<String, Said> {
        let all = SCOPES.join(" ");
        let Some(asked) = form.one("scope") else { return Ok(all) };
        match self.defect {
            Defect::ScopeIgnored => return Ok(all),
            Defect::ScopeInvented => return Ok(asked.to_owned()),
            Defect::ScopeByPosition => {
                return Ok(asked.split(' ').next().unwrap().to_owned());
            }
            Defect::ErrorEcho if asked.contains('\\') => {
                let text = format!("unknown: {asked}");
                return Err(Said(400, json!({"error": "invalid_scope", "error_description": text}), None));
            }
            _ => {}
        }
        ensure(asked.split(' ').all(|one| SCOPES.contains(&one)), refuse("invalid_scope"))?;
        Ok(asked.to_owned())
    }

    fn issue(
        &self,
        subject_token: &str,
        subject: &Map<String, Value>,
        actor: Option<&Map<String, Value>>,
        kind: urn::TokenType,
        (aud, scope): &(Value, String),
    ) -> Said {
        let mut claims = self.claims(subject["sub"].as_str().unwrap());
        claims.insert("aud".to_owned(), aud.clone());
        claims.insert("scope".to_owned(), json!(scope));
        claims.insert("client_id".to_owned(), json!(CLIENT));
        self.act(&mut claims, subject, actor);
        let now = Self::now();
        let mut expires_in = json!(600);
        match self.defect {
            Defect::ScopeList => drop(claims.insert("scope".to_owned(), json!(["read"]))),
            Defect::ScopeSilent => drop(claims.insert("scope".to_owned(), json!("read write admin"))),
            Defect::OtherIssuer => drop(claims.insert("iss".to_owned(), json!("https://example.net"))),
            Defect::OtherSubject => drop(claims.insert("sub".to_owned(), json!("bob"))),
            Defect::Expired => drop(claims.insert("exp".to_owned(), json!(now - 60))),
            Defect::Future => drop(claims.insert("nbf".to_owned(), json!(now + 300))),
            Defect::SameId => drop(claims.insert("jti".to_owned(), json!("always"))),
            Defect::OtherClientId => drop(claims.insert("client_id".to_owned(), json!("another"))),
            Defect::TextExpiresIn => expires_in = json!("600"),
            Defect::FalseExpiresIn => expires_in = json!(86400),
            _ => {}
        }
        let key = if self.has(Defect::OtherKey) { &self.other } else { &self.key };
        let mut token = key.sign(&claims, if self.has(Defect::PlainTyp) { "JWT" } else { "at+jwt" }).unwrap();
        if self.has(Defect::Unsecured) {
            let header = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "at+jwt"}).to_string());
            token = format!("{header}.{}.", URL_SAFE_NO_PAD.encode(Value::from(claims).to_string()));
        }
        let opaque = self.has(Defect::Opaque) && kind != urn::TokenType::Jwt;
        if opaque {
            token = format!("opaque-{}", STANDARD.encode(token));
        } else if self.has(Defect::TokenSpaces) {
            token.push('\n');
        } else if self.has(Defect::SameToken) {
            subject_token.clone_into(&mut token);
        }
        let access = matches!(kind, urn::TokenType::AccessToken | urn::TokenType::Jwt);
        let not_applicable =
            self.has(Defect::AlwaysNotApplicable) || (!access && !self.has(Defect::NeverNotApplicable));
        let mut body = json!({
            "access_token": token,
            "issued_token_type": kind.urn(),
            "token_type": if not_applicable { "N_A" } else { "Bearer" },
            "expires_in": expires_in,
            "scope": scope,
        });
        let members = body.as_object_mut().unwrap();
        match self.defect {
            Defect::NoIssuedType => drop(members.remove("issued_token_type")),
            Defect::OddIssuedType => drop(members.insert("issued_token_type".to_owned(), json!("token"))),
            Defect::NoTokenType => drop(members.remove("token_type")),
            Defect::NumberTokenType => drop(members.insert("token_type".to_owned(), json!(1))),
            Defect::NoExpiresIn => drop(members.remove("expires_in")),
            Defect::RefreshUnasked => drop(members.insert("refresh_token".to_owned(), json!("again"))),
            Defect::ScopeSilent => drop(members.remove("scope")),
            Defect::ScopeMistold => drop(members.insert("scope".to_owned(), json!("read write admin"))),
            _ => {}
        }
        Said(if self.has(Defect::Created) { 201 } else { 200 }, body, None)
    }

    fn act(&self, claims: &mut Map<String, Value>, subject: &Map<String, Value>, actor: Option<&Map<String, Value>>) {
        let earlier = subject.get("act").filter(|_| !self.has(Defect::ActLost));
        let Some(actor) = actor else {
            if let Some(act) = earlier {
                claims.insert("act".to_owned(), act.clone());
            } else if self.has(Defect::ActUnasked) {
                claims.insert("act".to_owned(), json!({"sub": CLIENT}));
            }
            return;
        };
        let mut act = json!({"sub": actor["sub"], "iss": actor["iss"]});
        let members = act.as_object_mut().unwrap();
        match self.defect {
            Defect::ActOther => drop(members.insert("sub".to_owned(), json!(CLIENT))),
            Defect::ActNoIssuer => drop(members.remove("iss")),
            Defect::ActWithTimes => drop(members.insert("exp".to_owned(), actor["exp"].clone())),
            Defect::ActorBecomesSubject => drop(claims.insert("sub".to_owned(), actor["sub"].clone())),
            _ => {}
        }
        if let Some(earlier) = earlier.filter(|_| !self.has(Defect::ActReplaced)) {
            if self.has(Defect::ActInverted) {
                let mut outer = earlier.clone();
                outer["act"] = act;
                act = outer;
            } else {
                act["act"] = earlier.clone();
            }
        }
        if self.has(Defect::ActText) {
            act = actor["sub"].clone();
        }
        claims.insert("act".to_owned(), act);
    }

    fn written(&self, Said(status, body, extra): Said) -> Response<Full<Bytes>> {
        let refusal = status >= 400;
        let html = self.has(if refusal { Defect::ErrorHtml } else { Defect::Html });
        let mut response = Response::builder().status(status);
        response = response.header("content-type", if html { "text/html" } else { "application/json" });
        if !self.has(Defect::Stored) {
            response = response.header("cache-control", "no-store");
        }
        if !self.has(Defect::NoPragma) {
            response = response.header("pragma", "no-cache");
        }
        if let Some((name, value)) = extra {
            response = response.header(name, value);
        }
        let mut text = body.to_string();
        if self.has(Defect::RepeatedName) && text.contains("\"expires_in\"") {
            text = text.replacen('{', "{\"expires_in\":1,", 1);
        }
        response.body(Full::from(text)).unwrap()
    }
}

fn decode(text: &str) -> String {
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}
