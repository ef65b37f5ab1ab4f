"""A sign-in provider as a process of its own: `python -m tests.web.oidc PORT`, made of Authlib's server side.

It keeps accounts, passwords and codes in memory, insists on PKCE, and keeps a browser signed in by a cookie, as
providers do. `POST /control` says what it is to do wrong from now on, and who has an account.
"""

import secrets
import sys
import time
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT, SECRET = "torn", "the client's secret"
KEY, OTHER_KEY = (RSAKey.generate_key(2048, {"kid": name, "use": "sig"}) for name in ("now", "another"))
PAGE = "<form method=post><input name=name><input name=password type=password><button>Enter</button></form>"

app = Flask(__name__)
app.secret_key = secrets.token_bytes()
people: dict[str, dict[str, Any]] = {}  # by name: password, and claims
signed_in: dict[str, tuple[str, int]] = {}  # by the browser's cookie: who, and since when
codes: dict[str, "Code"] = {}
wrong: dict[str, Any] = {}  # what is to be wrong with the next tokens, or otherwise than usual
bearers: dict[str, str] = {}  # by access token: whose
asked: list[dict[str, str]] = []  # each time somebody was sent here


class Client:
    """Torn, as it is registered here."""

    client_id = CLIENT

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, uri: str) -> bool:
        return uri.endswith("/staff/sign-in/back")

    def check_client_secret(self, secret: str) -> bool:
        return secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == proof()

    def check_response_type(self, kind: str) -> bool:
        return kind == "code"

    def check_grant_type(self, kind: str) -> bool:
        return kind == "authorization_code"


class Code(dict):
    """A code that was given out, until it is used."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)

    def get_redirect_uri(self) -> str:
        return self["redirect_uri"]

    def get_scope(self) -> str:
        return self["scope"]

    def get_nonce(self) -> str:
        return self["nonce"]

    def get_auth_time(self) -> int:
        return self["auth_time"]

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

    def save_authorization_code(self, code: str, request: Any) -> None:
        words = request.payload.data
        names = ("redirect_uri", "scope", "nonce", "code_challenge", "code_challenge_method")
        name, since = request.user
        codes[code] = Code({each: words.get(each) for each in names} | {"user": name, "auth_time": since})

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        return codes.get(code)

    def delete_authorization_code(self, code: Code) -> None:
        codes.pop(next(text for text, each in codes.items() if each is code))

    def authenticate_user(self, code: Code) -> str:
        return code["user"]


class IdToken(OpenIDCode):
    """The ID token, true or as `wrong` says."""

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        return False

    def get_jwt_config(self, grant: Any, client: Any = None) -> dict[str, Any]:
        return {"key": KEY, "alg": "RS256", "iss": issuer(), "exp": 300}

    def generate_user_info(self, user: str, scope: str) -> UserInfo:
        return UserInfo({"sub": f"id-{user}", "preferred_username": user, **people[user]["claims"]})

    def process_token(self, grant: Any, response: Any) -> Any:
        token = super().process_token(grant, response)
        bearers[token["access_token"]] = grant.request.user
        if wrong:
            claims = jwt.decode(token["id_token"], KEY).claims | wrong.get("claims", {})
            claims = {name: value for name, value in claims.items() if value is not None}
            claims |= {name: int(time.time()) + seconds for name, seconds in wrong.get("times", {}).items()}
            token["id_token"] = _signed(wrong.get("signed", "RS256"), claims)
        return token


def _signed(how: str, claims: dict[str, Any]) -> str:
    if how == "another key":
        return jwt.encode({"alg": "RS256", "kid": "now"}, claims, OTHER_KEY)
    if how == "none":
        return jwt.encode({"alg": "none"}, claims, OctKey.import_key("x" * 32), algorithms=["none"])
    if how == "HS256":  # with what everybody knows, or with what the client knows
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET), algorithms=["HS256"])
    return jwt.encode({"alg": "RS256", "kid": "now"}, claims, KEY)


server = AuthorizationServer(
    app, query_client=lambda id: Client() if id == CLIENT else None, save_token=lambda *_: None
)
server.register_grant(CodeGrant, [CodeChallenge(required=True), IdToken(require_nonce=True)])


def issuer() -> str:
    return request.host_url.rstrip("/")


def proof() -> str:
    """How the client is to prove itself."""
    return str(wrong.get("proof", "client_secret_basic"))


@app.get("/.well-known/openid-configuration")
def discovery() -> Any:
    places = {
        "authorization_endpoint": "/authorize",
        "token_endpoint": "/token",
        "jwks_uri": "/jwks",
        "end_session_endpoint": "/leave",
        "userinfo_endpoint": "/userinfo",
    }
    said = {"issuer": issuer(), "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"]}
    said["token_endpoint_auth_methods_supported"] = [proof()]
    return jsonify(said | {name: issuer() + path for name, path in places.items()} | wrong.get("discovery", {}))


@app.get("/jwks")
def jwks() -> Any:
    return jsonify(KeySet([KEY]).as_dict())


@app.route("/authorize", methods=["GET", "POST"])
def authorize() -> Any:
    """Asks for name and password, unless this browser is known and need not be asked again."""
    who = signed_in.get(request.cookies.get("known", ""))
    if request.method == "GET":
        asked.append(request.args.to_dict())
        again = request.args.get("prompt") == "login" and not wrong.get("asks nobody")
        if who is None or again:
            return PAGE
    else:
        name = request.form["name"]
        if people.get(name, {}).get("password") != request.form["password"]:
            return PAGE, 401
        who = name, int(time.time())
    grant = server.get_consent_grant(end_user=who)
    answer = server.create_authorization_response(grant_user=who, grant=grant)
    known = secrets.token_urlsafe()
    signed_in[known] = who
    answer.set_cookie("known", known)
    return answer


@app.post("/token")
def token() -> Any:
    return server.create_token_response()


@app.get("/userinfo")
def userinfo() -> Any:
    """More than stands in the ID token (OpenID Connect Core 1.0, 5.3)."""
    name = bearers[request.headers["Authorization"].removeprefix("Bearer ")]
    return jsonify({"sub": f"id-{name}", **people[name]["claims"]} | wrong.get("userinfo", {}))


@app.get("/leave")
def leave() -> Any:
    """Signs the browser out (RP-Initiated Logout 1.0): only for whom the token is."""
    jwt.decode(request.args["id_token_hint"], KEY)
    signed_in.pop(request.cookies.get("known", ""), None)
    return redirect(request.args["post_logout_redirect_uri"])


@app.post("/control")
def control() -> Any:
    """{"people": …, "wrong": …}: who has an account; what is wrong from now on. Answers with what was asked."""
    said = request.get_json()
    people.update(said.get("people", {}))
    if "forget" in said:  # everybody who was signed in longer ago than so many seconds
        signed_in.update({key: (who, since - said["forget"]) for key, (who, since) in signed_in.items()})
    wrong.clear()
    wrong.update(said.get("wrong", {}))
    return jsonify(asked)


if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
