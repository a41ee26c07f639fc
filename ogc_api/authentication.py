"""From the Authorization header to a principal: local tokens by their hash, OpenID Connect tokens by the issuer's keys."""

import asyncio
import json
import re
import time
from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

import jwt
import structlog

from cim.access import ANONYMOUS, LOCKED_OUT, ROLES, Principal
from cim.db import tokens
from cim.db.request_pool import RequestPool
from cim.errors import ConfigError, StoreUnavailableError, UnauthenticatedError
from cim.settings import AccessSettings, Settings

_KNOWN_S = 5.0
"""A revoked token is refused after this time at the latest [s]."""
_KEYS_S = 3600
_FETCH_TIMEOUT_S = 5
_LEEWAY_S = 30
_REFETCH_S = 30.0
_KEPT = 4096
_LOOPBACK = re.compile(r"^(127\.[0-9.]+|::1|localhost)$")
_TOO_LONG = 16_384

_log = structlog.get_logger("ogc_api.access")


def anonymous_principal(settings: Settings) -> Principal:
    """Return who a request without a token is, by the setting ``CIM_ACCESS__ANONYMOUS``."""
    wanted = settings.access.anonymous.strip()
    if wanted == "auto":
        public = urlsplit(settings.server.public_url).hostname if settings.server.public_url else None
        is_local = _LOOPBACK.match(settings.server.host) and (public is None or _LOOPBACK.match(public))
        wanted = "all" if is_local else "none"
    if wanted == "all":
        return ANONYMOUS
    if wanted in {"none", ""}:
        return LOCKED_OUT
    names = frozenset(part.strip() for part in wanted.split(",") if part.strip())
    return Principal("anonymous", "anonymous", ROLES["anonymous"], collections=names, writable=frozenset())


