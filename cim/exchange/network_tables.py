"""Networks as CJJ 61 point and line tables with the profile that reads them back, and as a GeoPackage with every column."""

import csv
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio

PREFIX = {"water": "JS", "rainwater": "YS", "sewage": "WS", "gas": "RQ", "heat": "RL", "power": "GD", "lighting": "LD", "telecom": "TX",
          "road": "DL", "tunnel": "ZH"}  # fmt: skip
_POINT = ("EXP_NO", "X", "Y", "HIGH", "CODE", "FEATURE", "SUBSID", "WELLDEEP", "BELONG", "CIM_CODE")
_LINE = (
    "LNO", "TYPE", "S_EXP", "S_X", "S_Y", "S_DEEP", "E_EXP", "E_X", "E_Y", "E_DEEP", "MATERIAL", "PSIZE", "EMBED", "FLOWDIR", "PRESSURE",
    "VOLTAGE", "CABNUM", "BELONG", "MDATE", "USTATUS", "CIM_CODE",
)  # fmt: skip
_FLOW = {1: "start-to-end", -1: "end-to-start", 0: ""}


def _size(row: Mapping[str, Any]) -> str:
    if row["diameter_mm"] is not None:
        return f"DN{row['diameter_mm']:.10g}"
    if row["width_mm"] is not None and row["height_mm"] is not None:
        return f"{row['width_mm']:.10g}X{row['height_mm']:.10g}"
    return ""


def _told(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def write_cjj61(
    folder: Path, kind: str, points: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]], *, crs: str, vertical_datum: str,
    county: str,
) -> dict[str, int]:  # fmt: skip
    """Write ``XXPOINT.csv``, ``XXLINE.csv`` and ``profile.yaml`` into a folder; it appears whole or not at all.

    Parameters
    ----------
    folder
        Must not exist, or be empty.
    kind
        Kind of network.
    points, lines
        Rows of the store with ``x``, ``y`` [m] (points), ``start_z``, ``end_z`` and ``vertices`` (lines).
    crs, vertical_datum, county
        For the profile. X is the easting.

    Returns
    -------
    dict
        points, lines, straightened (lines with inner vertices, which the tables have no room for), without_ground (points whose ground is
        not known: HIGH is their own level).
    """
    at = {row["code"]: row for row in points}
    high = {row["code"]: _ground(row) for row in points}
    number = {row["code"]: row["survey_no"] for row in points}
    if len(set(number.values())) != len(number):
        number = {code: code for code in number}
    keys = [row["source_key"] for row in lines]
    line_key = keys if len(set(keys)) == len(keys) and None not in keys else [row["code"] for row in lines]
    rows = []
    for key, row in zip(line_key, lines, strict=True):
        start, end = at[row["start_node"]], at[row["end_node"]]
        depth = [
            told if told is not None else high[node["code"]] - z
            for told, node, z in ((row["start_depth_m"], start, row["start_z"]), (row["end_depth_m"], end, row["end_z"]))
        ]
        rows.append((
            key, row["type_code"] or "", number[start["code"]], f"{start['x']:.4f}", f"{start['y']:.4f}", f"{depth[0]:.3f}",
            number[end["code"]], f"{end['x']:.4f}", f"{end['y']:.4f}", f"{depth[1]:.3f}", row["material"] or "", _size(row),
            row["embedding"] or "", _FLOW[row["flow_direction"] or 0], row["pressure"] or "", row["voltage"] or "",
            "" if row["n_cables"] is None else row["n_cables"], row["owner"] or "", row["year_laid"] or "", row["status"], row["code"],
        ))  # fmt: skip
    made = [
        (number[row["code"]], f"{row['x']:.4f}", f"{row['y']:.4f}", f"{high[row['code']]:.3f}", row["type_code"] or "",
         row["feature"] or "", row["appendage"] or "", _told(row["depth_m"]), row["owner"] or "", row["code"])
        for row in points
    ]  # fmt: skip
    prefix = PREFIX[kind]
    reference = lines[0]["depth_reference"] if lines else "crown"
    profile = {
        "profile": folder.name, "crs": crs, "axis": "easting-northing", "vertical_datum": vertical_datum, "county_code": county,
        "kinds": {prefix: {"kind": kind, "points": f"{prefix}POINT.csv", "lines": f"{prefix}LINE.csv", "depth_reference": reference}},
        "points": {}, "lines": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        part = Path(scratch) / "tables"
        part.mkdir()
        for name, head, body in ((f"{prefix}POINT.csv", _POINT, made), (f"{prefix}LINE.csv", _LINE, rows)):
            with (part / name).open("w", encoding="utf-8", newline="") as handle:
                writer = csv.writer(handle)
                writer.writerow(head)
                writer.writerows(body)
        # JSON is YAML.
        (part / "profile.yaml").write_text(json.dumps(profile, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        shutil.move(part, folder)
    return {
        "points": len(made), "lines": len(rows), "straightened": sum(row["vertices"] > 2 for row in lines),
        "without_ground": sum(row["ground_elevation_m"] is None for row in points),
    }  # fmt: skip


def _ground(row: Mapping[str, Any]) -> float:
    if row["ground_elevation_m"] is not None:
        return float(row["ground_elevation_m"])
    level = row["elevation_m"] if row["elevation_m"] is not None else row["z"]
    return float(level) + float(row["depth_m"] or 0.0)


def write_package(path: Path, points: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Write all columns as the layers ``lines`` and ``points`` (EPSG:4490, z [m]); the file appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        part = Path(scratch) / path.name
        for layer, rows, kind in (("lines", lines, "LineString Z"), ("points", points, "Point Z")):
            names = [name for name in (rows[0] if rows else {"code": None}) if name not in ("wkb", "x", "y", "z", "vertices")]
            columns = {name: [_cell(row[name]) for row in rows] for name in names}
            arrays = {name: pa.array(column) for name, column in columns.items()}
            arrays = {name: column.cast(pa.string()) if pa.types.is_null(column.type) else column for name, column in arrays.items()}
            made = pa.table({**arrays, "geom": pa.array([row["wkb"] for row in rows], pa.binary())})
            pyogrio.write_arrow(
                made, part, layer=layer, driver="GPKG", geometry_name="geom", geometry_type=kind, crs="EPSG:4490", append=part.exists()
            )  # fmt: skip
        part.replace(path)
    return {"points": len(points), "lines": len(lines)}


def _cell(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
