"""The footprint that ``--fit-to`` names, and the placement of a model laid onto it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from cim.crs import transform_xy
from cim.db import bim, profiles
from cim.db.engine import Connection
from cim.errors import ConflictError, GeometryError
from ingest.ifc.fit import MIN_FIT, fit_outline, fitted_placement, model_outline
from ingest.ifc.georef import PlaceOptions
from ingest.ifc.options import UploadOptions
from ingest.ifc.placement import Placement
from ingest.ifc.shapes import Mesh


@dataclass(frozen=True)
class FitTarget:
    """A footprint to lay a model onto.

    Parameters
    ----------
    code
        Building code.
    crs
        Projected CRS of the city.
    footprint
        Easting and northing [m] of ``crs``.
    ground_m
        Ground elevation of the building [m], or None.
    """

    code: str
    crs: str
    footprint: Any
    ground_m: float | None


def fetch_target(connection: Connection, options: UploadOptions) -> FitTarget | None:
    """Return the footprint the operator names, None where none is named.

    Raises
    ------
    ConflictError
        The register has no such building, or another place is given too.
    """
    if options.fit_to is None:
        return None
    if options.place != PlaceOptions():
        raise ConflictError("--fit-to finds the place itself, found --crs, --origin or --rotation too", hint="leave them out")
    found = bim.fetch_footprint(connection, options.fit_to)
    if found is None:
        raise ConflictError(f"--fit-to {options.fit_to}: the register has no such building with a footprint", hint="cim codes check CODE")
    crs = profiles.fetch_profile(connection).projected_crs
    ring = shapely.transform(shapely.from_wkb(found[0]), lambda xy: np.column_stack(transform_xy("EPSG:4490", crs, xy[:, 0], xy[:, 1])))
    return FitTarget(options.fit_to, crs, ring, found[1])


def lay_onto(path: Path, elements: list[dict[str, Any]], meshes: Mapping[int, Mesh], target: FitTarget) -> Placement:
    """Lay a model onto a footprint.

    Raises
    ------
    GeometryError
        The model has no outline, or it does not fit.
    """
    outline = model_outline(elements, dict(meshes))
    if outline is None or outline.is_empty:
        raise GeometryError(path, "no element has a shape with an outline, so that nothing can be fitted", hint="pass --crs and --origin")
    fit = fit_outline(outline, target.footprint)
    if fit.iou < MIN_FIT:
        raise GeometryError(
            path,
            f"fits the footprint of {target.code} with IoU {fit.iou:.2f}, expected at least {MIN_FIT} (outline of the model "
            f"{outline.area:.0f} m2, footprint {target.footprint.area:.0f} m2)",
            hint="check the code, or pass --crs, --origin and --rotation",
        )
    heights = [meshes[element["id"]].vertices[:, 2] for element in elements if element["id"] in meshes]
    base, top = min(float(z.min()) for z in heights), max(float(z.max()) for z in heights)
    return fitted_placement(fit, target.crs, target.code, target.ground_m, base, top)