class OpenIdConnect:
    """Verifies access tokens of one issuer (RFC 9068, OpenID Connect Core 1.0); signature keys are kept for an hour.

    Parameters
    ----------
    settings
        Issuer, audience, algorithms, claims.

    Raises
    ------
    ConfigError
        An issuer without an audience: any token of the issuer would be taken.
    """

    def __init__(self, settings: AccessSettings) -> None:
        if not settings.oidc_audience:
            raise ConfigError(
                "environment: CIM_ACCESS__OIDC_ISSUER is set, CIM_ACCESS__OIDC_AUDIENCE is not",
                hint="set the audience that the issuer writes for this server",
            )
        self._settings = settings
        self._algorithms = [part.strip() for part in settings.oidc_algorithms.split(",")]
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a valid token.

        Raises
        ------
        UnauthenticatedError
            Signature, issuer, audience or time are wrong.
        StoreUnavailableError
            The issuer's keys cannot be had at the moment.
        """
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(str(header.get("kid", "")), str(header.get("alg", "")))
            found: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._settings.oidc_audience,
                issuer=self._settings.oidc_issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(f"token refused: {error}") from error
        return found

    async def _key(self, key_id: str, algorithm: str) -> Any:  # noqa: ANN401 - PyJWT's key
        if algorithm not in self._algorithms:
            raise UnauthenticatedError(
                f"token refused: signature algorithm {algorithm[:20]!r}, expected one of {', '.join(self._algorithms)}"
            )
        now = time.monotonic()
        stale = now - self._fetched_at > _KEYS_S
        # An unknown key may be a new one; made-up ones must not make this server hammer the issuer.
        if (stale or key_id not in self._keys) and now - self._tried_at > _REFETCH_S:
            async with self._lock:
                if time.monotonic() - self._tried_at > _REFETCH_S:
                    self._tried_at = time.monotonic()
                    await self._fetch()
        if not self._keys:
            raise StoreUnavailableError(f"the keys of {self._settings.oidc_issuer} cannot be fetched", hint="try again")
        if key_id not in self._keys:
            raise UnauthenticatedError("token refused: unknown signature key")
        return self._keys[key_id]

    async def _fetch(self) -> None:
        try:
            document = await asyncio.to_thread(self._key_set)
            keys = {str(one.key_id): one for one in jwt.PyJWKSet.from_dict(document).keys if one.key_id}
        except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            _log.warning("keys of the issuer not fetched", issuer=self._settings.oidc_issuer, error=str(error))
            return
        self._keys, self._fetched_at = keys, time.monotonic()

    def _key_set(self) -> dict[str, Any]:
        url = self._settings.oidc_jwks_url
        if not url:
            url = str(_read(f"{self._settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration")["jwks_uri"])
        return _read(url)


def _read(url: str) -> dict[str, Any]:
    """Read a document of the issuer; its address comes from the settings, never from a request."""
    if urlsplit(url).scheme not in {"https", "http"}:
        raise ValueError(f"{url}: expected an http address")
    with urlopen(UrlRequest(url, headers={"Accept": "application/json"}), timeout=_FETCH_TIMEOUT_S) as answer:  # noqa: S310 - checked above
        found = json.loads(answer.read(1_000_000))
    if not isinstance(found, dict):
        raise TypeError("expected an object")
    return found


class Authenticator:
    """Tells who a request comes from.

    Parameters
    ----------
    settings
        Deployment settings.
    pool
        Reads tokens and divisions, notes uses.
    """

    def __init__(self, settings: Settings, pool: RequestPool) -> None:
        self.anonymous = anonymous_principal(settings)
        self._settings = settings.access
        self._pool = pool
        self._oidc = OpenIdConnect(settings.access) if settings.access.oidc_issuer else None
        self._known: OrderedDict[str, tuple[float, Principal]] = OrderedDict()

    async def principal(self, header: str) -> Principal:
        """Return the principal of an Authorization header.

        Raises
        ------
        UnauthenticatedError
            Not a bearer token, or one that is unknown, expired or revoked.
        StoreUnavailableError
            The store or the issuer does not answer.
        """
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > _TOO_LONG or not token.isascii():
            raise UnauthenticatedError("header Authorization: expected Bearer and a token")
        secret = tokens.digest(token)
        if secret is None:
            if self._oidc is None:
                raise UnauthenticatedError("token refused: unknown, expired or revoked")
            return await self._of_claims(await self._oidc.claims(token))
        known = self._known.get(secret)
        if known is not None and time.monotonic() - known[0] < _KNOWN_S:
            return known[1]
        found = await self._look_up(secret)
        self._known[secret] = (time.monotonic(), found)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return found

    async def _look_up(self, secret: str) -> Principal:
        rows = await self._pool.rows(tokens.FIND, secret)
        if not rows:
            self._known.pop(secret, None)
            raise UnauthenticatedError("token refused: unknown, expired or revoked")
        await self._pool.rows(tokens.LOOKUP, secret)
        return tokens.principal_of_row(tuple(rows[0]), await self._counties(rows[0]["divisions"]))

    async def _counties(self, divisions: list[str] | None) -> list[str]:
        wide = tokens.wide_divisions(divisions or [])
        if not wide:
            return []
        return list((await self._pool.rows(tokens.COUNTIES, wide))[0][0])

    async def _of_claims(self, claims: dict[str, Any]) -> Principal:
        settings = self._settings
        given = _listed(_claim(claims, settings.oidc_role_claim))
        # The strongest of several: the order of `ROLES`.
        role = next((name for name in reversed(ROLES) if name in given and name != "anonymous"), settings.oidc_default_role)
        if not role:
            raise UnauthenticatedError(f"token refused: claim {settings.oidc_role_claim} names no role of this server")
        divisions, collections = _claim(claims, settings.oidc_divisions_claim), _claim(claims, settings.oidc_collections_claim)
        codes = None if divisions is None else [code for code in _listed(divisions) if code.isdigit()]
        return Principal(
            str(claims["sub"])[:200],
            role,
            ROLES[role],
            None if collections is None else frozenset(_listed(collections)),
            None,
            tokens.scope_of(codes, await self._counties(codes)),
        )


def _claim(claims: dict[str, Any], path: str) -> Any:  # noqa: ANN401 - any JSON value
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _listed(value: Any) -> list[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return [part for part in re.split(r"[\s,]+", value) if part]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
