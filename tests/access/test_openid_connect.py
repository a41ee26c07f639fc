"""OpenID Connect over real HTTP: an issuer with keys of its own, tokens good and forged (RFC 8725, RFC 9068 section 4)."""

import asyncio
import base64
import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cim.errors import ConfigError, UnauthenticatedError
from cim.settings import AccessSettings
from ogc_api import authentication
from tests.support.send import send
from tests.support.server import running_server

AUDIENCE = "cim-of-the-city"


class Issuer:
    """An issuer with a discovery document, a key set and any number of keys."""

    def __init__(self):
        self.keys, self.asked = {}, []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append(self.path)
                documents = {
                    "/.well-known/openid-configuration": {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"},
                    "/keys": issuer.key_set(),
                }
                body = json.dumps(documents.get(self.path, {})).encode()
                self.send_response(200 if self.path in documents else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def key_set(self):
        return {"keys": [
            json.loads(jwt.get_algorithm_by_name(alg).to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": alg}
            for kid, (alg, key) in self.keys.items()
        ]}  # fmt: skip

    def token(self, kid, *, signer=None, **changes):
        alg, key = self.keys.get(kid, ("RS256", signer))
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "zhang.wei", "iat": now, "exp": now + 600, "cim_role": "viewer"} | changes
        return jwt.encode({k: v for k, v in claims.items() if v is not None}, signer or key, algorithm=alg, headers={"kid": kid})

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    made.keys = {
        "rsa-1": ("RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        "ec-1": ("ES256", ec.generate_private_key(ec.SECP256R1())),
    }
    with contextlib.closing(made):
        yield made


@pytest.fixture(scope="module")
def url(demo_city, issuer):
    settings = {"CIM_ACCESS__ANONYMOUS": "none", "CIM_ACCESS__OIDC_ISSUER": issuer.url, "CIM_ACCESS__OIDC_AUDIENCE": AUDIENCE}
    with running_server(demo_city[0], **settings) as base:
        yield base


def count(url, token, **headers):
    answer = send(f"{url}/collections/buildings/items?limit=1", token=token, **headers)
    assert answer.status == 200, answer.body
    return answer.json()["numberMatched"]


@pytest.mark.parametrize("kid", ["rsa-1", "ec-1"])
def test_a_token_of_the_issuer_reads(url, issuer, kid):
    assert count(url, issuer.token(kid)) > 200
    assert send(f"{url}/collections/buildings/items?limit=1").status == 401


def test_the_claims_say_what_its_bearer_may(url, issuer):
    body = json.dumps({"properties": {"name": "no"}}).encode()
    code = send(f"{url}/collections/buildings/items?limit=1", token=issuer.token("rsa-1")).json()["features"][0]["id"]
    patch = {"method": "PATCH", "body": body, "Content_Type": "application/merge-patch+json"}
    item = f"{url}/collections/buildings/items/{code}"
    assert send(item, token=issuer.token("rsa-1"), **patch).status == 403
    assert send(item, token=issuer.token("rsa-1", cim_role=["offline_access", "editor"]), **patch).status in (200, 204)
    seen = send(f"{url}/collections", token=issuer.token("rsa-1", cim_collections="buildings")).json()["collections"]
    assert [c["id"] for c in seen] == ["buildings", "3d-buildings"]


def test_a_division_in_the_claims_filters_rows(url, issuer):
    whole = count(url, issuer.token("rsa-1"))
    village = send(f"{url}/collections/buildings/items?limit=1", token=issuer.token("rsa-1")).json()["features"][0]["id"][:12]
    some = send(f"{url}/collections/buildings/items?limit=5000", token=issuer.token("rsa-1", cim_divisions=[village])).json()["features"]
    assert 0 < len(some) < whole
    assert {feature["id"][:12] for feature in some} == {village}
    # A claim that names nothing shows nothing; it is not the same as no claim.
    assert send(f"{url}/collections/buildings/items", token=issuer.token("rsa-1", cim_divisions=[])).json()["numberReturned"] == 0


def forged(issuer):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = issuer.keys["rsa-1"][1].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    now = int(time.time())
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "x", "exp": now + 600, "cim_role": "admin"}

    def part(value):
        return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=").decode()

    import hashlib
    import hmac

    head = f"{part({'alg': 'HS256', 'kid': 'rsa-1', 'typ': 'JWT'})}.{part(claims)}"
    confused = f"{head}.{part(hmac.new(pem, head.encode(), hashlib.sha256).digest())}"
    good = issuer.token("rsa-1")
    return {
        "signed by a stranger": issuer.token("rsa-1", signer=stranger),
        "unknown key": issuer.token("rsa-9", signer=stranger),
        "no signature": f"{part({'alg': 'none', 'kid': 'rsa-1'})}.{part(claims)}.",
        "public key as a secret": confused,
        "changed after signing": ".".join([good.split(".")[0], part(claims), good.split(".")[2]]),
        "another audience": issuer.token("rsa-1", aud="somebody-else"),
        "another issuer": issuer.token("rsa-1", iss="https://issuer.example"),
        "expired": issuer.token("rsa-1", exp=now - 120),
        "not yet valid": issuer.token("rsa-1", nbf=now + 600),
        "without an end": issuer.token("rsa-1", exp=None),
        "without a role": issuer.token("rsa-1", cim_role=None),
        "a role that is none": issuer.token("rsa-1", cim_role="king"),
        "the role of nobody": issuer.token("rsa-1", cim_role="anonymous"),
        "no token": "a.b.c",
    }


def test_forged_and_stale_tokens_are_refused_without_a_word_of_them(url, issuer):
    for name, token in forged(issuer).items():
        answer = send(f"{url}/collections/buildings/items?limit=1", token=token)
        assert answer.status == 401, name
        assert answer.headers["Content-Type"] == "application/problem+json", name
        assert "Bearer" in answer.headers["WWW-Authenticate"], name
        assert token.rsplit(".", 1)[0].encode() not in answer.body, name


def test_made_up_keys_do_not_make_the_server_hammer_the_issuer(url, issuer):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    before = len(issuer.asked)
    for n in range(20):
        assert send(f"{url}/collections", token=issuer.token(f"made-up-{n}", signer=stranger)).status == 401
    assert len(issuer.asked) - before <= 2


def settings_of(issuer):
    return AccessSettings(oidc_issuer=issuer.url, oidc_audience=AUDIENCE)


def test_a_new_key_of_the_issuer_is_taken_over(issuer, monkeypatch):
    monkeypatch.setattr(authentication, "_REFETCH_S", 0.0)
    openid = authentication.OpenIdConnect(settings_of(issuer))

    async def rotate():
        assert (await openid.claims(issuer.token("ec-1")))["sub"] == "zhang.wei"
        issuer.keys["ec-2"] = ("ES256", ec.generate_private_key(ec.SECP256R1()))
        try:
            assert (await openid.claims(issuer.token("ec-2")))["sub"] == "zhang.wei"
            late = issuer.token("ec-2")
        finally:
            del issuer.keys["ec-2"]
        monkeypatch.setattr(authentication, "_KEYS_S", -1)
        with pytest.raises(UnauthenticatedError, match="unknown signature key"):
            await openid.claims(late)

    asyncio.run(rotate())


def test_an_issuer_without_an_audience_is_refused_at_the_start(issuer):
    with pytest.raises(ConfigError, match="AUDIENCE"):
        authentication.OpenIdConnect(AccessSettings(oidc_issuer=issuer.url))


@pytest.mark.parametrize("algorithms", ["HS256", "none", "RS256,HS512"])
def test_shared_secrets_are_no_accepted_algorithm(algorithms):
    with pytest.raises(ValueError, match="oidc_algorithms"):
        AccessSettings(oidc_issuer="https://issuer.example", oidc_audience=AUDIENCE, oidc_algorithms=algorithms)


def test_a_silent_issuer_is_503_not_open(demo_city):
    dead = Issuer()
    dead.keys = {"rsa-1": ("RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048))}
    token = dead.token("rsa-1")
    dead.close()
    with running_server(
        demo_city[0], CIM_ACCESS__ANONYMOUS="none", CIM_ACCESS__OIDC_ISSUER=dead.url, CIM_ACCESS__OIDC_AUDIENCE=AUDIENCE
    ) as base:
        assert send(f"{base}/collections/buildings/items", token=token).status == 503
