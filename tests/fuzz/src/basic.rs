//! The credentials of clients.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cambio::judgement::client::credentials::{Credentials, CredentialsMethod};
use cambio::judgement::client::registry::Workloads;
use cambio::words::oauth::form::Form;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

/// `Authorization`, a line break, a form. Whoever is accepted has one name, shows one kind of credentials, and is the same
/// client in the request that Cambio writes.
pub fn check(input: &[u8]) {
    let (header, form) = super::cut(input, b'\n');
    let Ok(form) = Form::parse(form) else { return };
    // What is no Basic header is taken for the text in it.
    let encoded = [b"Basic ", STANDARD.encode(header).as_bytes()].concat();
    for header in [header, &encoded] {
        let mut headers = HeaderMap::new();
        if !header.is_empty() {
            let Ok(value) = HeaderValue::from_bytes(header) else { continue };
            headers.insert(AUTHORIZATION, value);
        }
        accepted(&headers, &form);
    }
}

fn accepted(headers: &HeaderMap, form: &Form) {
    let workloads = Workloads::default();
    let Ok(credentials) = Credentials::read(headers, form, &workloads) else { return };
    let id = credentials.client_id();
    assert!(!id.is_empty() && !id.chars().any(char::is_control), "a name with control characters");
    assert!(form.one("client_id").is_none_or(|named| named == id), "two names");
    let is_basic = credentials.method() == CredentialsMethod::Basic;
    assert_eq!(credentials.authorization().is_some(), is_basic);
    assert!(!is_basic || form.one("client_secret").is_none(), "two secrets");
    assert!(!is_basic || form.one("client_assertion").is_none(), "a secret and an assertion");

    let mut twice = headers.clone();
    twice.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
    if !headers.is_empty() {
        assert!(Credentials::read(&twice, form, &workloads).is_err(), "credentials in two places");
    }

    if let (Some(header), true) = (credentials.authorization(), is_basic) {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, header.clone());
        let again = Credentials::read(&headers, &Form::new(), &workloads).expect("Cambio reads what Cambio sends");
        assert_eq!(again.client_id(), id, "Cambio sends another client than it judged");
        let other = credentials.with_secret("a:b+c %20é").expect("it has a secret");
        headers.insert(AUTHORIZATION, other.authorization().expect("Basic").clone());
        let other = Credentials::read(&headers, &Form::new(), &workloads).expect("Cambio reads what Cambio sends");
        assert_eq!(other.client_id(), id, "with another secret, the client is another");
    }
}
