"""``cim terrain``: profiles, slopes, contours, viewsheds, earthwork and flow over the stored terrain."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
import typer

from cim.cli_support import emit, settings_from, table
from cim.db import engine, profiles
from cim.db.rasters import stored_rasters
from cim.errors import InvalidParameterError
from cim.exchange.whole_file import whole_file
from cim.raster import analyses
from cim.raster.patch import Patch, plane_box, read_patch, write_bands

app = typer.Typer(no_args_is_help=True, help="Analyse the stored terrain: profile, sight, slope, contours, viewshed, earthwork, flow.")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")
Box = typer.Option(..., "--box", help="West, south, east, north [deg], EPSG:4490, separated by commas.")
Cell = typer.Option(None, "--cell", min=0.01, help="Cell size [m]; default: that of the finest raster.")
Tiff = typer.Option(..., "--out", help="GeoTIFF to write, in the city's projected CRS.")
_DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".fgb": "FlatGeobuf"}


def _ground(ctx: typer.Context) -> tuple[list[Path], str]:
    """Return the elevation rasters of the store and the city's projected CRS."""
    settings = settings_from(ctx)
    with engine.connect(settings) as connection:
        return stored_rasters(connection, settings), profiles.fetch_profile(connection).projected_crs


def _numbers(name: str, text: str, n: int) -> list[float]:
    try:
        found = [float(part) for part in text.replace(";", ",").split(",")]
    except ValueError:
        found = []
    if len(found) != n or not np.isfinite(found).all():
        raise InvalidParameterError(name, text[:80], f"{n} numbers separated by commas")
    return found


def _place(name: str, text: str) -> list[float]:
    lon, lat = _numbers(name, text, 2)
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise InvalidParameterError(name, text[:80], "longitude and latitude in degrees")
    return [lon, lat]


def _patch(ctx: typer.Context, box: str, cell: float | None) -> Patch:
    west, south, east, north = _numbers("--box", box, 4)
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise InvalidParameterError("--box", box[:80], "west, south, east, north in degrees, the lower corner first")
    paths, crs = _ground(ctx)
    return read_patch(paths, plane_box((west, south, east, north), crs), crs, cell)


def _show(name: str, facts: dict[str, Any], *, as_json: bool) -> None:
    emit(facts, as_json=as_json, text=lambda console: console.print(table(f"Terrain 地形: {name}", ("", ""), list(facts.items()))))


def _write_layer(out: Path, shapes: list[Any], kind: str, fields: dict[str, Any]) -> None:
    driver = _DRIVERS.get(out.suffix.lower())
    if driver is None:
        raise InvalidParameterError("--out", out.name, f"a file ending in {', '.join(_DRIVERS)}")
    with whole_file(out) as part:
        pyogrio.raw.write(
            part, np.array([shapely.to_wkb(one) for one in shapes], object), [np.asarray(v) for v in fields.values()], list(fields),
            layer=out.stem, driver=driver, geometry_type=kind, crs="EPSG:4490" if driver != "GeoJSON" else "EPSG:4326",
        )  # fmt: skip


@app.command()
def profile(
    ctx: typer.Context,
    places: list[str] = typer.Argument(..., help="Places of the line as LON,LAT [deg]."),
    step: float | None = typer.Option(None, "--step", min=0.01, help="Largest distance of the points [m]; default: a cell."),
    as_json: bool = AsJson,
) -> None:
    """Show the ground along a line.

    Example: cim terrain profile 114.390,30.505 114.400,30.510 --step 20
    """
    if len(places) < 2:
        raise InvalidParameterError("PLACES", len(places), "at least two places")
    paths, crs = _ground(ctx)
    rows = analyses.profile(paths, crs, [_place("PLACES", one) for one in places], step)
    known = [row["ground_m"] for row in rows if row["ground_m"] is not None]
    up = sum(max(b - a, 0.0) for a, b in itertools.pairwise(known))
    facts = {
        "points": len(rows), "length_m": rows[-1]["distance_m"], "lowest_m": min(known), "highest_m": max(known), "climb_m": round(up, 3),
    }  # fmt: skip
    columns = ("distance_m", "lon", "lat", "ground_m")
    emit(
        {**facts, "profile": rows}, as_json=as_json,
        text=lambda console: console.print(table("Profile 剖面", columns, [[row[name] for name in columns] for row in rows])),
    )  # fmt: skip


@app.command()
def sight(
    ctx: typer.Context,
    observer: str = typer.Argument(..., help="Where the eye is, LON,LAT [deg]."),
    target: str = typer.Argument(..., help="What is looked at, LON,LAT [deg]."),
    eye: float = typer.Option(1.6, "--eye", min=0, help="Height of the eye above ground [m]."),
    height: float = typer.Option(0.0, "--height", min=0, help="Height of the target above ground [m]."),
    as_json: bool = AsJson,
) -> None:
    """Tell whether a place is seen from another over the bare ground.

    Example: cim terrain sight 114.390,30.505 114.400,30.510 --height 30
    """
    paths, crs = _ground(ctx)
    ends = [_place("OBSERVER", observer), _place("TARGET", target)]
    _show("sight 通视", analyses.sight(paths, crs, ends, observer_m=eye, target_m=height), as_json=as_json)


