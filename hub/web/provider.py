"""Sign-in at the town hall's own provider: OpenID Connect Core 1.0, authorization code with PKCE (RFC 7636).

    started = provider.begin(back, secret)          # the address to send the browser to
    who = provider.finish(back, secret, answer)     # who came back; ProviderAway, or NotVouched

Nothing is kept between the two but one cookie: `state`, `nonce` and the code's verifier are made from its secret, so
that any web process can take up what another has begun. What the provider says of itself, and its keys, are asked for
anew each time: a sign-in is seldom, and a key that was withdrawn is not believed a minute longer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from hub.clock import now
from hub.settings import SettingsError
from hub.store.staff import EVERYWHERE, ROLES, Identity

PATIENCE = (3, 5)  # seconds to connect and to answer: somebody waits
LEEWAY = 60  # seconds by which the provider's clock and ours may differ
FRESH = 300  # seconds ago at most: who has to prove again who they are
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
HERE = ("localhost", "127.0.0.1", "::1")
DISCOVERY = "/.well-known/openid-configuration"
OWN_GROUPS = "torn:"  # a group of this name says a role by itself: torn:clerk@mont-roig


class ProviderError(Exception):
    """Nobody can be signed in by the provider now."""


class ProviderAway(ProviderError, ConnectionError):
    """It does not answer, or not as a provider does."""


class NotVouched(ProviderError, PermissionError):
    """It does not say who this is in a way that can be believed."""


@dataclass(frozen=True)
class Provider:
    """What the settings say of it."""

    issuer: str
    client: str
    secret: str = field(default="", repr=False)
    name: str = ""  # what the button says
    claim: str = "groups"  # whose values say what somebody may do
    roles: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # of each value: office, and role there

    def begin(self, back: str, secret: str, again: bool = False) -> str:
        """Where to send the browser; `again`: who is signed in there already has to prove it. ProviderAway."""
        words = {"prompt": "login", "max_age": "0"} if again else {}
        with self._session(back) as session:
            url, _ = session.create_authorization_url(
                self._said()["authorization_endpoint"],
                state=derived(secret, "state"),
                nonce=derived(secret, "nonce"),
                code_verifier=derived(secret, "verifier"),
                **words,
            )
        return str(url)

    def finish(self, back: str, secret: str, answer: Mapping[str, str], again: bool = False) -> Identity:
        """Who has come back with `answer`, the address' words. ProviderAway, or NotVouched, which says why."""
        if not hmac.compare_digest(answer.get("state", "").encode(), derived(secret, "state").encode()):
            raise NotVouched("state: it is of another sign-in, or of none")
        if answer.get("iss", self.issuer) != self.issuer:
            raise NotVouched("iss: another provider has answered")  # RFC 9207
        if "error" in answer or not answer.get("code"):
            raise NotVouched(f"the provider says {answer.get('error', 'nothing')[:40]}")
        said = self._said()
        with self._session(back, said) as session:
            token = self._token(session, said, derived(secret, "verifier"), answer["code"])
            claims = self._believed(token, said, derived(secret, "nonce"))
            if again and not now() / 1000 - claims.get("auth_time", 0) <= FRESH:
                raise NotVouched("auth_time: they were not asked again who they are")
            if self.claim not in claims and _secure(said.get("userinfo_endpoint")):
                claims = self._more(session, said["userinfo_endpoint"], token, claims)
        return Identity(
            self.issuer, claims["sub"], _name(claims), tuple(sorted(self._roles(claims).items())), token["id_token"]
        )

    def leave(self, id_token: str, back: str) -> str | None:
        """Where one signs out there, too (RP-Initiated Logout 1.0); None without such a place, or while it is away."""
        try:
            there = str(self._said().get("end_session_endpoint", ""))
        except ProviderAway:
            return None
        words = {"id_token_hint": id_token, "client_id": self.client, "post_logout_redirect_uri": back}
        return f"{there}{'&' if '?' in there else '?'}{urlencode(words)}" if _secure(there) else None

    # --- the steps ------------------------------------------------------------------------

    def _session(self, back: str, said: Mapping[str, Any] | None = None) -> Any:
        from authlib.integrations.requests_client import OAuth2Session  # a quarter of a second to import

        offered = (said or {}).get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        by = "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"
        return OAuth2Session(
            self.client,
            self.secret or None,
            scope="openid profile",
            redirect_uri=back,
            token_endpoint_auth_method=by if self.secret else "none",
            code_challenge_method="S256",
        )

    def _said(self) -> dict[str, Any]:
        """What the provider says of itself (Discovery 1.0, 4)."""
        said = self._asked(self.issuer.rstrip("/") + DISCOVERY)
        if said.get("issuer") != self.issuer:
            raise ProviderAway(f"{self.issuer}: what answers there calls itself otherwise")
        for place in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not _secure(said.get(place)):
                raise ProviderAway(f"{self.issuer}: its {place} is missing, or not https")
        return said

    def _asked(self, url: str, **more: Any) -> dict[str, Any]:
        import requests

        try:
            answer = requests.get(url, timeout=PATIENCE, verify=_authorities(), allow_redirects=False, **more)
            answer.raise_for_status()
            said = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise ProviderAway(f"{self.issuer} does not answer: {type(error).__name__}") from None
        if not isinstance(said, dict):
            raise ProviderAway(f"{self.issuer}: {urlsplit(url).path} is no JSON object")
        return said

    def _token(self, session: Any, said: Mapping[str, Any], verifier: str, code: str) -> dict[str, Any]:
        import requests
        from authlib.common.errors import AuthlibBaseError

        try:
            token = session.fetch_token(
                said["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                timeout=PATIENCE,
                verify=_authorities(),
            )
        except AuthlibBaseError as error:
            raise NotVouched(f"the provider does not take the code: {error.error}") from None
        except (requests.RequestException, ValueError) as error:
            raise ProviderAway(f"{self.issuer} does not answer: {type(error).__name__}") from None
        if not isinstance(token.get("id_token"), str):
            raise NotVouched("id_token: there is none")
        return dict(token)

    def _believed(self, token: Mapping[str, Any], said: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """The claims of an ID token that is signed by the issuer, for us, now and for this sign-in (Core, 3.1.3.7)."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        keys = self._asked(said["jwks_uri"])
        offered = said.get("id_token_signing_alg_values_supported", ["RS256"])
        signed_by = [each for each in ALGORITHMS if each in offered]  # never none, nor one with the client's secret
        whose: dict[str, Any] = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self.client},
        }
        with_it = {"nonce": nonce, "client_id": self.client, "access_token": token.get("access_token")}
        try:
            read = jwt.decode(token["id_token"], KeySet.import_key_set(keys), algorithms=signed_by)  # type: ignore[arg-type]
            claims = CodeIDToken(read.claims, read.header, whose, with_it)
            claims.validate(now() // 1000, LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise NotVouched(f"id_token: {type(error).__name__} {error}") from None
        if not (isinstance(claims["sub"], str) and 0 < len(claims["sub"]) <= 255):
            raise NotVouched("sub: must have 1 to 255 characters")
        return dict(claims)

    def _more(self, session: Any, url: str, token: Mapping[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
        """What the provider says of them elsewhere, if it is of the same (Core, 5.3)."""
        said = self._asked(url, headers={"Authorization": f"Bearer {token.get('access_token', '')}"})
        return {**said, **claims} if said.get("sub") == claims["sub"] else claims

    def _roles(self, claims: Mapping[str, Any]) -> dict[str, str]:
        """What they are at each office; of two roles at one office, the higher one."""
        held: dict[str, str] = {}
        for value in _values(claims, self.claim):
            office, role = self.roles.get(value) or own_group(value) or ("", "")
            if role and ROLES.index(role) >= ROLES.index(held.get(office, ROLES[0])):
                held[office] = role
        return held


def derived(secret: str, what: str) -> str:
    """One of the words of a sign-in: 43 characters, which nobody without the cookie can make."""
    made = hmac.new(secret.encode(), what.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def _name(claims: Mapping[str, Any]) -> str:
    said = (claims.get(each) for each in ("preferred_username", "name", "sub"))
    return next(text for text in said if isinstance(text, str) and text)


def _values(claims: Mapping[str, Any], claim: str) -> Iterator[str]:
    """A claim's values, whether it is one or a list; `realm_access.roles` is a claim within another."""
    found: Any = claims
    for part in [claim] if claim in claims else claim.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    yield from (each for each in (found if isinstance(found, list) else [found]) if isinstance(each, str))


def own_group(text: str) -> tuple[str, str] | None:
    """torn:clerk@mont-roig as office and role; None for anything else."""
    return grant(text.removeprefix(OWN_GROUPS)) if text.startswith(OWN_GROUPS) else None


def grant(text: str) -> tuple[str, str] | None:
    """clerk@mont-roig as office and role; clerk alone is at every office. None for anything else."""
    role, at, office = text.strip().partition("@")
    fine = role in ROLES and (re.fullmatch("[a-z0-9-]{1,64}", office) if at else True)
    return (office or EVERYWHERE, role) if fine else None


def _secure(url: Any) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE))
    except (ValueError, TypeError, AttributeError):
        return False


