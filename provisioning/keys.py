"""The fleet's private authority: certificates, passwords and what was revoked. Pure; the caller keeps the files.

    keys, done = renewed(keys, fleet, now)         # makes what is missing, near its end or no longer right
    keys = revoked(keys, "montroig-dispenser-1", now)

`keys` is what stands in the folder keys/, by name: NAME.pem and NAME.key of each certificate, ID.password and
ID.update (the mark of its updates) of each microcontroller, revoked.json and crl.pem, backup.key and backup.pub,
and people.keys.
Elliptic curves (P-256): quick to make, and small boards can do them. Certificates follow RFC 5280.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provisioning import ProvisioningError
from provisioning.fleet import Fleet

LASTS = timedelta(days=825)  # a certificate
RENEWED_BEFORE = timedelta(days=60)  # its end
AUTHORITY_LASTS = timedelta(days=20 * 365)
SLACK = timedelta(days=1)  # for clocks that are a little behind
# Who has no clock begins at the day its system or its firmware was built, and must believe the broker to learn the
# time: what is shown to such machines is valid from long before.
LONG_BEFORE = datetime(2024, 1, 1, tzinfo=UTC)
BACKUP = "backup"
PEOPLE = "people.keys"  # with which the hub encrypts people's data: its TORN_KEYS
OF_A_BOARD = ("password", "update")
PASSWORD_BYTES = 24  # 192 random bits

Keys = Mapping[str, bytes]


class KeysError(ProvisioningError, ValueError):
    """A file of the folder keys/ cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Wanted:
    """A certificate that the fleet needs: whose, and for which addresses if it is a server's."""

    name: str
    hosts: tuple[str, ...] = ()


def wanted(fleet: Fleet) -> tuple[Wanted, ...]:
    """Every certificate of the fleet: the hub's, its broker's and its pages', one for each Raspberry Pi.

    An office's own broker has two: by one its devices know it, by the other the hub's broker does.
    """
    here = ("localhost", "127.0.0.1")
    server = tuple(dict.fromkeys((fleet.hub.host, *fleet.hub.addresses, *here)))
    pages = tuple(dict.fromkeys((public_host(fleet), *server)))
    brokers = [
        each
        for office, broker in fleet.brokers.items()
        for each in (
            Wanted(f"broker-{office}", tuple(dict.fromkeys((broker.host, *broker.addresses, *here)))),
            Wanted(f"bridge-{office}"),
        )
    ]
    devices = (Wanted(device.id) for device in fleet.devices if device.has_certificate)
    return Wanted("hub"), Wanted("broker", server), Wanted("https", pages), *brokers, *devices


def public_host(fleet: Fleet) -> str:
    """The name under which citizens reach the pages."""
    return (fleet.public_url or f"https://{fleet.hub.host}").split("://", 1)[1].split("/")[0].split(":")[0]


def renewed(keys: Keys, fleet: Fleet, now: datetime) -> tuple[Keys, list[str]]:
    """The keys as the fleet needs them now, and a sentence for each thing that was done."""
    done: list[str] = []
    files = dict(keys)
    if not {"ca.pem", "ca.key"} & set(files):
        files |= _authority(now)
        done.append("the authority is made: keys/ca.key is the fleet's most secret file")
    authority = Authority.of(files)
    _believe(now, files)
    _retire(files, fleet, now, done)
    for each in wanted(fleet):
        why = _unfit(files, each, authority, now)
        if why:
            files |= authority.issue(each, now)
            done.append(f"{each.name}: a certificate is made ({why})")
    _passwords(files, fleet, done)
    if f"{BACKUP}.key" not in files:
        files |= _backup_keys()
        done.append("the backups' key is made: keys/backup.key opens them; keep a copy of it elsewhere")
    if PEOPLE not in files:
        files[PEOPLE] = base64.urlsafe_b64encode(secrets.token_bytes(32)) + b"\n"
        done.append(f"the key of people's data is made: keep a copy of keys/{PEOPLE} with that of keys/backup.key")
    if not authority.lists(files):
        files["crl.pem"] = authority.revocations(_revoked_serials(files), now)
    return files, done


