use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};

use super::*;

fn certificate(change: impl FnOnce(&mut CertificateParams)) -> ClientCertificate {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    change(&mut parameters);
    let der = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
    ClientCertificate::read(der.der(), true).unwrap()
}

fn named(parts: &[(DnType, &str)]) -> ClientCertificate {
    certificate(|parameters| {
        for (kind, value) in parts {
            parameters.distinguished_name.push(kind.clone(), *value);
        }
    })
}

#[test]
fn subjects_are_compared_by_their_attributes() {
    use DnType::{CommonName, OrganizationName};
    for (name, parts, text, same) in [
        (
            "as RFC 4514 writes it: the last first",
            &[(OrganizationName, "Example"), (CommonName, "batch")][..],
            "CN=batch,O=Example",
            true,
        ),
        (
            "another order is another name",
            &[(CommonName, "batch"), (OrganizationName, "Example")],
            "CN=batch,O=Example",
            false,
        ),
        ("one part less", &[(CommonName, "batch")], "CN=batch,O=Example", false),
        ("one part more", &[(OrganizationName, "Example"), (CommonName, "batch")], "CN=batch", false),
        ("a comma in a value is no separator", &[(CommonName, "batch,O=Example")], "CN=batch,O=Example", false),
        ("an escaped comma", &[(CommonName, "a,b")], "CN=a\\,b", true),
        ("case matters", &[(CommonName, "Batch")], "CN=batch", false),
        ("a NUL is not the end", &[(CommonName, "batch\0x")], "CN=batch", false),
    ] {
        let expected = CertificateName::Subject(DistinguishedName::parse(text).unwrap());
        assert_eq!(named(parts).has(&expected), same, "{name}");
    }
}

#[test]
fn the_string_type_does_not_matter() {
    let printable = certificate(|parameters| {
        let value = DnValue::PrintableString("batch".try_into().unwrap());
        parameters.distinguished_name.push(DnType::CommonName, value);
    });
    let expected = CertificateName::Subject(DistinguishedName::parse("CN=batch").unwrap());
    assert!(printable.has(&expected) && named(&[(DnType::CommonName, "batch")]).has(&expected));
    assert_eq!(printable.subject().as_str(), "CN=batch");
}

#[test]
fn alternative_names_are_found_by_kind() {
    let found = certificate(|parameters| {
        parameters.subject_alt_names = vec![
            SanType::DnsName("Batch.example.org".try_into().unwrap()),
            SanType::URI("spiffe://example.org/batch".try_into().unwrap()),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
            SanType::Rfc822Name("batch@example.org".try_into().unwrap()),
        ];
    });
    for (name, expected, has) in [
        ("DNS, whatever its case", CertificateName::Dns("batch.example.org".to_owned()), true),
        ("URI", CertificateName::Uri("spiffe://example.org/batch".to_owned()), true),
        ("address", CertificateName::Ip("192.0.2.1".parse().unwrap()), true),
        ("e-mail", CertificateName::Email("batch@example.org".to_owned()), true),
        ("another kind", CertificateName::Uri("batch.example.org".to_owned()), false),
        ("part of it", CertificateName::Uri("spiffe://example.org/bat".to_owned()), false),
        ("another address", CertificateName::Ip("192.0.2.2".parse().unwrap()), false),
    ] {
        assert_eq!(found.has(&expected), has, "{name}");
    }
}

#[test]
fn it_has_a_thumbprint_and_a_time() {
    let found = certificate(|parameters| {
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2027, 1, 1);
    });
    assert_eq!(found.thumbprint(), &thumbprint(found.der()));
    assert_eq!(found.thumbprint_s256().len(), 43);
    for (time, valid) in [
        ("2025-12-31T23:59:59Z", false),
        ("2026-01-01T00:00:00Z", true),
        ("2027-01-01T00:00:00Z", true),
        ("2027-01-01T00:00:01Z", false),
    ] {
        assert_eq!(found.is_valid_at(time.parse().unwrap()), valid, "{time}");
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let good = named(&[(DnType::CommonName, "a")]);
    for (name, der) in [
        ("nothing", &[][..]),
        ("text", b"-----BEGIN CERTIFICATE-----"),
        ("cut off", &good.der()[..good.der().len() - 1]),
        ("with a tail", &[good.der(), b"x"].concat()),
    ] {
        assert!(ClientCertificate::read(der, true).is_err(), "{name}");
    }
}

#[test]
fn names_that_are_none_are_refused() {
    for text in ["", "batch", "CN", "XX=batch", ","] {
        assert!(DistinguishedName::parse(text).is_none(), "{text}");
    }
}