def _authorities() -> str | bool:
    """The system's certificate authorities, or those in SSL_CERT_FILE, as for mail."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


# --- settings -------------------------------------------------------------------------------


def provider(environment: Mapping[str, str] = os.environ) -> Provider | None:
    """What the environment names, or None; SettingsError says which setting cannot be used."""
    said = {name: environment.get(name, "").strip() for name in SETTINGS}
    issuer, client = said["TORN_OIDC_ISSUER"], said["TORN_OIDC_CLIENT"]
    if not issuer:
        return None
    if not _secure(issuer):
        raise SettingsError("TORN_OIDC_ISSUER: must be https://… (http only to this machine)")
    if not client:
        raise SettingsError("TORN_OIDC_CLIENT: is needed, if there is TORN_OIDC_ISSUER")
    name = said["TORN_OIDC_NAME"] or urlsplit(issuer).hostname or ""
    secret, roles = (_from_file(said[each], each) for each in ("TORN_OIDC_SECRET", "TORN_OIDC_ROLES"))
    pairs = roles.splitlines() if said["TORN_OIDC_ROLES"].startswith("/") else roles.split(",")
    return Provider(issuer, client, secret, name, said["TORN_OIDC_CLAIM"] or "groups", _granted(pairs))


SETTINGS = (
    "TORN_OIDC_ISSUER",
    "TORN_OIDC_CLIENT",
    "TORN_OIDC_SECRET",
    "TORN_OIDC_NAME",
    "TORN_OIDC_CLAIM",
    "TORN_OIDC_ROLES",
)


def _from_file(text: str, name: str) -> str:
    """A setting, or what the file has that it names by its whole path."""
    if not text.startswith("/"):
        return text
    try:
        return Path(text).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{name}: {text} cannot be read: {type(error).__name__}") from None


def _granted(pairs: Iterable[str]) -> dict[str, tuple[str, str]]:
    """What each value of the claim means: `VALUE=ROLE` or `VALUE=ROLE@OFFICE`."""
    found = {}
    for pair in filter(None, map(str.strip, pairs)):
        value, _, meant = pair.rpartition("=")
        granted = grant(meant)
        if not value or granted is None:
            raise SettingsError(f"TORN_OIDC_ROLES: {pair[:60]!r}: must be VALUE=ROLE or VALUE=ROLE@OFFICE")
        found[value.strip()] = granted
    return found