def revoked(keys: Keys, name: str, now: datetime) -> Keys:
    """The keys without those of `name`: its certificate goes onto the list of the revoked."""
    files = dict(keys)
    if f"{name}.pem" in files:
        serial = _certificate(files, name).serial_number
        entries = [*_entries(files), {"name": name, "serial": str(serial), "at": now.isoformat(timespec="seconds")}]
        files["revoked.json"] = (json.dumps(entries, indent=2) + "\n").encode()
    for ending in ("pem", "key", *OF_A_BOARD):
        files.pop(f"{name}.{ending}", None)
    return files


def ends(keys: Keys) -> Iterator[tuple[str, datetime]]:
    """When each certificate ends, by name, the authority's too."""
    for file in sorted(keys):
        if file.endswith(".pem") and file != "crl.pem":
            yield file[:-4], _certificate(keys, file[:-4]).not_valid_after_utc


def _believe(now: datetime, files: Keys) -> None:
    """A clock that stands before what was made already would have every card made anew, and none of them work."""
    made = [_certificate(files, name).not_valid_before_utc + SLACK for name in _readable(files)]
    newest = max([LONG_BEFORE, *made])
    if now < newest - SLACK:
        raise KeysError(
            f"this machine's clock says {now:%Y-%m-%d}, but keys were made on {newest:%Y-%m-%d}: set the clock"
        )


def _readable(files: Keys) -> Iterator[str]:
    """The names of the certificates that can be read; the others are made anew."""
    for file in files:
        if file.endswith(".pem") and file != "crl.pem":
            try:
                _certificate(files, file[:-4])
            except KeysError:
                continue
            yield file[:-4]


# --- what is there --------------------------------------------------------------------------


