use http::Request;
use http::header::AUTHORIZATION;

use super::*;

fn head(authorization: Option<&str>) -> Parts {
    let mut request = Request::post("/realms/corp/protocol/openid-connect/token");
    if let Some(value) = authorization {
        request = request.header(AUTHORIZATION, value);
    }
    request.body(()).unwrap().into_parts().0
}

fn read(body: &str) -> Result<Refresh, Reason> {
    parse(&Form::parse(body.as_bytes()).unwrap(), &head(None), &Workloads::default()).map_err(|refusal| refusal.reason)
}

const GOOD: &str = "grant_type=refresh_token&refresh_token=cambio_rt_x&client_id=front-end-app&client_secret=s3cret";

#[test]
fn reads_a_refresh() {
    let refresh = read(&format!("{GOOD}&scope=email+profile")).unwrap();
    assert_eq!(refresh.token().expose(), "cambio_rt_x");
    assert_eq!(refresh.scope().unwrap().to_string(), "email profile");
    assert_eq!(refresh.credentials().client_id(), "front-end-app");
    assert!(read(&format!("{GOOD}&scope=++")).unwrap().scope().is_none(), "so do spaces");
    assert!(read(&format!("{GOOD}&scope=&audience=")).unwrap().scope().is_none(), "empty counts as omitted");
    let text = format!("{refresh:?}");
    assert!(!text.contains("cambio_rt_") && !text.contains("s3cret"), "{text}");
}

#[test]
fn what_goes_upstream_has_the_upstreams_token_and_the_same_client() {
    let upstream = Secret::new("eyJ.up/stream");
    assert_eq!(
        read(&format!("{GOOD}&scope=email")).unwrap().upstream_form(&upstream),
        "grant_type=refresh_token&refresh_token=eyJ.up%2Fstream&client_id=front-end-app&client_secret=s3cret"
    );
    let form = Form::parse(b"grant_type=refresh_token&refresh_token=cambio_rt_x").unwrap();
    let refresh = parse(&form, &head(Some("Basic YTpi")), &Workloads::default()).unwrap();
    assert_eq!(refresh.upstream_form(&upstream), "grant_type=refresh_token&refresh_token=eyJ.up%2Fstream");
    assert_eq!(refresh.credentials().authorization().unwrap(), "Basic YTpi");
}

#[test]
fn refuses_what_is_not_understood() {
    for (name, body, expected) in [
        ("no client", "grant_type=refresh_token&refresh_token=cambio_rt_x".to_owned(), Reason::ClientMissing),
        ("audience", format!("{GOOD}&audience=back-end-api"), Reason::ParameterUnknown),
        ("resource", format!("{GOOD}&resource=https://a"), Reason::ParameterUnknown),
        ("requested type", format!("{GOOD}&requested_token_type=x"), Reason::ParameterUnknown),
        ("twice", format!("{GOOD}&scope=a&scope=b"), Reason::ParameterRepeated),
        ("scope", format!("{GOOD}&scope=a%09b"), Reason::ScopeMalformed),
        ("two credentials", format!("{GOOD}&client_assertion=a"), Reason::CredentialsAmbiguous),
        ("no token", "grant_type=refresh_token&client_id=a".into(), Reason::ParameterMissing),
        ("another's", "refresh_token=eyJ.a.b&client_id=a".into(), Reason::RefreshTokenInvalid),
        (
            "too long",
            format!("refresh_token=cambio_rt_{}&client_id=a", "x".repeat(MAX_TOKEN_BYTES)),
            Reason::RefreshTokenInvalid,
        ),
    ] {
        assert_eq!(read(&body).unwrap_err(), expected, "{name}");
    }
}
