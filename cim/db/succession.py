"""Split, merge, demolish, rebuild, edit: buildings that follow each other, with lineage; codes are never changed or reused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from psycopg import sql
from psycopg.types.json import Jsonb

from cim.clock import utc_now
from cim.crs import transform_xy
from cim.db import divisions, profiles
from cim.db.buildings import VALUES
from cim.db.codes import issue_building_codes
from cim.db.engine import Connection
from cim.errors import ConflictError, GeometryError, InvalidParameterError, NotFoundError

ORIGIN_SPLIT_MERGE, ORIGIN_COMPLETION = "06", "03"
_GONE = ("demolished", "retired")
_TOLERANCE = 0.01
_SAME_DEG = 2e-9
"""Outlines nearer than this are one [deg]: coordinates are served with nine decimals."""
_GAP_M = 1.0
_SOURCE = "edit"
EDITABLE = tuple(name for name in VALUES if name not in ("geom", "attributes", "footprint_area_m2", "height_source", "safety_grade"))
"""Attributes that an edit can set; a safety grade comes from an appraisal, an outline from a survey, split or merge."""
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Succession:
    """What an operation did.

    Parameters
    ----------
    retired
        Codes that are no longer current.
    created
        New codes, in the order of the given parts.
    relinked_addresses
        Addresses that now point to another building.
    units
        Units that stay with a retired building and need a decision.
    """

    retired: list[str]
    created: list[str]
    relinked_addresses: int = 0
    units: int = 0


def fetch_building(connection: Connection, code: str) -> dict[str, Any]:
    """Return a building, locked, with its outline as shapely geometry (EPSG:4490 lon/lat [deg]).

    Raises
    ------
    NotFoundError
        No building has this code.
    """
    with connection.cursor() as cursor:
        row = cursor.execute(
            sql.SQL("SELECT {}, ST_AsBinary(geom) AS wkb FROM building WHERE code = %s FOR UPDATE").format(
                sql.SQL(", ").join(
                    map(sql.Identifier, ("code", "division_code", "source_dataset", "source_key", "attribute_sources", *VALUES))
                )
            ),
            [code],
        ).fetchone()
        names = [column.name for column in cursor.description or ()]
    if row is None:
        raise NotFoundError(f"building {code}: not in the register", hint=f"cim codes explain {code}")
    found = dict(zip(names, row, strict=True))
    found["shape"] = shapely.from_wkb(bytes(found.pop("wkb")))
    return found


def _standing(connection: Connection, code: str) -> dict[str, Any]:
    found = fetch_building(connection, code)
    if found["status"] in _GONE:
        raise ConflictError(
            f"building {code}: found status {found['status']}, expected a standing one", hint=f"cim changes list --code {code}"
        )
    return found


def _planar(connection: Connection, geometry: Any) -> Any:  # noqa: ANN401 - shapely geometry
    crs = profiles.fetch_profile(connection).projected_crs
    return shapely.transform(geometry, lambda xy: np.column_stack(transform_xy("EPSG:4490", crs, xy[:, 0], xy[:, 1])))


def split(
    connection: Connection, code: str, parts: Sequence[Any], change_set: UUID, *, reason: str, values: Sequence[Values] = ()
) -> Succession:
    """Divide a building into parts; the building is retired, every part gets a new code.

    Parameters
    ----------
    connection
        Inside a transaction.
    code
        The building.
    parts
        Outlines of the parts, EPSG:4490 lon/lat [deg]; together they cover the building's outline, without overlap (1 %).
    change_set, reason
        Written with every row.
    values
        Attributes per part that differ from the building's.

    Raises
    ------
    GeometryError
        The parts do not make up the building.
    """
    parent = _standing(connection, code)
    if len(parts) < 2:
        raise GeometryError("parts", f"found {len(parts)} part of building {code}, expected at least two")
    whole = _planar(connection, parent["shape"])
    pieces = [_planar(connection, part) for part in parts]
    areas = np.array([piece.area for piece in pieces])
    common = sum(shapely.intersection(a, b).area for i, a in enumerate(pieces) for b in pieces[i + 1 :])
    off = shapely.symmetric_difference(whole, shapely.union_all(pieces)).area
    if off > _TOLERANCE * whole.area or common > _TOLERANCE * whole.area:
        raise GeometryError(
            "parts", f"the parts cover {areas.sum():.2f} m2, differ from building {code} ({whole.area:.2f} m2) by {off:.2f} m2 and "
            f"overlap by {common:.2f} m2, expected at most {_TOLERANCE:.0%}", hint="cut the building's own outline",
        )  # fmt: skip
    floor = parent["floor_area_m2"]
    given = [
        {"floor_area_m2": None if floor is None else floor * area / areas.sum(), **(values[i] if i < len(values) else {})}
        for i, area in enumerate(areas)
    ]
    created = _create(connection, [parent] * len(parts), parts, areas, given, ORIGIN_SPLIT_MERGE, change_set)
    _retire(connection, [code], "retired", change_set)
    _lineage(connection, [(code, child) for child in created], "split", reason, change_set)
    return Succession([code], created, _relink(connection, [code], created, change_set), _count_units(connection, [code]))


def merge(connection: Connection, codes: Sequence[str], change_set: UUID, *, reason: str, values: Values | None = None) -> Succession:
    """Join touching buildings into one with a new code; attributes come from the largest, floor areas add up.

    Parameters
    ----------
    connection
        Inside a transaction.
    codes
        Two or more buildings, at most 1 m apart.
    change_set, reason
        Written with every row.
    values
        Attributes of the new building that differ.

    Raises
    ------
    ConflictError
        They are apart, the same, or not standing.
    """
    if len(set(codes)) < 2:
        raise ConflictError(f"merge of {', '.join(codes)}: expected two or more different buildings")
    parents = [_standing(connection, code) for code in sorted(set(codes))]
    planar = [_planar(connection, parent["shape"]) for parent in parents]
    joined = shapely.union_all([shapely.buffer(shape, _GAP_M / 2) for shape in planar])
    if joined.geom_type != "Polygon":
        raise ConflictError(f"merge of {', '.join(codes)}: they are more than {_GAP_M:g} m apart", hint="only touching buildings are one")
    outline = shapely.union_all([parent["shape"] for parent in parents])
    area = float(_planar(connection, outline).area)
    largest = parents[int(np.argmax([shape.area for shape in planar]))]
    floors = [parent["floor_area_m2"] for parent in parents]
    given = {"floor_area_m2": None if None in floors else sum(floors), **(values or {})}
    created = _create(connection, [largest], [outline], np.array([area]), [given], ORIGIN_SPLIT_MERGE, change_set)
    old = [parent["code"] for parent in parents]
    _retire(connection, old, "retired", change_set)
    _lineage(connection, [(code, created[0]) for code in old], "merge", reason, change_set)
    return Succession(old, created, _relink(connection, old, created, change_set), _count_units(connection, old))


def demolish(connection: Connection, codes: Sequence[str], change_set: UUID, *, reason: str) -> Succession:
    """Note that buildings are gone (灭失); their codes stay theirs for ever.

    Raises
    ------
    ConflictError
        One is gone already.
    """
    for code in codes:
        _standing(connection, code)
    _retire(connection, codes, "demolished", change_set)
    _lineage(connection, [(code, code) for code in codes], "demolish", reason, change_set)
    return Succession(list(codes), [], 0, _count_units(connection, codes))


def rebuild(
    connection: Connection,
    code: str,
    change_set: UUID,
    *,
    reason: str,
    outline: Any = None,  # noqa: ANN401 - shapely geometry
    values: Values | None = None,
) -> Succession:
    """Replace a building by a new one on its site: the old one is demolished, the new one gets a code of its own.

    Parameters
    ----------
    connection
        Inside a transaction.
    code
        The old building.
    change_set, reason
        Written with every row.
    outline
        New footprint, EPSG:4490 lon/lat [deg]; None = the old one.
    values
        Attributes of the new building; nothing but name, address and use is taken over.
    """
    parent = _standing(connection, code)
    shape = parent["shape"] if outline is None else outline
    if outline is not None and not shapely.intersects(shape, parent["shape"]):
        raise GeometryError("outline", f"does not touch building {code}, expected a building on its site")
    blank = {**dict.fromkeys(VALUES), **{name: parent[name] for name in ("name", "address", "use", "division_code", "code")}}
    blank |= {"attributes": {}, "status": "existing", "ground_elevation_m": parent["ground_elevation_m"]}
    area = np.array([_planar(connection, shape).area])
    created = _create(connection, [blank], [shape], area, [values or {}], ORIGIN_COMPLETION, change_set)
    _retire(connection, [code], "demolished", change_set)
    _lineage(connection, [(code, created[0])], "rebuild", reason, change_set)
    return Succession([code], created, _relink(connection, [code], created, change_set), _count_units(connection, [code]))


def create(connection: Connection, values: Values, outline: Any, change_set: UUID) -> str:  # noqa: ANN401 - shapely geometry
    """Enter a building that no survey has brought yet, and return the code it was given.

    Parameters
    ----------
    connection
        Inside a transaction.
    values
        Its attributes.
    outline
        Footprint, EPSG:4490 lon/lat [deg].
    change_set
        Written with the row.

    Raises
    ------
    GeometryError
        The footprint is not valid, or lies in no village or community of the store.
    """
    blank: dict[str, Any] = {**dict.fromkeys(VALUES), "division_code": None, "attributes": {}, "status": "existing"}
    given = {name: value for name, value in values.items() if value is not None}
    if "height_m" in given:
        blank["height_source"] = "surveyed"
    area = np.array([_planar(connection, outline).area])
    return _create(connection, [blank], [outline], area, [given], ORIGIN_COMPLETION, change_set)[0]


def edit(
    connection: Connection,
    code: str,
    values: Values,
    source: str,
    change_set: UUID,
    *,
    outline: Any = None,  # noqa: ANN401 - shapely geometry
) -> dict[str, tuple[Any, Any]]:
    """Set attributes and the outline of a building, if the source has the authority for them.

    Parameters
    ----------
    connection
        Inside a transaction.
    code
        The building.
    values
        New values.
    source
        Kind of source, see `cim.db.tables.stewardship.SOURCES`.
    change_set
        Written with the row.
    outline
        New footprint, EPSG:4490 lon/lat [deg]; None leaves it. Area and village follow it.

    Returns
    -------
    dict
        Attribute → old and new value, where they differ.

    Raises
    ------
    ConflictError
        A source with more authority has set one of them.
    """
    found = fetch_building(connection, code)
    ranks = _ranks(connection)
    changed = {name: (found[name], value) for name, value in values.items() if found[name] != value}
    if outline is not None and not shapely.equals_exact(shapely.normalize(_multi(outline)), shapely.normalize(found["shape"]), _SAME_DEG):
        changed["geom"] = (found["geom"], shapely.to_wkb(shapely.set_srid(_multi(outline), 4490), include_srid=True))
    for name in changed:
        holder = found["attribute_sources"].get(name, "census")
        if ranks.get((name, holder), 99) < ranks.get((name, source), 99):
            raise ConflictError(
                f"building {code}: {name} = {found[name]!r} comes from {holder}, which has more authority than {source}",
                hint=f"cim changes authority {name}",
            )
    if not changed:
        return {}
    sources = {**found["attribute_sources"], **dict.fromkeys(changed, source)}
    if "geom" in changed:
        village = divisions.fetch_areas(connection, 5).codes_at(np.asarray([shapely.point_on_surface(outline)], dtype=object))[0]
        changed["footprint_area_m2"] = (found["footprint_area_m2"], float(_planar(connection, outline).area))
        changed["division_code"] = (found["division_code"], village or found["division_code"])
    if "height_m" in changed:
        changed["height_source"] = (found["height_source"], "surveyed")
    connection.execute(
        sql.SQL(
            "UPDATE building SET {}, attribute_sources = %(sources)s, version = version + 1, recorded_at = now(), "
            "valid_from = greatest(now(), valid_from + interval '1 microsecond'), change_set_id = %(change_set)s WHERE code = %(code)s"
        ).format(sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in changed)),
        {**{name: new for name, (_, new) in changed.items()}, "sources": Jsonb(sources), "change_set": change_set, "code": code},
    )
    return changed


def _multi(shape: Any) -> Any:  # noqa: ANN401 - shapely geometry
    return shape if shape.geom_type == "MultiPolygon" else shapely.multipolygons([shape])


def _ranks(connection: Connection) -> dict[tuple[str, str], int]:
    rows = connection.execute("SELECT attribute, source, rank FROM attribute_authority WHERE collection = 'buildings'").fetchall()
    return {(row[0], row[1]): row[2] for row in rows}


def _create(
    connection: Connection,
    models: Sequence[Values],
    outlines: Sequence[Any],
    areas: Any,  # noqa: ANN401 - float array
    values: Sequence[Values],
    origin: str,
    change_set: UUID,
) -> list[str]:
    """Insert buildings after models; return their codes."""
    for given in values:
        for name in given:
            if name not in EDITABLE:
                raise InvalidParameterError(name, given[name], f"one of {', '.join(EDITABLE)}")
    shapes = [_multi(shape) for shape in outlines]
    for shape in shapes:
        if not shapely.is_valid(shape) or shape.area <= 0:
            raise GeometryError("outline", f"{shapely.is_valid_reason(shape)}, expected a valid polygon with an area")
    villages = divisions.fetch_areas(connection, 5).codes_at(np.asarray(shapely.point_on_surface(np.array(shapes, dtype=object))))
    areas12 = [village or model["division_code"] for village, model in zip(villages, models, strict=True)]
    if None in areas12:
        raise GeometryError("outline", "lies in no village or community of the store", hint="check its CRS; cim ingest divisions")
    order = sorted(range(len(shapes)), key=lambda i: areas12[i])
    issued = issue_building_codes(connection, [areas12[i] for i in order], utc_now().year, origin=origin)
    codes = [code for _, code in sorted(zip(order, issued, strict=True))]
    names = (
        "code",
        "code_scheme",
        "county_code",
        "division_code",
        *VALUES,
        "source_dataset",
        "source_key",
        "attribute_sources",
        "change_set_id",
    )
    statement = sql.SQL("INSERT INTO building ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join(map(sql.Placeholder, names))
    )
    for i, code in enumerate(codes):
        row = {**{name: models[i][name] for name in VALUES}, **values[i]}
        row |= {
            "code": code, "code_scheme": "CIM-BC27-v1", "county_code": areas12[i][:6], "division_code": areas12[i],
            "footprint_area_m2": float(areas[i]), "geom": shapely.to_wkb(shapely.set_srid(shapes[i], 4490), include_srid=True),
            "attributes": Jsonb(models[i]["attributes"] or {}), "source_dataset": None, "source_key": None,
            "attribute_sources": Jsonb(dict.fromkeys((*values[i], "geom", "status"), _SOURCE)), "change_set_id": change_set,
        }  # fmt: skip
        connection.execute(statement, row)
    return codes


def _retire(connection: Connection, codes: Sequence[str], status: str, change_set: UUID) -> None:
    # The operator's word on the status stands against later surveys of the same number.
    connection.execute(
        """UPDATE building SET status = %s, attribute_sources = attribute_sources || '{"status": "edit"}', version = version + 1,
                  valid_from = greatest(now(), valid_from + interval '1 microsecond'), recorded_at = now(), change_set_id = %s
           WHERE code = ANY(%s)""",
        [status, change_set, list(codes)],
    )


def _lineage(connection: Connection, pairs: Sequence[tuple[str, str]], operation: str, reason: str, change_set: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO building_lineage (parent_code, child_code, operation, reason, change_set_id) VALUES (%s, %s, %s, %s, %s)",
            [(parent, child, operation, reason, change_set) for parent, child in pairs],
        )


def _relink(connection: Connection, old: Sequence[str], new: Sequence[str], change_set: UUID) -> int:
    """Let the addresses of the old buildings point to the nearest of the new ones."""
    return connection.execute(
        """UPDATE address a SET building_code = n.code, match_method = 'succession', distance_m = n.distance_m, version = a.version + 1,
                  valid_from = greatest(now(), a.valid_from + interval '1 microsecond'), recorded_at = now(), change_set_id = %(change_set)s
           FROM address o CROSS JOIN LATERAL (
               SELECT b.code, ST_Distance(b.geom::geography, o.geom::geography) AS distance_m FROM building b
               WHERE b.code = ANY(%(new)s) ORDER BY 2, 1 LIMIT 1) n
           WHERE o.building_code = ANY(%(old)s) AND a.id = o.id""",
        {"old": list(old), "new": list(new), "change_set": change_set},
    ).rowcount


def _count_units(connection: Connection, codes: Sequence[str]) -> int:
    row = connection.execute("SELECT count(*) FROM unit WHERE building_code = ANY(%s) AND status = 'existing'", [list(codes)]).fetchone()
    return int(row[0]) if row else 0