def _certificate(files: Keys, name: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(files[f"{name}.pem"])
    except (KeyError, ValueError):
        raise KeysError(f"keys/{name}.pem: {_cannot(files, name + '.pem')}") from None


def _key(files: Keys, name: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(files[f"{name}.key"], None)
    except (KeyError, ValueError, TypeError):
        raise KeysError(f"keys/{name}.key: {_cannot(files, name + '.key')}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeysError(f"keys/{name}.key: is not a key of an elliptic curve; delete it and its .pem to have it made")
    return key


def _cannot(files: Keys, file: str) -> str:
    wrong = "cannot be read" if file in files else "is missing"
    if file.startswith("ca."):
        return f"{wrong}; put it back from the backup, or delete the whole folder keys/ and provision every card anew"
    return f"{wrong}; delete it and its other half to have both made anew"


def _entries(files: Keys) -> list[dict[str, str]]:
    try:
        entries = json.loads(files.get("revoked.json", b"[]"))
        return [{"name": e["name"], "serial": e["serial"], "at": e["at"]} for e in entries]
    except (ValueError, TypeError, KeyError):
        raise KeysError("keys/revoked.json: cannot be read; put it back from the backup") from None


def _revoked_serials(files: Keys) -> dict[int, datetime]:
    return {int(each["serial"]): datetime.fromisoformat(each["at"]) for each in _entries(files)}


def _unfit(files: Keys, each: Wanted, authority: Authority, now: datetime) -> str:
    """Why a certificate must be made anew, or nothing."""
    if f"{each.name}.pem" not in files or f"{each.name}.key" not in files:
        return "there was none"
    try:
        certificate, key = _certificate(files, each.name), _key(files, each.name)
    except KeysError:
        return "the old one could not be read"
    if not authority.signed(certificate) or certificate.public_key() != key.public_key():
        return "the old one was another authority's, or another key's"
    if certificate.subject != _name(each.name) or _hosts(certificate) != set(each.hosts):
        return "its name or addresses have changed"
    if certificate.serial_number in _revoked_serials(files):
        return "the old one was revoked"
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc - RENEWED_BEFORE:
        return f"the old one ends on {certificate.not_valid_after_utc:%Y-%m-%d}"
    return ""


def _hosts(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(each.value) for each in names}


def _retire(files: dict[str, bytes], fleet: Fleet, now: datetime, done: list[str]) -> None:
    """Revokes what the fleet no longer has; a device that is another kind of hardware now keeps only its own half."""
    certificates = {each.name for each in wanted(fleet)} | {"ca", "crl", BACKUP}
    boards = {device.id for device in fleet.devices if not device.has_certificate}
    split = [file.rpartition(".")[::2] for file in files]
    gone = {name for name, ending in split if ending in ("pem", "key") and name not in certificates}
    gone |= {name for name, ending in split if ending in OF_A_BOARD and name not in boards}
    for name in sorted(gone):
        left = revoked(files, name, now)
        files.clear()
        files.update(left)
        done.append(f"{name}: is no longer in the fleet; what it had is revoked")


def _passwords(files: dict[str, bytes], fleet: Fleet, done: list[str]) -> None:
    for device in fleet.devices:
        if not device.has_certificate and f"{device.id}.password" not in files:
            files[f"{device.id}.password"] = secrets.token_urlsafe(PASSWORD_BYTES).encode()
            files[f"{device.id}.update"] = secrets.token_hex(32).encode()
            done.append(f"{device.id}: a password is made")


# --- what is made ---------------------------------------------------------------------------


def _backup_keys() -> dict[str, bytes]:
    """Backups are sealed by the public half, on the hub's machine; the private one, elsewhere, opens them."""
    key = X25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {f"{BACKUP}.key": _pem(key), f"{BACKUP}.pub": public}


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(key: ec.EllipticCurvePrivateKey | X25519PrivateKey) -> bytes:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form)


def _authority(now: datetime) -> dict[str, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Torn {now:%Y-%m-%d}")  # two authorities must not share a name
    builder = _builder(name, name, key.public_key(), LONG_BEFORE, now + AUTHORITY_LASTS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return {"ca.pem": builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), "ca.key": _pem(key)}


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(begins).not_valid_after(ends)


def _usage(signs: bool) -> x509.KeyUsage:
    rest = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    never = {"encipher_only": False, "decipher_only": False}
    return x509.KeyUsage(digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, **rest, **never)


@dataclass(frozen=True)
class Authority:
    """Whoever holds its key decides who belongs to the fleet."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def of(cls, files: Keys) -> Authority:
        """The authority among the keys; KeysError if it is not whole."""
        authority = cls(_certificate(files, "ca"), _key(files, "ca"))
        if authority.certificate.public_key() != authority.key.public_key():
            raise KeysError("keys/ca.pem and keys/ca.key are not a pair; put both back from the backup")
        return authority

    def signed(self, certificate: x509.Certificate) -> bool:
        """Whether it gave out this certificate."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True

    def issue(self, each: Wanted, now: datetime) -> dict[str, bytes]:
        """A new key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        begins = LONG_BEFORE if each.hosts else now - SLACK
        ends = min(now + LASTS, self.certificate.not_valid_after_utc)
        builder = _builder(_name(each.name), self.certificate.subject, key.public_key(), begins, ends)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs=False), critical=True)
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if each.hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if each.hosts:
            names = x509.SubjectAlternativeName([general_name(host) for host in each.hosts])
            builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        mine = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = builder.add_extension(mine, critical=False).sign(self.key, hashes.SHA256())
        return {
            f"{each.name}.pem": certificate.public_bytes(serialization.Encoding.PEM),
            f"{each.name}.key": _pem(key),
        }

    def lists(self, files: Keys) -> bool:
        """Whether crl.pem is this authority's, and has exactly what was revoked."""
        try:
            listed = x509.load_pem_x509_crl(files["crl.pem"])
        except (KeyError, ValueError):
            return False
        ours = listed.is_signature_valid(self.key.public_key())
        return ours and {each.serial_number for each in listed} == set(_revoked_serials(files))

    def revocations(self, serials: Mapping[int, datetime], now: datetime) -> bytes:
        """The list of the revoked. It ends with the authority: OpenSSL lets nobody in by a list that has ended."""
        builder = x509.CertificateRevocationListBuilder(issuer_name=self.certificate.subject)
        builder = builder.last_update(now - SLACK).next_update(self.certificate.not_valid_after_utc)
        for serial, at in sorted(serials.items()):
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def general_name(host: str) -> x509.GeneralName:
    """A host as its certificate names it: by address, or by name (RFC 5280, 4.2.1.6)."""
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
