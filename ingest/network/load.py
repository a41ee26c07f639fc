"""``cim ingest network``: point and line tables of one or more kinds into one network model."""

import math
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from cim.clock import utc_now
from cim.crs import STORE_SRID, parse_crs, transform_xy
from cim.db import divisions, networks, profiles
from cim.db.codes import reserve_sequences
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.errors import GeometryError, MappingError
from cim.settings import Settings
from ingest import pipeline
from ingest.network.mapping import LINE_COLUMNS, POINT_COLUMNS, Edge, Node, content_hash, map_edges, map_nodes
from ingest.network.profile import KindTables, NetworkProfile, read_network_profile
from ingest.rejects import RejectLog
from ingest.source import require_file, sha256_of
from ingest.table import read_csv, require_records

_PREFIX = {
    "water": "WA", "rainwater": "RA", "sewage": "SE", "gas": "GA", "heat": "HE", "power": "PO", "lighting": "LI",
    "telecom": "TE", "road": "RO",
}  # fmt: skip
_MARGIN_DEG = 0.01


def ingest_network(
    settings: Settings, paths: list[Path], profile_path: Path, *, name: str | None, synthetic: bool, dry_run: bool
) -> list[pipeline.Outcome]:
    """Load the point and line tables of every kind that is complete among the files.

    Parameters
    ----------
    settings
        Names the store.
    paths
        CSV tables, named as the profile says.
    profile_path
        Network profile.
    name
        Prefix of the dataset names, default: the profile's name.
    synthetic
        The networks are generated.
    dry_run
        Check only.

    Returns
    -------
    list
        One outcome per kind; each kind is one dataset and one transaction.

    Raises
    ------
    SourceError
        A file or the profile cannot be used; nothing of that kind is written.
    """
    for path in paths:
        require_file(path)
    profile = read_network_profile(profile_path)
    by_name = {path.name: path for path in paths}
    used = {table for kind in profile.kinds.values() for table in (kind.points, kind.lines)}
    strangers = sorted(set(by_name) - used)
    if strangers:
        raise MappingError(by_name[strangers[0]], f"is no table of profile {profile.profile}; expected {', '.join(sorted(used))}")
    outcomes = []
    for tables in profile.kinds.values():
        points, lines = by_name.get(tables.points), by_name.get(tables.lines)
        if points is None and lines is None:
            continue
        if points is None or lines is None:
            present = points or lines or profile_path
            raise MappingError(present, f"its partner {tables.lines if points else tables.points} is missing", hint="give both tables")
        outcomes.append(_ingest_kind(settings, points, lines, tables, profile, profile_path, name, synthetic=synthetic, dry_run=dry_run))
    return outcomes


def _ingest_kind(
    settings: Settings,
    points: Path,
    lines: Path,
    tables: KindTables,
    profile: NetworkProfile,
    profile_path: Path,
    name: str | None,
    *,
    synthetic: bool,
    dry_run: bool,
) -> pipeline.Outcome:
    dataset = f"{name or profile.profile}-{tables.kind}"
    sha256 = sha256_of(points, lines, profile_path)
    info = DatasetInfo("network", dataset, f"{points.name}, {lines.name}", sha256, profile.crs, profile.encoding, is_synthetic=synthetic)
    earlier = pipeline.already_loaded(settings, info)
    if earlier is not None:
        return earlier
    point_rows, _ = read_csv(points, POINT_COLUMNS, encoding=profile.encoding)
    require_records(points, point_rows)
    line_rows, _ = read_csv(lines, LINE_COLUMNS, encoding=profile.encoding)

    def load(connection: Connection, _: UUID, change_set: UUID, log: RejectLog) -> tuple[Counts, dict[str, Any]]:
        city = profiles.fetch_profile(connection)
        if not parse_crs(profile.vertical_datum).equals(parse_crs(city.vertical_datum)):
            raise MappingError(
                profile_path,
                f"found {profile.vertical_datum}, but the city keeps its elevations in {city.vertical_datum}",
                where="vertical_datum",
                hint=f"convert the elevations to {city.vertical_datum}",
            )
        nodes = map_nodes(point_rows, points.name, profile, log)
        edges = map_edges(line_rows, lines.name, tables, profile, nodes, log)
        lonlat = _positions(nodes, profile, points, divisions.fetch_extent(connection))
        writer = _Writer(connection, info, tables, profile, change_set)
        touched = writer.write_nodes(nodes, lonlat) + writer.write_edges(edges, nodes, lonlat)
        counts = Counts(len(point_rows) + len(line_rows), touched, len(nodes) + len(edges) - touched, len(log.rejects))
        missing = networks.count_missing(connection, "network_node", tables.kind, dataset, [row["EXP_NO"] for row in point_rows])
        missing += networks.count_missing(connection, "network_edge", tables.kind, dataset, [row["LNO"] for row in line_rows])
        return counts, {"kind_of_network": tables.kind, "points": len(nodes), "lines": len(edges), "missing_from_source": missing}

    return pipeline.run(settings, info, load, reason=f"{tables.kind} network from {info.source}", dry_run=dry_run)


def _positions(
    nodes: dict[str, Node], profile: NetworkProfile, path: Path, extent: tuple[float, float, float, float] | None
) -> dict[str, tuple[float, float]]:
    if not nodes:
        return {}
    x, y = np.array([node.x for node in nodes.values()]), np.array([node.y for node in nodes.values()])
    lon, lat = transform_xy(profile.crs, "EPSG:4490", x, y)
    box = extent or (73.0, 3.0, 136.0, 54.0)
    inside = (lon >= box[0] - _MARGIN_DEG) & (lon <= box[2] + _MARGIN_DEG) & (lat >= box[1] - _MARGIN_DEG) & (lat <= box[3] + _MARGIN_DEG)
    if not np.isfinite(lon).all() or inside.mean() < 0.5:
        raise GeometryError(
            path,
            f"{int((~inside).sum())} of {len(nodes)} points lie outside the city (first: X {x[0]:.1f}, Y {y[0]:.1f} in {profile.crs})",
            hint=f"check axis ({profile.axis}) and crs in the profile",
        )
    return {name: (float(a), float(b)) for name, a, b in zip(nodes, lon, lat, strict=True)}


