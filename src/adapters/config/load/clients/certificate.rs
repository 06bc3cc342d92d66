//! How a client's certificate is recognised: its name or its thumbprint.

use crate::adapters::config::file::client::ClientMethod;
use crate::adapters::config::load::format::thumbprint_of;
use crate::adapters::config::load::problem::{At, ProblemList, all};
use crate::judgement::client::certificate::{CertificateName, DistinguishedName};

pub(super) fn name(file: &ClientMethod, at: &At<'_>, report: &mut ProblemList) -> Option<CertificateName> {
    let given = [
        ("subject", &file.subject),
        ("sanDNS", &file.san_dns),
        ("sanURI", &file.san_uri),
        ("sanIP", &file.san_ip),
        ("sanEmail", &file.san_email),
    ];
    let mut given = given.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
    let (Some((key, value)), None) = (given.next(), given.next()) else {
        at.problem(report, "needs one of subject, sanDNS, sanURI, sanIP and sanEmail");
        return None;
    };
    let parsed = match key {
        _ if value.is_empty() => None,
        "subject" => DistinguishedName::parse(value).map(CertificateName::Subject),
        "sanDNS" => Some(CertificateName::Dns(value.to_ascii_lowercase())),
        "sanURI" => Some(CertificateName::Uri(value.to_owned())),
        "sanIP" => value.parse().ok().map(CertificateName::Ip),
        _ => Some(CertificateName::Email(value.to_owned())),
    };
    if parsed.is_none() {
        let at = at.field(key);
        at.problem(report, format!("{} is not such a name; write a subject like CN=batch,O=Example", at.shown(value)));
    }
    parsed
}

pub(super) fn thumbprints(file: &ClientMethod, at: &At<'_>, report: &mut ProblemList) -> Option<Vec<[u8; 32]>> {
    let given = file.thumbprints.as_deref().unwrap_or_default();
    if given.is_empty() {
        let at = at.field("thumbprints");
        at.problem(report, "name the SHA-256 thumbprint of each certificate that Cambio accepts");
        return None;
    }
    all(given.iter().map(|text| thumbprint_of(text)))
}
