"""``cim address``: parse, find and reverse addresses."""

from pathlib import Path
from typing import Any

import typer

from cim.cli_support import emit, settings_from, table
from cim.db import engine, migrate
from cim.db.geocode import fetch_gazetteer, geocode, reverse_geocode
from cim.errors import InvalidParameterError, SourceSyntaxError

app = typer.Typer(no_args_is_help=True, help="Parse, find and reverse addresses.")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")


@app.command()
def parse(
    ctx: typer.Context,
    texts: list[str] = typer.Argument(None, help="Addresses."),
    file: Path | None = typer.Option(None, "--file", help="Text file in UTF-8, one address per line."),
    as_json: bool = AsJson,
) -> None:
    """Parse addresses into components, with the divisions of the store.

    Example: cim address parse 武汉市洪山区珞喻路726号3栋2单元1103室
    """
    from cim.address.parse import parse as parse_address

    given = list(texts or [])
    if file is not None:
        try:
            given += [line for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except OSError as error:
            raise SourceSyntaxError(file, error.strerror or "cannot be read", hint="give a text file, one address per line") from error
        except UnicodeDecodeError as error:
            raise SourceSyntaxError(file, f"not UTF-8 at byte {error.start}", hint="save the list as UTF-8") from error
    if not given:
        raise typer.BadParameter("give addresses or --file")
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        gazetteer = fetch_gazetteer(connection)
    rows: list[dict[str, Any]] = [{"text": text, **parse_address(text, gazetteer).as_dict()} for text in given]
    cells = [(row["text"], "  ".join(f"{name}={value}" for name, value in row.items() if name not in ("text", "filled"))) for row in rows]
    emit(rows, as_json=as_json, text=lambda console: console.print(table("Addresses 地址", ["text 原文", "components 要素"], cells)))


@app.command("geocode")
def geocode_(
    ctx: typer.Context,
    text: str = typer.Argument(..., help="Address."),
    limit: int = typer.Option(5, "--limit", min=1, max=100, help="Most places."),
    as_json: bool = AsJson,
) -> None:
    """Find the places an address may mean, with the evidence.

    Example: cim address geocode 光谷资本大厦
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        found = geocode(connection, text, limit=limit)
    cells = [(f"{p.score:.2f}", p.building_code, p.full_text, f"{p.lon:.6f} {p.lat:.6f}", p.evidence) for p in found]
    columns = ["score", "building 建筑", "address 地址", "lon lat", "evidence 依据"]
    emit([vars(p) for p in found], as_json=as_json, text=lambda console: console.print(table(text, columns, cells)))


@app.command()
def reverse(
    ctx: typer.Context,
    lon: float = typer.Argument(..., help="Longitude [deg], EPSG:4490."),
    lat: float = typer.Argument(..., help="Latitude [deg], EPSG:4490."),
    reach: float = typer.Option(200.0, "--reach", min=0, max=10_000, help="How far building and address may be [m]."),
    as_json: bool = AsJson,
) -> None:
    """Find building, address and divisions of a position.

    Example: cim address reverse 114.3956 30.5064
    """
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise InvalidParameterError("position", f"{lon} {lat}", "longitude and latitude in degrees")
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        found = reverse_geocode(connection, lon, lat, reach_m=reach)
    emit(found, as_json=as_json, text=lambda console: console.print(table(f"{lon} {lat}", ["", ""], list(found.items()))))
