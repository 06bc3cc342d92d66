"""Certificates for the TLS listener, and for the clients that show one to it."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def self_signed(folder: Path) -> dict[str, str]:
    """A certificate for localhost and 127.0.0.1 and its key, as the `listen.tls` section."""
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    key = ec.generate_private_key(ec.SECP256R1())
    shown = _write(folder, "tls", key, _build("localhost", names, key, None).sign(key, hashes.SHA256()))
    return {"certificate": str(shown.certificate), "key": str(shown.key)}


@dataclass(frozen=True)
class Shown:
    """A client's certificate and its key, in PEM files."""

    certificate: Path
    key: Path

    def thumbprint(self) -> str:
        """SHA-256 over the DER form, in hexadecimal."""
        der = x509.load_pem_x509_certificate(self.certificate.read_bytes()).public_bytes(Encoding.DER)
        return hashlib.sha256(der).hexdigest()


class Authority:
    """A CA that certifies clients."""

    def __init__(self, folder: Path, name: str):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = _build(name, [], self._key, None)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def certify(self, common_name: str, *names: x509.GeneralName) -> Shown:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _build(common_name, list(names), key, self._certificate.subject)
        usage = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH])
        certificate = builder.add_extension(usage, critical=False).sign(self._key, hashes.SHA256())
        return _write(self._folder, f"{self._name}-{common_name}", key, certificate)


def by_itself(folder: Path, common_name: str) -> Shown:
    """A client's certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _build(common_name, [], key, None).sign(key, hashes.SHA256())
    return _write(folder, f"itself-{common_name}", key, certificate)


def _build(
    common_name: str,
    names: list[x509.GeneralName],
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name | None,
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(issuer or subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
    )  # fmt: skip
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder


def _write(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Shown:
    shown = Shown(folder / f"{name}.crt", folder / f"{name}.key")
    shown.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    shown.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return shown
