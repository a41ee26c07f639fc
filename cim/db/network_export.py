"""Networks out of the store: models for their engines, survey tables, GeoPackage."""

from pathlib import Path
from typing import Any

import numpy as np

from cim.crs import transform_xy
from cim.db import networks, profiles
from cim.db.engine import Connection
from cim.db.network_draft import draft
from cim.errors import InvalidParameterError, NotFoundError
from cim.exchange.epanet_new import Assumptions
from cim.exchange.network_inp import Written, write_epanet, write_swmm
from cim.exchange.network_tables import write_cjj61, write_package

FORMATS = ("epanet", "swmm", "cjj61", "gpkg")
_NODES = """SELECT code, survey_no, county_code, feature, appendage, type_code, ground_elevation_m, elevation_m, depth_m, owner, status,
        state, component_code, condition, maintainer, attributes, source_dataset, source_key,
        ST_X(geom) AS x, ST_Y(geom) AS y, ST_Z(geom) AS z,
        ST_AsBinary(geom) AS wkb
    FROM network_node WHERE kind = %s AND (%s::text IS NULL OR source_dataset = %s) ORDER BY code"""
_EDGES = """SELECT code, county_code, start_node, end_node, feature, type_code, diameter_mm, width_mm, height_mm, material, embedding,
        depth_reference, start_depth_m, end_depth_m, length_m, slope, flow_direction, pressure, voltage, n_cables, year_laid, roughness,
        roughness_kind, owner, status, state, component_code, condition, maintainer, attributes, source_dataset, source_key,
        ST_Z(ST_StartPoint(geom)) AS start_z, ST_Z(ST_EndPoint(geom)) AS end_z, ST_NPoints(geom) AS vertices, ST_AsBinary(geom) AS wkb
    FROM network_edge WHERE kind = %s AND (%s::text IS NULL OR source_dataset = %s) ORDER BY code"""


def _rows(connection: Connection, query: str, kind: str, dataset: str | None) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        rows = cursor.execute(query.encode(), [kind, dataset, dataset]).fetchall()
        names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in rows]


def export_network(
    connection: Connection, kind: str, dataset: str | None, form: str, path: Path, *, assumptions: Assumptions | None = None
) -> dict[str, Any]:
    """Write a network.

    Parameters
    ----------
    connection
        The store.
    kind
        Kind of network.
    dataset
        One dataset; None = all, for models the newest.
    form
        epanet, swmm: the model as received with the present diameters, lengths, levels, roughness and states, without what is abandoned;
        A water network that never was a model is drafted as one for EPANET;
        cjj61: tables with their profile, in the city's projected CRS; gpkg: every column.
    path
        File, or folder of the tables.
    assumptions
        For a draft: what the survey does not say.

    Returns
    -------
    dict
        Counts; for models the parts changed and removed.

    Raises
    ------
    NotFoundError
        There is no such network or model.
    InvalidParameterError
        Unknown format, a model of another engine, the folder is not empty, or a draft needs assumptions.
    IncompleteNetworkError
        A draft lacks data; names the parts.
    """
    if form not in FORMATS:
        raise InvalidParameterError("--format", form, f"one of {', '.join(FORMATS)}")
    if form == "epanet" and not networks.has_model(connection, kind, dataset):
        return _draft(connection, kind, dataset, path, assumptions)
    if form in ("epanet", "swmm"):
        return _model(connection, kind, dataset, form, path)
    points, lines = (_rows(connection, query, kind, dataset) for query in (_NODES, _EDGES))
    if not points:
        raise NotFoundError(f"no {kind} network{f' of dataset {dataset}' if dataset else ''} in the store", hint="cim network summary")
    if form == "gpkg":
        return {"written": str(path), **write_package(path, points, lines)}
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InvalidParameterError("--out", str(path), "a folder that is empty or not there")
    references = sorted({row["depth_reference"] for row in lines})
    if len(references) > 1:
        raise InvalidParameterError("--dataset", str(dataset), f"one dataset: depths run to {' and '.join(references)} here")
    city = profiles.fetch_profile(connection)
    _project(points, city.projected_crs)
    counts = write_cjj61(
        path, kind, points, lines, crs=city.projected_crs, vertical_datum=city.vertical_datum, county=points[0]["county_code"]
    )
    return {"written": str(path), **counts}


def _project(points: list[dict[str, Any]], crs: str) -> None:
    x, y = transform_xy("EPSG:4490", crs, np.array([r["x"] for r in points]), np.array([r["y"] for r in points]))
    for row, east, north in zip(points, x, y, strict=True):
        row |= {"x": float(east), "y": float(north)}


def _draft(connection: Connection, kind: str, dataset: str | None, path: Path, assumptions: Assumptions | None) -> dict[str, Any]:
    points, lines = (_rows(connection, query, kind, dataset) for query in (_NODES, _EDGES))
    if not points:
        raise NotFoundError(f"no {kind} network{f' of dataset {dataset}' if dataset else ''} in the store", hint="cim network summary")
    _project(points, profiles.fetch_profile(connection).projected_crs)
    made, report = draft(points, lines, assumptions, kind=kind, dataset=dataset)
    _write(path, made.text.encode())
    return {"written": str(path), **report}


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def current_model(connection: Connection, kind: str, dataset: str | None, form: str) -> tuple[str, Written, bytes, tuple[int, int]]:
    """Return a model with the present state of its parts: dataset, what was written, its bytes, number of points and lines.

    Raises
    ------
    NotFoundError
        There is no model.
    InvalidParameterError
        It is for another engine.
    """
    name, stored, content = networks.fetch_model(connection, kind, dataset)
    if stored != form:
        raise InvalidParameterError("--format", form, f"{stored}, the format of the model {name}")
    nodes = {row["source_key"]: row for row in _rows(connection, _NODES, kind, name)}
    edges = {row["source_key"]: {**row, "length_m": row["attributes"].get("length_m")} for row in _rows(connection, _EDGES, kind, name)}
    try:
        text, encoding = content.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        text, encoding = content.decode("latin-1"), "latin-1"
    made = (write_epanet if form == "epanet" else write_swmm)(text, nodes, edges)
    return name, made, made.text.encode(encoding), (len(nodes), len(edges))


def _model(connection: Connection, kind: str, dataset: str | None, form: str, path: Path) -> dict[str, Any]:
    name, made, content, (points, lines) = current_model(connection, kind, dataset, form)
    _write(path, content)
    return {
        "written": str(path), "model": name, "points": points, "lines": lines, "changed": sorted(made.changed), "removed": made.removed,
        "still_named_by_controls": made.mentioned,
    }  # fmt: skip
