use serde_json::json;

use super::*;

const SPA: &str = "https://spa.example";

fn page(origin: Option<&str>, authorization: Option<&str>, body: &str) -> Page {
    let mut request = http::Request::post("/token");
    for (name, value) in [("origin", origin), ("authorization", authorization)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let head = request.body(()).unwrap().into_parts().0;
    let mut page = Page::of(&head);
    page.names_in(&head, body.as_bytes());
    page
}

#[test]
fn a_request_names_its_client() {
    // spa:x in base64.
    let basic = Some("Basic c3BhOng=");
    for (name, origin, authorization, body, expected) in [
        ("in the form", Some(SPA), None, "client_id=spa&a=b", Some("spa")),
        ("in the header", Some(SPA), basic, "a=b", Some("spa")),
        ("in both", Some(SPA), basic, "client_id=spa", Some("spa")),
        ("two clients", Some(SPA), basic, "client_id=other", None),
        ("beside a token", Some(SPA), Some("Bearer x"), "client_id=spa", Some("spa")),
        ("with half an assertion", Some(SPA), None, "client_id=spa&client_assertion=x", Some("spa")),
        ("nowhere", Some(SPA), None, "a=b", None),
        ("no form", Some(SPA), None, "client_id=spa;", None),
        ("from no page", None, None, "client_id=spa", None),
    ] {
        assert_eq!(page(origin, authorization, body).client.as_deref(), expected, "{name}");
    }
}

#[test]
fn a_token_tells_the_pages_of_its_own_client() {
    for (name, origin, claims, expected) in [
        ("listed", SPA, json!({"azp": "spa", "allowed-origins": [SPA]}), true),
        ("every page", SPA, json!({"azp": "spa", "allowed-origins": ["*"]}), true),
        ("another page", "https://evil.example", json!({"azp": "spa", "allowed-origins": [SPA]}), false),
        ("another client's token", SPA, json!({"azp": "other", "allowed-origins": [SPA]}), false),
        ("nobody's token", SPA, json!({"allowed-origins": [SPA]}), false),
        ("no list", SPA, json!({"azp": "spa", "allowed-origins": SPA}), false),
        ("nothing listed", SPA, json!({"azp": "spa"}), false),
    ] {
        let mut page = page(Some(origin), None, "client_id=spa");
        page.learn_from_token(claims.as_object().unwrap());
        assert_eq!(page.is_of_client, expected, "{name}");
    }
}

#[test]
fn an_answer_tells_the_page_that_may_read_it() {
    for (name, origin, allowed, expected) in [
        ("this page", Some(SPA), Some(SPA), true),
        ("another page", Some("https://evil.example"), Some(SPA), false),
        ("every page", Some(SPA), Some("*"), false),
        ("no page", Some(SPA), None, false),
        ("from no page", None, None, false),
    ] {
        let mut headers = HeaderMap::new();
        headers.extend(allowed.map(|allowed| (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static(allowed))));
        let mut page = page(origin, None, "client_id=spa");
        page.learn_from_answer(&headers);
        assert_eq!(page.is_of_client, expected, "{name}");
    }
}

#[test]
fn readers_get_what_the_browser_needs() {
    let origin = HeaderValue::from_static(SPA);
    let cors =
        ["access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers", "vary"];
    for (name, readers, before, expected) in [
        ("nobody", Readers::Nobody, vec![("dpop-nonce", "n")], [""; 4]),
        ("the page", Readers::Page(origin.clone()), vec![], [SPA, "true", "Access-Control-Allow-Methods", "Origin"]),
        (
            "every page",
            Readers::Everybody(origin.clone()),
            vec![("x-correlation-id", "i"), ("www-authenticate", "Basic")],
            [SPA, "", "Access-Control-Allow-Methods, x-correlation-id, www-authenticate", "Origin"],
        ),
        (
            "the page, as the identity provider said",
            Readers::Page(origin.clone()),
            vec![
                ("access-control-allow-origin", SPA),
                ("access-control-expose-headers", "A, DPoP-Nonce"),
                ("dpop-nonce", "n"),
            ],
            [SPA, "", "A, DPoP-Nonce", ""],
        ),
        (
            "the identity provider's word, and a header of Cambio",
            Readers::Nobody,
            vec![("access-control-allow-origin", SPA), ("x-correlation-id", "i")],
            [SPA, "", "x-correlation-id", ""],
        ),
    ] {
        let mut response = Response::new(Body::empty());
        for (name, value) in before {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let response = readers.of(response);
        let told = cors.map(|name| response.headers().get(name).map_or("", |value| value.to_str().unwrap()));
        assert_eq!(told, expected, "{name}");
    }
}
