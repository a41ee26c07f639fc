"""``cim demo``: the sample city from files to a served city."""

import contextlib
import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import typer

import cim
from cim.cli import run
from cim.cli_support import emit, say, settings_from, table
from cim.commands.up import refuse_busy_port, serve_until_interrupted, start_store
from cim.db import datasets, engine, tilesets
from cim.errors import ConfigError
from cim.settings import Settings

app = typer.Typer()


def find_sample_data(given: Path | None) -> Path:
    """Return the folder of the sample city.

    Raises
    ------
    ConfigError
        It is in none of the places; names them.
    """
    places = [given] if given else [Path("sample_data"), Path(cim.__file__).resolve().parent.parent / "sample_data"]
    for place in places:
        if (place / "city.yaml").exists():
            return place.resolve()
    looked = ", ".join(str(place) for place in places)
    raise ConfigError(f"sample city: no city.yaml in {looked}", hint="run in the repository, or pass --sample-data DIR")


def plan(sample: Path) -> list[tuple[str, list[str]]]:
    """Return the steps as (title, command line)."""
    networks = sorted((sample / "networks").glob("*.csv"))
    steps: list[tuple[str, list[str]]] = [
        ("city profile", ["db", "profile", str(sample / "city.yaml")]),
        ("divisions", ["ingest", "divisions", str(sample / "divisions/divisions.csv"), str(sample / "divisions/boundaries.gpkg")]),
        ("terrain", ["ingest", "terrain", str(sample / "terrain/guanggu_dem.tif"), "--vertical-datum", "EPSG:5737", "--synthetic"]),
        ("census", _census(sample, "guanggu_census.zip")),
        ("census, faulty records", _census(sample, "guanggu_census_bad.zip")),
        ("addresses", ["ingest", "addresses", str(sample / "addresses/addresses.csv")]),
        (
            "planning control",
            ["ingest", "planning", str(sample / "planning/plan.gpkg"), "--profile", str(sample / "planning/profile.yaml"), "--synthetic"],
        ),
        (
            "networks",
            ["ingest", "network", *map(str, networks), "--profile", str(sample / "networks/profile.yaml"), "--synthetic"],
        ),
    ]
    with (sample / "ifc/placement.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            note = "Sample model moved here for demonstration; it does not stand there. 示例模型,并非此处实际建筑。"
            argv = ["bim", "upload", str(sample / "ifc" / row["file"]), "--name", row["title"], "--note", note]
            steps.append((f"BIM {row['file']}", argv))
    steps.append(("3D tiles", ["tiles", "build"]))
    return steps


def _census(sample: Path, name: str) -> list[str]:
    return ["ingest", "census", str(sample / "census" / name), "--profile", str(sample / "census/profile.yaml"), "--synthetic"]


def _run_step(settings: Settings, title: str, argv: list[str]) -> Any:  # noqa: ANN401 - JSON result of any command
    caught = io.StringIO()
    started = time.monotonic()
    with contextlib.redirect_stdout(caught):
        code = run([*argv, "--json"], obj=settings)
    if code != 0:
        raise typer.Exit(code)
    say(f"  ✓ {title:<28} {time.monotonic() - started:5.1f} s")
    return json.loads(caught.getvalue() or "null")


def summary(settings: Settings) -> dict[str, Any]:
    """Return what the store holds: newest datasets with counts, and tile layers."""
    with engine.connect(settings) as connection:
        loaded = datasets.fetch_summary(connection)
        layers = tilesets.fetch_tilesets(connection)
    return {
        "datasets": [
            {key: row[key] for key in ("kind", "name", "version", "n_read", "n_accepted", "n_unchanged", "n_rejected")} for row in loaded
        ],
        "layers": [{"layer": layer.layer, "features": layer.n_features} for layer in layers],
    }


@app.command()
def demo(
    ctx: typer.Context,
    no_serve: bool = typer.Option(False, "--no-serve", help="Load and build, then end; the store keeps running."),
    host: str | None = typer.Option(None, "--host", help="Address to listen on, default 127.0.0.1."),
    port: int | None = typer.Option(None, "--port", help="Port to listen on, default 8000."),
    sample_data: Path | None = typer.Option(None, "--sample-data", help="Folder of the sample city."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print the commands and run none."),
) -> None:
    """Load the sample city, build its tiles and serve it. A second run changes nothing.

    Example: cim demo --no-serve
    """
    settings = settings_from(ctx)
    sample = find_sample_data(sample_data)
    if dry_run:
        emit([["cim", *argv] for _, argv in plan(sample)], as_json=True)
        return
    host, port = host or settings.server.host, settings.server.port if port is None else port
    if not no_serve:
        refuse_busy_port(host, port)
    say("Sample city: Wuhan Optics Valley 武汉光谷 (networks, terrain, boundaries and census attributes are synthetic)")
    started = start_store(settings)
    for title, argv in plan(sample):
        _run_step(settings, title, argv)
    report = summary(settings)
    url = settings.server.public_url or f"http://{host}:{port}"

    def draw(console: Any) -> None:  # noqa: ANN401 - rich console
        columns = ["kind", "name", "version", "read", "accepted", "unchanged", "rejected"]
        console.print(table("Loaded 已入库", columns, [list(row.values()) for row in report["datasets"]]))
        console.print(table("3D layers 三维图层", ["layer", "features"], [list(row.values()) for row in report["layers"]]))
        console.print(f"Viewer 浏览器   {url}/viewer/")
        console.print(f"OGC API / QGIS {url}/")
        console.print(f"Cesium         {url}/3dtiles/buildings/tileset.json")

    emit({**report, "url": url}, as_json=as_json, text=draw)
    if no_serve:
        say("The store keeps running; stop it with: cim db stop")
        return
    raise typer.Exit(serve_until_interrupted(settings, host, port, stop_store=started))