class _Writer:
    """Writes one kind of one dataset."""

    def __init__(self, connection: Connection, info: DatasetInfo, tables: KindTables, profile: NetworkProfile, change_set: UUID) -> None:
        self._connection, self._info, self._tables, self._profile, self._change_set = connection, info, tables, profile, change_set
        self._codes: dict[str, str] = {}

    def _issue(self, letter: str, names: list[str]) -> dict[str, str]:
        county, kind = self._profile.county_code, self._tables.kind
        numbers = reserve_sequences(self._connection, "CIM-NET-v1", [f"{kind}:{letter}:{county}"] * len(names), utc_now().year)
        year = utc_now().year
        return {name: f"{_PREFIX[kind]}{county}-{letter}{year}{number:06d}" for name, number in zip(names, numbers, strict=True)}

    def write_nodes(self, nodes: dict[str, Node], lonlat: dict[str, tuple[float, float]]) -> int:
        """Write new and changed points; a row is compared as mapped, so a corrected profile counts as a change."""
        kind = self._tables.kind
        known = networks.fetch_known(self._connection, "network_node", kind, self._info.name)
        mapped = {}
        for name, node in nodes.items():
            lon, lat = lonlat[name]
            elevation = node.ground - node.depth
            mapped[name] = (
                node.feature, node.appendage, node.row.get("CODE"), node.ground, elevation, node.depth, node.row.get("BELONG") or None,
                "in_use", _point(lon, lat, elevation), _kept(node.row, ("SURFBLDG", "MDATE", "NOTE")),
            )  # fmt: skip
        hashes = {name: content_hash([self._profile.county_code, *values]) for name, values in mapped.items()}
        touched = [name for name in nodes if known.get(name, ("", None))[1] != hashes[name]]
        issued = self._issue("N", [name for name in touched if name not in known])
        self._codes = {name: code for name, (code, _) in known.items()} | issued
        rows = [
            (kind, self._codes[name], self._county(known, name), name, *mapped[name][:-1], Jsonb(mapped[name][-1]), self._info.name, name,
             hashes[name])
            for name in touched
        ]  # fmt: skip
        networks.load_nodes(self._connection, rows, self._change_set)
        return len(touched)

    def write_edges(self, edges: list[Edge], nodes: dict[str, Node], lonlat: dict[str, tuple[float, float]]) -> int:
        """Write new and changed lines; a moved end point changes its lines too."""
        kind = self._tables.kind
        known = networks.fetch_known(self._connection, "network_edge", kind, self._info.name)
        mapped = {edge.no: self._edge(edge, nodes, lonlat) for edge in edges}
        hashes = {no: content_hash(values) for no, values in mapped.items()}
        touched = [edge.no for edge in edges if known.get(edge.no, ("", None))[1] != hashes[edge.no]]
        codes = {name: code for name, (code, _) in known.items()} | self._issue("L", [no for no in touched if no not in known])
        rows = [
            (kind, codes[no], self._county(known, no), *mapped[no][:-1], Jsonb(mapped[no][-1]), self._info.name, no, hashes[no])
            for no in touched
        ]
        networks.load_edges(self._connection, rows, self._change_set)
        return len(touched)

    def _county(self, known: dict[str, tuple[str, str | None]], name: str) -> str:
        """Return the county frozen in the code of a known part, the profile's for a new one."""
        return known[name][0][2:8] if name in known else self._profile.county_code

    def _edge(self, edge: Edge, nodes: dict[str, Node], lonlat: dict[str, tuple[float, float]]) -> tuple[Any, ...]:
        a, b = nodes[edge.start], nodes[edge.end]
        z = np.array([a.ground - edge.start_depth, b.ground - edge.end_depth])
        length = math.sqrt((a.x - b.x) ** 2 + (a.y - b.y) ** 2 + (z[0] - z[1]) ** 2)
        slope = float(z[0] - z[1]) / length * (edge.flow or 1) if length else None
        year = edge.row.get("MDATE", "")[:4]
        return (
            self._codes[edge.start], self._codes[edge.end], edge.row.get("TYPE"), edge.diameter, edge.width, edge.height, edge.material,
            edge.embedding, self._tables.depth_reference, edge.start_depth, edge.end_depth, length, slope, edge.flow,
            edge.row.get("PRESSURE") or None, edge.row.get("VOLTAGE") or None, edge.n_cables, int(year) if year.isdecimal() else None,
            edge.row.get("BELONG") or None, edge.status, _line(lonlat[edge.start], lonlat[edge.end], z),
            _kept(edge.row, ("MDATE", "NOTE")),
        )  # fmt: skip


def _kept(row: dict[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: row[name] for name in names if row.get(name)}


def _point(lon: float, lat: float, z: float) -> str:
    return str(shapely.to_wkb(shapely.set_srid(shapely.points(lon, lat, z), STORE_SRID), hex=True, include_srid=True, output_dimension=3))


def _line(start: tuple[float, float], end: tuple[float, float], z: NDArray[np.float64]) -> str:
    line = shapely.linestrings([(*start, z[0]), (*end, z[1])])
    return str(shapely.to_wkb(shapely.set_srid(line, STORE_SRID), hex=True, include_srid=True, output_dimension=3))
