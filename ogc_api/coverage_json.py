"""CoverageJSON (OGC 21-069r2) of grids and points."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.crs import parse_crs
from cim.db.published_rasters import PublishedRaster
from cim.raster.pieces import Piece
from ogc_api.crs import CRS84

DECIMALS = 4
"""Of values in JSON: a tenth of a millimetre."""
MEDIA_TYPE = "application/vnd.cov+json"
_COLOURS = (("red", "Red", "红"), ("green", "Green", "绿"), ("blue", "Blue", "蓝"), ("nir", "Band 4", "第 4 波段"))


def fields(raster: PublishedRaster) -> dict[str, int]:
    """Return the names of the values of a raster with their bands, from 1."""
    if raster.is_terrain:
        return {"ground_elevation_m": 1}
    if raster.n_bands in (3, 4):
        names = [one[0] for one in _COLOURS]
        return {name if name != "nir" else "band4": n + 1 for n, name in enumerate(names[: raster.n_bands])}
    return {f"band{n + 1}": n + 1 for n in range(raster.n_bands)}


def field_titles(name: str) -> tuple[str, str]:
    """Return the name of a value for people, English and Chinese."""
    if name == "ground_elevation_m":
        return "Ground elevation", "地面高程"
    return next(((english, chinese) for key, english, chinese in _COLOURS if key == name), (f"Band {name[4:]}", f"第 {name[4:]} 波段"))


def parameters(raster: PublishedRaster) -> dict[str, Any]:
    """Return the parameters of a raster: names in English and Chinese, unit (UCUM), vertical datum."""
    made = {}
    for name in fields(raster):
        english, chinese = field_titles(name)
        one: dict[str, Any] = {"type": "Parameter", "observedProperty": {"label": {"en": english, "zh": chinese}}}
        if raster.is_terrain:
            one["unit"] = {"label": {"en": "metre", "zh": "米"}, "symbol": {"value": "m", "type": "http://www.opengis.net/def/uom/UCUM/"}}
            one["description"] = {"en": f"normal height above {raster.vertical_datum}", "zh": f"相对 {raster.vertical_datum} 的正常高"}
        made[name] = one
    return made


def reference(crs: str) -> dict[str, Any]:
    """Return how x and y refer to a CRS; coordinates are named in the axis order of the authority.

    Parameters
    ----------
    crs
        CRS84 URI, EPSG:n or WKT.
    """
    known = parse_crs(crs)
    turned = crs != CRS84 and str(known.axis_info[0].direction) in {"north", "south"}
    system: dict[str, Any] = {"type": "GeographicCRS" if known.is_geographic else "ProjectedCRS"}
    if crs.startswith("EPSG:"):
        system["id"] = f"http://www.opengis.net/def/crs/EPSG/0/{crs.removeprefix('EPSG:')}"
    elif crs.startswith("http"):
        system["id"] = crs
    else:
        system["description"] = {"en": known.to_wkt()}
    return {"coordinates": ["y", "x"] if turned else ["x", "y"], "system": system}


def of_grid(piece: Piece, raster: PublishedRaster, names: list[str]) -> dict[str, Any]:
    """Return a coverage of domain type Grid; axes at the centres of the cells."""
    frame = piece.frame
    x, y = frame.x, frame.y
    domain = {
        "type": "Domain",
        "domainType": "Grid",
        "axes": {
            "x": {"start": float(x[0]), "stop": float(x[-1]), "num": len(x)},
            "y": {"start": float(y[0]), "stop": float(y[-1]), "num": len(y)},
        },
        "referencing": [reference(frame.crs)],
    }
    ranges = {
        name: _array(values, ["y", "x"], [frame.height, frame.width]) for name, values in zip(names, piece.values, strict=True)
    }  # fmt: skip
    return _coverage(domain, raster, names, ranges)


def of_points(
    x: NDArray[np.float64], y: NDArray[np.float64], crs: str, values: "np.ma.MaskedArray[Any, Any]", raster: PublishedRaster,
    names: list[str],
) -> dict[str, Any]:  # fmt: skip
    """Return a coverage of domain type Point or MultiPoint (in the order of the positions).

    Parameters
    ----------
    x, y
        Positions, shape (n,).
    crs
        Their CRS: CRS84 URI, EPSG:n.
    values
        Shape (len(names), n).
    """
    if len(x) == 1:
        domain: dict[str, Any] = {
            "type": "Domain", "domainType": "Point", "axes": {"x": {"values": [float(x[0])]}, "y": {"values": [float(y[0])]}},
            "referencing": [reference(crs)],
        }  # fmt: skip
        axes: tuple[list[str], list[int]] = ([], [])
    else:
        places = np.column_stack((x, y)).tolist()
        domain = {
            "type": "Domain", "domainType": "MultiPoint",
            "axes": {"composite": {"dataType": "tuple", "coordinates": ["x", "y"], "values": places}},
            "referencing": [reference(crs)],
        }  # fmt: skip
        axes = (["composite"], [len(x)])
    return _coverage(domain, raster, names, {name: _array(one, *axes) for name, one in zip(names, values, strict=True)})


def _coverage(domain: dict[str, Any], raster: PublishedRaster, names: list[str], ranges: dict[str, Any]) -> dict[str, Any]:
    known = parameters(raster)
    return {"type": "Coverage", "domain": domain, "parameters": {name: known[name] for name in names}, "ranges": ranges}


def _array(values: "np.ma.MaskedArray[Any, Any]", axes: list[str], shape: list[int]) -> dict[str, Any]:
    flat = values.ravel()
    kind = "float" if values.dtype.kind == "f" else "integer"
    plain = [None if v is None else round(v, DECIMALS) for v in flat.tolist()] if kind == "float" else flat.tolist()
    made: dict[str, Any] = {"type": "NdArray", "dataType": kind, "values": plain}
    return {**made, "axisNames": axes, "shape": shape} if axes else made
