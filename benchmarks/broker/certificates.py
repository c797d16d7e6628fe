"""Certificates for one test run, made with the openssl command: an authority, a valid server, an expired one."""

import subprocess
from pathlib import Path

__all__ = ["make_certificates"]

_AUTHORITY = """
[ca]
default_ca = test
[test]
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
"""
_SERVER_NAMES = "subjectAltName=DNS:localhost"  # and not 127.0.0.1, so that a wrong name can be tried


def make_certificates(directory: Path) -> None:
    """Write ``ca.pem``, ``stranger.pem`` (another authority), ``valid.pem`` and ``expired.pem`` into `directory`.

    The last two are keystores as Kafka wants them: key, certificate, authority.
    """
    (directory / "ca.cnf").write_text(_AUTHORITY)
    (directory / "index.txt").touch()
    (directory / "serial").write_text("01\n")
    for name in ("ca", "stranger"):
        key = ["-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key"]
        _openssl(directory, "req", "-x509", *key, "-days", "2", "-subj", f"/CN=headwater {name}", "-out", f"{name}.pem")
    _server(directory, "valid", [])
    _server(directory, "expired", ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"])


def _server(directory: Path, name: str, dates: list[str]) -> None:
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key"]
    _openssl(directory, "req", *key, "-subj", f"/CN={name}", "-addext", _SERVER_NAMES, "-out", f"{name}.csr")
    signed = ["-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", f"{name}.csr", "-out", f"{name}.crt"]
    _openssl(directory, "ca", "-batch", "-notext", *signed, *(dates or ["-days", "2"]))
    _openssl(directory, "pkcs8", "-topk8", "-nocrypt", "-in", f"{name}.key", "-out", f"{name}.p8")
    parts = [(directory / part).read_text() for part in (f"{name}.p8", f"{name}.crt", "ca.pem")]
    (directory / f"{name}.pem").write_text("".join(parts))


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)
