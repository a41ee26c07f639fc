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
    workers: int = Field(default=0, ge=0, le=64, description="threads of a build; 0 = as many as processors")


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
