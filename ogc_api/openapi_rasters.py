"""OpenAPI 3.0 paths of rasters: coverage, EDR queries, maps, map tiles."""

from collections.abc import Iterable
from typing import Any

from cim.raster.pictures import FORMATS, STYLES
from ogc_api.tile_matrix import MAP_GRIDS

_OBJECT = {"application/json": {"schema": {"type": "object"}}}
_COVJSON = {"application/vnd.cov+json": {"schema": {"type": "object"}}}
_TIFF = {"image/tiff; application=geotiff": {"schema": {"type": "string", "format": "binary"}}}
_GEOJSON = {"application/geo+json": {"schema": {"type": "object"}}}
_PICTURE = {media_type: {"schema": {"type": "string", "format": "binary"}} for _, media_type in FORMATS.values()}


def raster_ids(paths: Iterable[str]) -> list[str]:
    """Return the ids of the rasters in a document of pygeoapi."""
    return sorted({path.split("/")[2] for path in paths if path.startswith("/collections/") and path.endswith("/coverage")})


def _query(name: str, description: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    made = {"name": name, "in": "query", "description": description, "required": required, "schema": schema}
    return {**made, "style": "form", "explode": False} if schema.get("type") == "array" else made


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


_TEXT = {"type": "string"}
_BBOX = _query(
    "bbox",
    "west, south, east, north in the axis order of its CRS",
    {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6},
)
_CRS = _query("crs", "CRS of the answer, one of the collection's crs", _TEXT)
_BBOX_CRS = _query("bbox-crs", "CRS of bbox, by default CRS84", _TEXT)
_NAMES = {"type": "array", "items": {"type": "string"}}
_INTERPOLATION = _query(
    "interpolation", "bilinear between the centres of cells (default for elevations), or the value of the cell",
    {"type": "string", "enum": ["bilinear", "nearest"]},
)  # fmt: skip
_COVERAGE = [
    _BBOX, _BBOX_CRS, _CRS,
    _query("subset", "axis(low:high), e.g. Lat(30.1:30.2),Lon(114.1:114.2) or E(500000:501000),N(3370000:3371000)", _TEXT),
    _query("subset-crs", "CRS of subset; by default CRS84 for Lat and Lon, the raster's own for E and N", _TEXT),
    _query("scale-factor", "2 = every second cell", {"type": "number", "minimum": 1}),
    _query("scale-size", "axis(cells), e.g. Lon(400),Lat(300)", _TEXT),
    _query("properties", "values to write", _NAMES),
]  # fmt: skip
_FORMAT_GRID = _query("f", "format", {"type": "string", "enum": ["CoverageJSON", "GeoTIFF", "json", "geotiff"]})
_FORMAT_POINTS = _query("f", "format", {"type": "string", "enum": ["CoverageJSON", "GeoJSON", "json", "geojson"]})
_FORMAT_PICTURE = _query("f", "format", {"type": "string", "enum": list(FORMATS)})
_SHARED = [
    _query("crs", "CRS of coords or bbox (CRS84 by default), and of positions in the answer; grids stay in the CRS of the raster", _TEXT),
    _query("parameter-name", "values to write", _NAMES),
]
_WITHIN = [
    _query("within", "radius", {"type": "number", "exclusiveMinimum": True, "minimum": 0}, required=True),
    _query("within-units", "unit of the radius", {"type": "string", "enum": ["m", "km"], "default": "m"}),
]
_EDR: dict[str, tuple[str, list[dict[str, Any]], dict[str, Any]]] = {
    "position": ("Values at a POINT or MULTIPOINT", [_INTERPOLATION, _FORMAT_POINTS], {**_COVJSON, **_GEOJSON}),
    "radius": ("Cells around a POINT", [*_WITHIN, _FORMAT_GRID], {**_COVJSON, **_TIFF}),
    "area": ("Cells inside a POLYGON or MULTIPOLYGON", [_FORMAT_GRID], {**_COVJSON, **_TIFF}),
    "cube": ("Cells inside a box", [_FORMAT_GRID], {**_COVJSON, **_TIFF}),
    "trajectory": ("Values along a LINESTRING, a cell apart", [_INTERPOLATION, _FORMAT_POINTS], {**_COVJSON, **_GEOJSON}),
}
_MAP = [
    _BBOX,
    _BBOX_CRS,
    _CRS,
    _query("width", "pixels", {"type": "integer", "minimum": 1}),
    _query("height", "pixels", {"type": "integer", "minimum": 1}),
]
_SET = _path("tileMatrixSetId", {"type": "string", "enum": list(MAP_GRIDS)})
_NUMBERS = [_path(name, {"type": "integer", "minimum": 0}) for name in ("tileMatrix", "tileRow", "tileCol")]


def raster_paths(raster: str) -> dict[str, dict[str, Any]]:
    """Return the operations of a raster: path → method → operation."""
    root, kind = f"/collections/{raster}", raster.partition("-")[0]
    made = {
        f"{root}/coverage": _get(
            f"Cells of {raster}", f"coverage-{raster}", "coverages", [*_COVERAGE, _FORMAT_GRID], {**_TIFF, **_COVJSON}
        ),
        f"{root}/schema": _get(
            f"Values of {raster}", f"schema-{raster}", "coverages", [], {"application/schema+json": _OBJECT["application/json"]}
        ),
        f"{root}/styles": _get(f"Styles of {raster}", f"styles-{raster}", "maps", [], _OBJECT),
    }
    for name, (summary, more, content) in _EDR.items():
        place = _BBOX if name == "cube" else _query("coords", "well-known text in the axis order of crs", _TEXT, required=True)
        place = {**place, "required": True}
        made[f"{root}/{name}"] = _get(f"{summary} of {raster}", f"{name}-{raster}", "edr", [place, *_SHARED, *more], content)
    for styled in ("", "/styles/{styleId}"):
        known = [_path("styleId", {"type": "string", "enum": list(STYLES[kind])})] if styled else []
        suffix = f"{'-styled' if styled else ''}-{raster}"
        at = f"{root}{styled}/map"
        made |= {
            at: _get(f"Map of {raster}", f"map{suffix}", "maps", [*known, *_MAP, _FORMAT_PICTURE], _PICTURE, empty=True),
            f"{at}/tiles": _get(f"Map tilesets of {raster}", f"map-tilesets{suffix}", "maps", known, _OBJECT),
            f"{at}/tiles/{{tileMatrixSetId}}": _get(f"Map tileset of {raster}", f"map-tileset{suffix}", "maps", [*known, _SET], _OBJECT),
            f"{at}/tiles/{{tileMatrixSetId}}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}": _get(
                f"Map tile of {raster}", f"map-tile{suffix}", "maps", [*known, _SET, *_NUMBERS, _FORMAT_PICTURE], _PICTURE, empty=True
            ),
        }
    return made


def _get(
    summary: str, operation: str, tag: str, parameters: list[dict[str, Any]], content: dict[str, Any], *, empty: bool = False
) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "as asked", "content": content}}
    if empty:
        responses["204"] = {"description": "nothing is there"}
    return {"get": {"summary": summary, "operationId": operation, "tags": [tag], "parameters": parameters, "responses": responses}}
