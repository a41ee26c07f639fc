"""As-built acceptance: what a model of the completion stage says about its building, beside what the register says."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import shapely

from cim.db import succession
from cim.db.engine import Connection
from cim.errors import ConflictError, NotFoundError

SOURCE = "completion"
"""Kind of source that the values are written as, see `cim.db.tables.stewardship.SOURCES`."""
LEAST_OVERLAP = 0.3
_SAME_HEIGHT_M = 0.05
_SAME_OUTLINE = 0.98
_LOWEST_STOREY_M = 1.8


@dataclass(frozen=True)
class Proposal:
    """What an acceptance would change.

    Parameters
    ----------
    model, building
        Codes.
    values
        Attribute → old and new value, where they differ.
    outline
        New footprint (EPSG:4490), None where it stays.
    overlap
        Intersection over union of the new outline and the footprint, None without an outline.
    notes
        Why something is not proposed.
    """

    model: str
    building: str
    values: dict[str, tuple[Any, Any]]
    outline: Any
    overlap: float | None
    notes: list[str] = field(default_factory=list)


def propose(connection: Connection, model: str) -> Proposal:
    """Compare a model of the completion stage with its building.

    Raises
    ------
    NotFoundError
        No model has this code.
    ConflictError
        It is not of the completion stage, not bound to a building, or not placed.
    """
    row = connection.execute(
        "SELECT building_code, stage, base_elevation_m + height_m, ST_AsBinary(geom) FROM bim_model WHERE code = %s", [model]
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no BIM model has the code {model!r}", hint="cim bim list")
    building, stage, top_m, outline = row
    if stage != "completion":
        raise ConflictError(
            f"model {model}: found stage {stage}, expected completion", hint="upload the as-built model: --stage completion"
        )
    if building is None:
        raise ConflictError(f"model {model}: is bound to no building", hint=f"cim bim bind {model} CODE; cim bim review lists candidates")
    found = succession.fetch_building(connection, building)
    notes: list[str] = []
    new: dict[str, Any] = _storeys(connection, model, notes)
    if top_m is None or outline is None:
        raise ConflictError(f"model {model}: has no place and no height", hint=f"cim bim show {model}")
    ground = found["ground_elevation_m"]
    if ground is None:
        notes.append("height_m: the register has no ground elevation of the building")
    elif top_m - ground <= 0:
        notes.append(f"height_m: the model ends {ground - top_m:.2f} m below the ground of the register ({ground:.2f} m)")
    else:
        new["height_m"] = round(top_m - ground, 2)
    values = {name: (found[name], value) for name, value in new.items() if _differs(found[name], value)}
    shape, overlap = _outline(connection, model, outline, found["shape"], notes)
    return Proposal(model, building, values, shape, overlap, notes)


def _differs(old: Any, new: Any) -> bool:  # noqa: ANN401 - any attribute
    return abs(old - new) > _SAME_HEIGHT_M if isinstance(old, float) and isinstance(new, float) else bool(old != new)


def _storeys(connection: Connection, model: str, notes: list[str]) -> dict[str, Any]:
    """Count storeys: those with rooms where the model has rooms, else those of the height of a room."""
    rows = connection.execute(
        """SELECT s.code, coalesce(s.number, CASE WHEN s.elevation_m < -1.5 THEN -1 ELSE 1 END) AS number, s.elevation_m,
                  lead(s.elevation_m) OVER (ORDER BY s.elevation_m) - s.elevation_m AS rise,
                  (SELECT count(*) FROM bim_space p WHERE p.storey_code = s.code) AS spaces
           FROM bim_storey s WHERE s.model_code = %s AND s.n_elements > 0 ORDER BY s.elevation_m""",
        [model],
    ).fetchall()
    if not rows:
        notes.append("storeys_above, storeys_below: the model has no storeys")
        return {}
    has_rooms = any(row[4] for row in rows)
    used = [row for row in rows if (row[4] if has_rooms else row[3] is not None and row[3] >= _LOWEST_STOREY_M)]
    if not used:
        notes.append("storeys_above, storeys_below: no storey of the model has rooms or the height of one")
        return {}
    return {"storeys_above": sum(row[1] > 0 for row in used), "storeys_below": sum(row[1] < 0 for row in used)}


def _outline(connection: Connection, model: str, whole: bytes, old: Any, notes: list[str]) -> tuple[Any, float | None]:  # noqa: ANN401 - shapely
    row = connection.execute(
        """SELECT ST_AsBinary(geom) FROM bim_storey
           WHERE model_code = %s AND geom IS NOT NULL AND coalesce(number, 1) > 0 AND n_elements > 0
           ORDER BY number NULLS LAST, elevation_m LIMIT 1""",
        [model],
    ).fetchone()
    shape = shapely.make_valid(shapely.from_wkb(bytes(row[0] if row else whole)))
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    # Gaps between elements are no courtyards of a footprint.
    shape = shapely.union_all([shapely.Polygon(part.exterior) for part in parts]) if parts else None
    if shape is None or old is None or old.is_empty:
        return None, None
    overlap = float(shapely.area(shapely.intersection(shape, old)) / shapely.area(shapely.union(shape, old)))
    if overlap < LEAST_OVERLAP:
        notes.append(f"footprint: the model covers it with IoU {overlap:.2f}, expected at least {LEAST_OVERLAP}; check the place first")
        return None, overlap
    return (None if overlap >= _SAME_OUTLINE else shape), overlap


def accept(connection: Connection, proposal: Proposal, change_set: UUID, only: set[str]) -> dict[str, tuple[Any, Any]]:
    """Write a proposal; see `cim.db.succession.edit`.

    Parameters
    ----------
    only
        Attributes to take, ``footprint`` for the outline.

    Raises
    ------
    ConflictError
        A source with more authority has set one of them.
    """
    values = {name: new for name, (_, new) in proposal.values.items() if name in only}
    outline = proposal.outline if "footprint" in only else None
    return succession.edit(connection, proposal.building, values, SOURCE, change_set, outline=outline)
