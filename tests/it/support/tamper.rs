//! Answers to an exchange that are wrong in one way.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use cambio::tools::demo::{Provider, RealmKey, RealmKeyError};
use serde_json::{Map, Value, json};

/// What is wrong with the answer to an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tamper {
    /// `aud` is this.
    Audience(&'static str),
    /// A claim more, with a role in it.
    Claim(&'static str),
    /// A client role more: client and role.
    ClientRole(&'static str, &'static str),
    /// No `issued_token_type`.
    DropIssuedTokenType,
    /// The token is signed with a key that is not the realm's, under the realm's `kid`.
    ForeignKey,
    /// The token is bound to this key, or to none.
    Key(Option<&'static str>),
    /// The header's `alg` is this.
    HeaderAlg(&'static str),
    /// The header's `typ` is this.
    HeaderTyp(&'static str),
    /// An ID token beside the access token, for this audience.
    IdToken(&'static str),
    /// The token lives this many seconds.
    Lifetime(i64),
    /// A realm role more.
    RealmRole(&'static str),
    /// A refresh token that nobody asked for.
    RefreshToken,
    /// This claim is missing.
    Remove(&'static str),
    /// The scope is empty, in the token and beside it.
    NoScope,
    /// A scope more.
    Scope(&'static str),
    /// `sub` is this, and the session is the same, as with pairwise subjects.
    Pairwise(&'static str),
    /// `sub` is this, in another session.
    Subject(&'static str),
    /// `token_type` is this.
    TokenType(&'static str),
}

impl Tamper {
    /// `alg` and `typ` of the header.
    fn header(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::HeaderAlg(alg) => Some((alg, "JWT")),
            Self::HeaderTyp(typ) => Some(("RS256", typ)),
            _ => None,
        }
    }
}

/// The answer to an exchange at the realm `corp`, with these faults.
pub fn spoil(provider: &Provider, tampers: &[Tamper], body: &[u8]) -> Option<Bytes> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let payload = answer.get("access_token")?.as_str()?.split('.').nth(1)?;
    let mut claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    for tamper in tampers {
        change(tamper, &mut claims, &mut answer);
    }
    let key = provider.signing_key("corp")?;
    let token = if tampers.contains(&Tamper::ForeignKey) {
        let foreign = provider.signing_key("partner")?;
        sign_as(&foreign, key.kid(), &claims)
    } else if let Some((alg, typ)) = tampers.iter().find_map(Tamper::header) {
        let header = json!({"alg": alg, "typ": typ, "kid": key.kid()}).to_string();
        key.sign_raw(&header, &Value::from(claims.clone()).to_string())
    } else {
        key.sign(&claims)
    };
    for tamper in tampers {
        let Tamper::IdToken(audience) = tamper else { continue };
        let claim = |name: &str| claims.get(name).cloned().unwrap_or_default();
        let id = json!({
            "iss": claim("iss"), "sub": claim("sub"), "aud": audience, "azp": claim("azp"), "typ": "ID",
            "sid": claim("sid"), "iat": claim("iat"), "exp": claim("exp"), "at_hash": "of the other token",
        });
        answer.insert("id_token".to_owned(), key.sign(id.as_object()?).ok()?.into());
    }
    answer.insert("access_token".to_owned(), token.ok()?.into());
    Some(Value::from(answer).to_string().into())
}

/// Signs claims as a JWT that names another key's id, as a forger would.
pub fn sign_as(key: &RealmKey, kid: &str, claims: &Map<String, Value>) -> Result<String, RealmKeyError> {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": kid}).to_string();
    key.sign_raw(&header, &Value::from(claims.clone()).to_string())
}

fn change(tamper: &Tamper, claims: &mut Map<String, Value>, answer: &mut Map<String, Value>) {
    let mut claim = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    match tamper {
        Tamper::Audience(audience) => claim("aud", json!(audience)),
        Tamper::Claim(name) => claim(name, json!(["admin"])),
        Tamper::ClientRole(client, role) => {
            let clients = claims.entry("resource_access").or_insert_with(|| json!({}));
            add_role(&mut clients[*client], role);
        }
        Tamper::DropIssuedTokenType => drop(answer.remove("issued_token_type")),
        Tamper::ForeignKey | Tamper::HeaderAlg(_) | Tamper::HeaderTyp(_) | Tamper::IdToken(_) => {}
        Tamper::NoScope => {
            claims.insert("scope".to_owned(), json!(""));
            answer.insert("scope".to_owned(), json!(""));
        }
        Tamper::Remove(name) => drop(claims.remove(*name)),
        Tamper::Key(None) => {
            claims.remove("cnf");
            claims.insert("typ".to_owned(), json!("Bearer"));
            answer.insert("token_type".to_owned(), json!("Bearer"));
        }
        Tamper::Key(Some(key)) => {
            claim("typ", json!("DPoP"));
            claim("cnf", json!({"jkt": key, "kc-jkt-type": "DPoP"}));
            answer.insert("token_type".to_owned(), json!("DPoP"));
        }
        Tamper::Lifetime(seconds) => {
            let now = claims.get("iat").and_then(Value::as_i64).unwrap_or_default();
            claims.insert("exp".to_owned(), json!(now + seconds));
            if *seconds > 0 {
                answer.insert("expires_in".to_owned(), json!(seconds));
            }
        }
        Tamper::RealmRole(role) => {
            add_role(claims.entry("realm_access").or_insert_with(|| json!({})), role);
        }
        Tamper::RefreshToken => {
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let token = format!("{}.{}.{}", part(r#"{"alg":"HS512"}"#), part(r#"{"typ":"Refresh"}"#), part("refresh"));
            answer.insert("refresh_token".to_owned(), json!(token));
            answer.insert("refresh_expires_in".to_owned(), json!(1800));
        }
        Tamper::Scope(scope) => {
            let scopes = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
            let scopes = json!(format!("{scopes} {scope}"));
            answer.insert("scope".to_owned(), scopes.clone());
            claims.insert("scope".to_owned(), scopes);
        }
        Tamper::Pairwise(subject) => claim("sub", json!(subject)),
        Tamper::Subject(subject) => {
            claim("sub", json!(subject));
            claim("sid", json!("of somebody else"));
        }
        Tamper::TokenType(kind) => drop(answer.insert("token_type".to_owned(), json!(kind))),
    }
}

fn add_role(holder: &mut Value, role: &str) {
    let mut roles = holder.get("roles").and_then(Value::as_array).cloned().unwrap_or_default();
    roles.push(Value::from(role));
    holder["roles"] = Value::from(roles);
}
