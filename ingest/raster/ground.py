"""What a new terrain changes: the ground of buildings, of network points that followed the terrain before, and of BIM models."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np

from cim.db import rasters as rows
from cim.db.engine import Connection
from cim.db.rasters import stored_rasters
from cim.errors import StoreError
from cim.geometry.footprint import footprints_from_wkb
from cim.raster.surface import Surface
from cim.settings import Settings

_SAME_M = 0.002
"""A point whose ground differs by less from the terrain took it from there: heights are kept to the millimetre."""


@dataclass(frozen=True)
class Changed:
    """How many things have a new ground."""

    buildings: int = 0
    network_points: int = 0
    models: int = 0


def update_ground(connection: Connection, before: Sequence[Path], after: Sequence[Path], footprint: str, change_set: UUID) -> Changed:
    """Write the ground of everything inside a box by the terrain as it is now.

    Parameters
    ----------
    before, after
        Elevation rasters before and after the change, the preferred one first.
    footprint
        Box as hexadecimal EWKB, EPSG:4490.

    Notes
    -----
    Surveyed ground of network points stays: only points without ground, and those that have the ground of the terrain before, follow. The
    line stays where it is, so their depth changes.
    """
    surface = Surface(after)
    return Changed(
        _buildings(connection, surface, footprint, change_set),
        _points(connection, Surface([path for path in before if path.exists()]), surface, footprint, change_set),
        update_models(connection, surface, change_set, footprint=footprint),
    )


def _buildings(connection: Connection, surface: Surface, footprint: str, change_set: UUID) -> int:
    codes, shapes = rows.fetch_footprints(connection, footprint)
    if not codes:
        return 0
    ground = surface.under(footprints_from_wkb(shapes))
    return rows.update_ground(connection, codes, (ground.low, ground.mean, ground.high), change_set)


def _points(connection: Connection, before: Surface, after: Surface, footprint: str, change_set: UUID) -> int:
    kinds, codes, lon, lat, known = rows.fetch_points(connection, footprint)
    if not codes:
        return 0
    old, new = before.elevations(lon, lat), after.elevations(lon, lat)
    with np.errstate(invalid="ignore"):
        follows = np.isnan(known) | (np.abs(known - old) <= _SAME_M)
        at = np.flatnonzero(follows & ~np.isnan(new) & ~(np.abs(known - new) <= _SAME_M))
    chosen = [kinds[n] for n in at], [codes[n] for n in at]
    return rows.update_point_ground(connection, *chosen, np.round(new[at], 3), change_set)


def of_new_model(connection: Connection, settings: Settings, code: str) -> None:
    """Write the ground under a model that was just loaded; it stays unknown while the file of a stored raster is gone."""
    try:
        paths = stored_rasters(connection, settings)
    except StoreError:
        return
    update_models(connection, Surface(paths), None, code=code)


def update_models(
    connection: Connection, surface: Surface, change_set: UUID | None, *, footprint: str | None = None, code: str | None = None
) -> int:
    """Write the ground under the outline of placed BIM models; return how many changed.

    Parameters
    ----------
    change_set
        What changes them; None = the one that wrote them, of which the followers of the outbox know already.
    footprint
        Only models that touch this box (hexadecimal EWKB, EPSG:4490).
    code
        Only this model.
    """
    codes, shapes = rows.fetch_model_outlines(connection, footprint=footprint, code=code)
    if not codes:
        return 0
    ground = surface.under(footprints_from_wkb(shapes))
    return rows.update_model_ground(connection, codes, (ground.low, ground.mean, ground.high), change_set)