@app.command()
def slope(ctx: typer.Context, box: str = Box, out: Path = Tiff, cell: float | None = Cell, as_json: bool = AsJson) -> None:
    """Write slope and aspect as a GeoTIFF of two bands [deg]; aspect is where the ground falls to, clockwise from north.

    Example: cim terrain slope --box 114.39,30.50,114.40,30.51 --out slope.tif
    """
    from cim.analysis.terrain import slope_and_aspect

    patch = _patch(ctx, box, cell)
    steep, aspect = slope_and_aspect(patch.heights, patch.cell_m)
    write_bands(out, patch, [("slope", "deg", steep), ("aspect", "deg", aspect)])
    known = steep[~np.isnan(steep)]
    facts = {
        "file": str(out), "cells": steep.size, "cell_m": patch.cell_m, "mean_deg": round(float(known.mean()), 3),
        "steepest_deg": round(float(known.max()), 3),
    }  # fmt: skip
    _show("slope 坡度", facts, as_json=as_json)


@app.command()
def contours(
    ctx: typer.Context,
    box: str = Box,
    interval: float = typer.Option(..., "--interval", help="Distance of the lines [m]; they lie at whole multiples."),
    out: Path = typer.Option(..., "--out", help="Layer to write: .gpkg, .geojson or .fgb."),
    cell: float | None = Cell,
    as_json: bool = AsJson,
) -> None:
    """Write contour lines as a layer.

    Example: cim terrain contours --box 114.39,30.50,114.40,30.51 --interval 1 --out contours.gpkg
    """
    lines = [(level, line) for level, line in analyses.contours(_patch(ctx, box, cell), interval) if len(line) > 1]
    _write_layer(out, [shapely.linestrings(line) for _, line in lines], "LineString", {"elevation_m": [level for level, _ in lines]})
    levels = sorted({level for level, _ in lines})
    facts = {"file": str(out), "lines": len(lines), "levels": len(levels), "lowest_m": levels[0] if levels else None,
             "highest_m": levels[-1] if levels else None}  # fmt: skip
    _show("contours 等高线", facts, as_json=as_json)


@app.command()
def viewshed(
    ctx: typer.Context,
    observer: str = typer.Argument(..., help="Where the eye is, LON,LAT [deg]."),
    out: Path = typer.Option(..., "--out", help="GeoTIFF (1 = seen), or a layer: .gpkg, .geojson or .fgb."),
    reach: float = typer.Option(1000.0, "--reach", help="How far is looked [m]."),
    eye: float = typer.Option(1.6, "--eye", min=0, help="Height of the eye above ground [m]."),
    height: float = typer.Option(0.0, "--height", min=0, help="Height above ground of what is looked for [m]."),
    cell: float | None = Cell,
    as_json: bool = AsJson,
) -> None:
    """Write what is seen from a place over the bare ground.

    Example: cim terrain viewshed 114.395,30.508 --reach 1500 --eye 30 --out seen.gpkg
    """
    paths, crs = _ground(ctx)
    at = _place("OBSERVER", observer)
    patch, seen = analyses.viewshed(paths, crs, at, observer_m=eye, target_m=height, reach_m=reach, cell_m=cell)
    if out.suffix.lower() in {".tif", ".tiff"}:
        write_bands(out, patch, [("seen", "", seen.astype(np.uint8))])
    else:
        _write_layer(out, [analyses.as_polygon(patch, seen)], "MultiPolygon", {"reach_m": [reach]})
    area = float(seen.sum()) * patch.cell_m**2
    _show("viewshed 可视域", {"file": str(out), "seen_m2": round(area, 1), "cell_m": patch.cell_m}, as_json=as_json)


@app.command("cut-fill")
def cut_fill(
    ctx: typer.Context,
    area: Path = typer.Argument(..., help="Layer with one polygon, in any CRS."),
    level: float = typer.Option(..., "--level", help="Elevation the area gets [m]."),
    cell: float | None = Cell,
    as_json: bool = AsJson,
) -> None:
    """Tell what has to be dug away and filled up to bring an area to a level.

    Example: cim terrain cut-fill site.geojson --level 27.5
    """
    paths, crs = _ground(ctx)
    _show("earthwork 挖填方", analyses.earthwork(paths, crs, analyses.read_area(area), level, cell), as_json=as_json)


@app.command()
def flow(ctx: typer.Context, box: str = Box, out: Path = Tiff, cell: float | None = Cell, as_json: bool = AsJson) -> None:
    """Write where water runs as a GeoTIFF: depth of depressions [m], D8 direction (1 east … 128), cells drained.

    Needs the extra hydrology. Example: cim terrain flow --box 114.39,30.50,114.40,30.51 --out flow.tif
    """
    from cim.analysis.terrain import fill_depressions, flow_directions

    patch = _patch(ctx, box, cell)
    filled, _ = fill_depressions(patch.heights)
    directions, drained = flow_directions(patch.heights)
    depth = filled - patch.heights
    bands = [
        ("depression_depth", "m", depth),
        ("direction", "", directions.astype(np.float64)),
        ("cells_drained", "", drained.astype(np.float64)),
    ]
    write_bands(out, patch, bands)
    facts = {
        "file": str(out), "cells": depth.size, "cell_m": patch.cell_m,
        "depressions_m3": round(float(np.nansum(depth)) * patch.cell_m**2, 2),
        "deepest_m": round(float(np.nanmax(depth)), 3),
    }  # fmt: skip
    _show("flow 汇流", facts, as_json=as_json)
