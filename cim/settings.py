"""Deployment settings: environment variables with the prefix ``CIM_`` and ``__`` for nesting.

City facts are in the city profile (`cim.profile`), deployment facts here; neither holds the other's.
`load_settings` is called once by the command line or the server and the result is passed down.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cim.errors import ConfigError


class DatabaseSettings(BaseModel):
    """Where the store is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr | None = Field(
        default=None,
        description="postgresql://user:password@host:port/name of another server; unset = private cluster in the data folder",
    )
    pool_max: int = Field(default=8, ge=1, le=200, description="connections per server process")
    statement_timeout_ms: int = Field(default=60_000, ge=0, description="longest statement of the server [ms]; 0 = none")
    pgbouncer: bool = Field(
        default=False, description="the url leads through PgBouncer in transaction mode: no prepared statements, settings per transaction"
    )
    connect_timeout_s: int = Field(default=5, ge=1, le=120, description="longest wait for a connection [s]")

    @field_validator("url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("expected postgresql://user:password@host:port/name")
        return url


class ServerSettings(BaseModel):
    """How the HTTP server listens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65_535, description="port to listen on; 0 = any free one")
    public_url: str = Field(default="", description="address clients use, behind a proxy; empty = http://host:port")
    workers: int = Field(default=1, ge=1, le=64, description="server processes behind one port")
    cors_origins: str = Field(
        default="*", description="origins whose pages may read answers, separated by commas; * = all, empty = none but the own"
    )
    rate_limit_per_s: float = Field(
        default=0, ge=0, description="requests per second and client (token or address), per server process; 0 = no limit"
    )
    rate_burst: int = Field(default=200, ge=1, description="requests a client may send at once under the rate limit")
    body_limit_bytes: int = Field(default=10_485_760, ge=1024, description="largest request body [byte], uploads of models excepted")
    upload_limit_bytes: int = Field(default=4_294_967_296, ge=1024, description="largest upload of a model [byte]")
    upload_quota_bytes: int = Field(
        default=17_179_869_184, ge=1024, description="uploads of one person that are on the way or waiting for their job [byte]"
    )
    upload_keep_hours: int = Field(default=48, ge=1, description="time an upload may be resumed and asked about [h]")
    access_log: bool = Field(default=False, description="log every request, not only writes, refusals, faults and slow ones")
    log_json: bool = Field(default=False, description="log lines of the server as JSON")
    slow_request_s: float = Field(default=2.0, gt=0, description="requests that take longer are logged [s]")
    page_limit_default: int = Field(default=100, ge=1, description="features per page without limit=")
    page_limit_max: int = Field(default=10_000, ge=1, description="largest limit= accepted")
    count_exact_to: int = Field(default=100_000, ge=0, description="filtered counts are exact up to this number, estimates beyond")
    cursor_key: SecretStr | None = Field(
        default=None, description="secret that signs cursors of next links; unset = made once and kept in the data folder"
    )
    tile_cache_mb: int = Field(default=128, ge=0, description="memory for finished vector tiles per process [MB]; 0 = none")
    tile_max_age_s: int = Field(default=0, ge=0, description="how long clients may use a vector tile without asking again [s]")


class TilesSettings(BaseModel):
    """How 3D Tiles are written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    meshopt: bool = Field(default=True, description="pack meshes by EXT_meshopt_compression; off for clients that cannot read it")
    workers: int = Field(default=0, ge=0, le=64, description="threads of a build; 0 = one more than processors")
    grace_s: int = Field(
        default=600, ge=0, description="how long superseded files stay for clients that hold an older tileset.json [s]; 0 = not at all"
    )


class AccessSettings(BaseModel):
    """Who may do what over HTTP."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    anonymous: str = Field(
        default="auto",
        description="what can be read without a token: all, none, or collections separated by commas; "
        "auto = all while the server listens on loopback without a public address, else none",
    )
    oidc_issuer: str = Field(default="", description="issuer (iss) of OpenID Connect access tokens; empty = local tokens only")
    oidc_audience: str = Field(default="", description="audience (aud) that access tokens must name; needed with an issuer")
    oidc_jwks_url: str = Field(default="", description="key set of the issuer; empty = as its discovery document says")
    oidc_algorithms: str = Field(default="RS256,ES256", description="accepted signature algorithms, separated by commas; asymmetric only")
    oidc_role_claim: str = Field(default="cim_role", description="claim with the role (or a list that contains one); dots nest")
    oidc_divisions_claim: str = Field(default="cim_divisions", description="claim with the divisions of the row filter, absent = all rows")
    oidc_collections_claim: str = Field(default="cim_collections", description="claim with the visible collections, absent = all")
    oidc_default_role: str = Field(default="", description="role of a valid token without the role claim; empty = refused")
    callback_hosts: str = Field(
        default="", description="hosts (host or host:port) that jobs may notify, separated by commas; empty = no callbacks"
    )

    @field_validator("oidc_algorithms")
    @classmethod
    def _are_asymmetric(cls, text: str) -> str:
        known = {"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}
        unknown = {part.strip() for part in text.split(",")} - known
        if unknown:
            raise ValueError(f"found {min(unknown)!r}, expected some of {', '.join(sorted(known))}")
        return text

    @field_validator("oidc_default_role")
    @classmethod
    def _is_role(cls, role: str) -> str:
        if role not in {"", "viewer", "editor", "engineer", "operator", "admin"}:
            raise ValueError("expected viewer, editor, engineer, operator, admin or nothing")
        return role


class ClientSettings(BaseModel):
    """How this machine talks to another one's server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: str = Field(default="", description="address of the server that models are uploaded to, e.g. https://cim.example.org")
    token: SecretStr | None = Field(default=None, description="token for that server, see cim token create")


class Settings(BaseSettings):
    """All deployment settings."""

    model_config = SettingsConfigDict(env_prefix="CIM_", env_nested_delimiter="__", frozen=True, extra="ignore")

    data_dir: Path = Field(default=Path(".cim"), description="folder of the private cluster, tiles and models")
    tile_store: str = Field(default="", description="fsspec URL of the tile store; empty = tiles/ in the data folder")
    personal_key: SecretStr | None = Field(
        default=None, description="SM4 key for personal data that a profile keeps, 32 hexadecimal digits; unset = none is kept"
    )
    language: str = Field(default="en", pattern="^(en|zh)$", description="language of messages: en or zh")
    database: DatabaseSettings = DatabaseSettings()
    server: ServerSettings = ServerSettings()
    tiles: TilesSettings = TilesSettings()
    access: AccessSettings = AccessSettings()
    client: ClientSettings = ClientSettings()

    @property
    def cluster_dir(self) -> Path:
        """Folder of the private PostgreSQL cluster."""
        return self.data_dir.resolve() / "postgres"

    @property
    def tiles_url(self) -> str:
        """Fsspec URL or folder of the tile store."""
        return self.tile_store or str(self.data_dir.resolve() / "tiles")

    @property
    def models_dir(self) -> Path:
        """Folder of uploaded BIM models, by sha256."""
        return self.data_dir.resolve() / "models"

    @property
    def jobs_dir(self) -> Path:
        """Folder of the result files of process jobs, one folder per job."""
        return self.data_dir.resolve() / "jobs"

    @property
    def rasters_dir(self) -> Path:
        """Folder of terrain and imagery, by sha256."""
        return self.data_dir.resolve() / "rasters"


def _unknown_names(environ: Mapping[str, str]) -> list[str]:
    top = {name.upper() for name in Settings.model_fields}
    return sorted(
        name
        for name in environ
        if name.startswith("CIM_") and name[4:].split("__")[0].upper() not in top | {"TEST"} and not name.startswith("CIM_TEST_")
    )


def load_settings(**overrides: object) -> Settings:
    """Read the environment.

    Parameters
    ----------
    **overrides
        Values that win over the environment (command line options).

    Raises
    ------
    ConfigError
        A ``CIM_`` name is unknown or a value is out of bounds; names the variable, the value's fault and what is allowed.
    """
    unknown = _unknown_names(os.environ)
    if unknown:
        known = ", ".join(f"CIM_{name.upper()}" for name in Settings.model_fields)
        raise ConfigError(
            f"environment: unknown setting {unknown[0]}, expected one of {known} (nested with __)",
            hint=f"unset {unknown[0]} or correct its spelling",
        )
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks the overrides
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "CIM_" + "__".join(str(part).upper() for part in first["loc"])
        raise ConfigError(f"environment: {name}: {first['msg']}", hint=f"correct or unset {name}") from None
