"""One private PostGIS cluster per test run, one template database, one copy per module or test."""

import shutil
import tempfile
from itertools import count
from pathlib import Path

import psycopg
from psycopg import conninfo as libpq

from cim.db.cluster import Cluster
from cim.db.migrate import migrate
from cim.settings import DatabaseSettings, Settings, TilesSettings


class TestStore:
    """A throw-away cluster with a migrated template database."""

    __test__ = False

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cim-tests-"))
        self.folder.chmod(0o755)
        self.cluster = Cluster(self.folder, durable=False)
        self._numbers = count()

    def start(self) -> None:
        self.cluster.start()
        template = self.create("template0", name="cim_template")
        migrate(self.settings(template, self.folder))

    def create(self, template: str = "cim_template", *, name: str | None = None) -> str:
        name = name or f"cim_test_{next(self._numbers)}"
        with psycopg.connect(self.cluster.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        with psycopg.connect(self.cluster.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def url(self, database: str) -> str:
        parts = libpq.conninfo_to_dict(self.cluster.conninfo(database))
        return f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/{database}"

    def settings(self, database: str, data_dir: Path, **changes: object) -> Settings:
        # Superseded tiles go at once: tests compare folders. Those of the grace period set their own.
        return Settings(
            data_dir=data_dir, **{"database": DatabaseSettings(url=self.url(database)), "tiles": TilesSettings(grace_s=0)} | changes
        )

    def stop(self) -> None:
        self.cluster.stop()
        shutil.rmtree(self.cluster.folder, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
