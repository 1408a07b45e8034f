"""Keys and certificates: made, and recognised by their fingerprints."""

from __future__ import annotations

import base64
import datetime
import hashlib
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

BITS = 2048
UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")  # Windows' name of a user, in a certificate


class InvalidKey(ValueError):
    """Text that is no key, or no certificate: the reason as nova words it."""


class Pair(NamedTuple):
    private_key: str
    public_key: str


def fingerprint(public_key: str, kind: str) -> str:
    """MD5 of an ssh key, SHA-1 of an x509 certificate, in pairs of hex digits."""
    return _x509_fingerprint(public_key) if kind == "x509" else _ssh_fingerprint(public_key)


def _ssh_fingerprint(public_key: str) -> str:
    try:
        serialization.load_ssh_public_key(public_key.encode())
        data = base64.b64decode(public_key.split(" ")[1])
    except Exception:  # the library raises half a dozen kinds
        raise InvalidKey("failed to generate fingerprint") from None
    return _in_pairs(hashlib.md5(data, usedforsecurity=False).hexdigest())


def _x509_fingerprint(certificate: str) -> str:
    try:
        loaded = x509.load_pem_x509_certificate(certificate.encode())
    except (ValueError, TypeError) as error:
        raise InvalidKey(f"failed to generate X509 fingerprint. Error message: {error}") from None
    return _in_pairs(loaded.fingerprint(hashes.SHA1()).hex())


def _in_pairs(digits: str) -> str:
    return ":".join(digits[n : n + 2] for n in range(0, len(digits), 2))


def generate(kind: str, user_id: str, now: datetime.datetime) -> Pair:
    key = rsa.generate_private_key(65537, BITS)
    return _x509_pair(key, user_id, now) if kind == "x509" else _ssh_pair(key)


def _ssh_pair(key: rsa.RSAPrivateKey) -> Pair:
    encodings = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return Pair(key.private_bytes(*encodings).decode(), f"{public.decode()} Generated-by-Nova")


def _x509_pair(key: rsa.RSAPrivateKey, user_id: str, now: datetime.datetime) -> Pair:
    """A certificate for WinRM: the private part is a PKCS#12 archive without a password, in base64."""
    short = user_id.encode("ascii", "replace")[:64]  # a common name is no longer
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, short.decode())])
    upn = short + b"@localhost"
    alternative = x509.OtherName(UPN, b"\x0c" + bytes([len(upn)]) + upn)  # DER: UTF8String
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .sign(key, hashes.SHA256())
    )
    archive = pkcs12.serialize_key_and_certificates(None, key, certificate, None, serialization.NoEncryption())
    return Pair(base64.b64encode(archive).decode(), certificate.public_bytes(serialization.Encoding.PEM).decode())
