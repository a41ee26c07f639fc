"""``cim doctor``: is this machine fit, and what to do where it is not."""

import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Literal

import pyproj
import typer

from cim.cli_support import EXIT_FAULT, emit, settings_from, table
from cim.db import engine, index_check, migrate, row_security
from cim.db.pg_programs import find_programs
from cim.errors import CimError
from cim.settings import Settings

app = typer.Typer()
State = Literal["ok", "warning", "error"]
_MIN_FREE_GB, _GOOD_FREE_GB = 1, 10


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Parameters
    ----------
    name
        What was looked at.
    state
        ok, warning or error.
    found
        What was found.
    remedy
        Next step, empty when ok.
    """

    name: str
    state: State
    found: str
    remedy: str = ""


def _python(_: Settings) -> Finding:
    return Finding("Python", "ok", ".".join(map(str, sys.version_info[:3])))


def _packages(_: Settings) -> Finding:
    wanted = ("pygeoapi", "ifcopenshell", "py3dtiles", "shapely", "pyproj", "rasterio")
    return Finding("packages", "ok", ", ".join(f"{name} {version(name)}" for name in wanted))


def _postgresql(settings: Settings) -> Finding:
    if settings.database.url is not None:
        return Finding("PostgreSQL", "ok", f"external server {engine.address(settings)}")
    programs = find_programs()
    return Finding("PostgreSQL", "ok", f"{programs.major} in {programs.bin_dir}")


def _store(settings: Settings) -> Finding:
    found, expected = migrate.current_version(settings), migrate.newest_version()
    where = engine.address(settings)
    if found != expected:
        return Finding("store", "error", f"{where}, schema {found or 'none'}, expected {expected}", "cim db migrate")
    return Finding("store", "ok", f"{where}, schema {found}")


def _extensions(settings: Settings) -> Finding:
    with engine.connect(settings) as connection:
        rows = connection.execute(
            """SELECT name, installed_version FROM pg_available_extensions
               WHERE name IN ('postgis', 'postgis_sfcgal', 'pgrouting', 'pg_trgm', 'btree_gist') ORDER BY name"""
        ).fetchall()
    missing = {"postgis", "postgis_sfcgal", "pgrouting", "pg_trgm", "btree_gist"} - {name for name, made in rows if made}
    if missing:
        return Finding("extensions", "error", f"missing {', '.join(sorted(missing))}", "install them on the server, then: cim db migrate")
    return Finding("extensions", "ok", ", ".join(f"{name} {made}" for name, made in rows))


def _access(settings: Settings) -> Finding:
    with engine.connect(settings) as connection:
        found = [*row_security.problems(connection), *index_check.problems(connection)]
    if found:
        return Finding("row filters and indexes", "warning", "; ".join(one.what for one in found), found[0].hint)
    return Finding("row filters and indexes", "ok", f"{len(row_security.POLICIES)} tables, every queryable has its index")


def _disk(settings: Settings) -> Finding:
    folder = settings.data_dir.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1024**3
    found = f"{free:.0f} GB free in {folder}"
    if free < _MIN_FREE_GB:
        return Finding("disk", "error", found, f"free at least {_MIN_FREE_GB} GB or set CIM_DATA_DIR to another disk")
    if free < _GOOD_FREE_GB:
        return Finding("disk", "warning", found, f"a city needs {_GOOD_FREE_GB} GB or more")
    return Finding("disk", "ok", found)


def _port(settings: Settings) -> Finding:
    host, port = settings.server.host, settings.server.port
    with socket.socket() as probe:
        probe.settimeout(1)
        busy = probe.connect_ex((host, port)) == 0
    if busy:
        return Finding("port", "warning", f"{host}:{port} is in use", "that may be this platform; otherwise pass --port")
    return Finding("port", "ok", f"{host}:{port} is free")


def _proj(_: Settings) -> Finding:
    crs = pyproj.CRS.from_epsg(4547)
    return Finding("PROJ", "ok", f"{pyproj.proj_version_str}, EPSG:4547 = {crs.name}")


def _ifc_kernel(_: Settings) -> Finding:
    import ifcopenshell.geom

    kernel: Literal["hybrid-cgal-simple-opencascade"] = "hybrid-cgal-simple-opencascade"
    # Making an iterator over an empty model is enough to learn whether the kernel is registered; it meshes nothing.
    options = ifcopenshell.geom.settings()  # type: ignore[no-untyped-call]  # ifcopenshell leaves its constructor untyped
    ifcopenshell.geom.iterator(options, ifcopenshell.file(schema="IFC4"), 1, geometry_library=kernel)
    return Finding("IFC kernel", "ok", f"{kernel}, ifcopenshell {ifcopenshell.version}")


def _browser(_: Settings) -> Finding:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        return Finding("browser", "warning", "no Chromium", "only the browser tests need it: apt-get install chromium")
    return Finding("browser", "ok", found)


CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    _python, _packages, _postgresql, _store, _extensions, _access, _disk, _port, _proj, _ifc_kernel, _browser,
)  # fmt: skip


def diagnose(settings: Settings) -> list[Finding]:
    """Run all checks; one that fails becomes an error line and the others go on."""
    findings = []
    for check in CHECKS:
        name = check.__name__.strip("_").replace("_", " ")
        try:
            findings.append(check(settings))
        except CimError as error:
            findings.append(Finding(name, "error", error.message, error.hint or "see the message"))
        except (RuntimeError, OSError, ImportError) as error:
            findings.append(Finding(name, "error", f"{type(error).__name__}: {error}", "run scripts/bootstrap.sh again"))
    return findings


@app.command()
def doctor(ctx: typer.Context, as_json: bool = typer.Option(False, "--json", help="Print one JSON document.")) -> None:
    """Check this machine and the store; every line is ok, warning or error with a remedy. Exit 1 on any error.

    Example: cim doctor
    """
    findings = diagnose(settings_from(ctx))
    emit(
        [asdict(finding) for finding in findings],
        as_json=as_json,
        text=lambda console: console.print(
            table("Doctor 体检", ["", "state", "found", "remedy"], [[f.name, f.state, f.found, f.remedy] for f in findings])
        ),
    )
    if any(finding.state == "error" for finding in findings):
        raise typer.Exit(EXIT_FAULT)
