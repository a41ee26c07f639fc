"""Reading outlines that an operator draws: one polygon per feature, any format GDAL reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError

from cim.crs import transform_xy
from cim.errors import GeometryError, MissingCrsError, SourceSyntaxError


def read_outlines(path: Path) -> NDArray[Any]:
    """Return the polygons of a layer.

    Parameters
    ----------
    path
        GeoPackage, GeoJSON, FlatGeobuf or shapefile with one layer.

    Returns
    -------
    ndarray
        Polygons, EPSG:4490 lon/lat [deg], shape (n,), in the order of the features.

    Raises
    ------
    SourceSyntaxError
        The file cannot be read.
    MissingCrsError
        It names no CRS.
    GeometryError
        A feature is no valid polygon.
    """
    try:
        meta, _, wkb, _ = pyogrio.raw.read(path, columns=[])
    except (DataSourceError, DataLayerError) as error:
        raise SourceSyntaxError(path, str(error).splitlines()[0], hint="give a GeoPackage or GeoJSON with one layer of polygons") from error
    if meta["crs"] is None:
        raise MissingCrsError(path, "found no coordinate reference system, expected one", hint="save the layer with its CRS")
    shapes = np.asarray(shapely.force_2d(shapely.from_wkb(wkb)), dtype=object)
    for n, shape in enumerate(shapes, 1):
        if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon") or not shapely.is_valid(shape) or shape.area <= 0:
            found = "nothing" if shape is None else f"{shape.geom_type} ({shapely.is_valid_reason(shape)})"
            raise GeometryError(path, f"found {found}, expected a valid polygon", where=f"feature {n}")
    crs = str(meta["crs"])
    return np.asarray(shapely.transform(shapes, lambda xy: np.column_stack(transform_xy(crs, "EPSG:4490", xy[:, 0], xy[:, 1]))))
