"""Documents of raster collections: what pygeoapi is told of them, and what is put into its answers."""

from typing import Any

from cim.db import labels
from cim.db.published_rasters import PublishedRaster
from cim.profile import Names
from ogc_api import raster_queries
from ogc_api.coverage_json import fields, parameters
from ogc_api.crs import CRS84

_BASE = "https://cim-base.invalid"
NO_FEATURES = "Coverage"
"""Value of ``layerDataType`` at which GDAL's OAPIF driver passes over a collection; it takes every other one for features, and a copy of
the whole service would end at the first that has none."""
_PROVIDER = "ogc_api.pygeoapi_adapter.RasterProvider"
_OGC_REL = "http://www.opengis.net/def/rel/ogc/1.0"
_QUERIES = ("position", "radius", "area", "cube", "trajectory")
_DROPPED = ("/queryables", "/coverage")


def describe(raster: PublishedRaster) -> Names:
    """Return the description of a raster: what it is, of when, from whom, and whether it is generated."""
    if raster.is_terrain:
        english = [f"Ground elevations [m] above {raster.vertical_datum}, cells of {raster.resolution_m:g} m."]
        chinese = [f"地面高程(米,{raster.vertical_datum}),格网 {raster.resolution_m:g} 米。"]
    else:
        english = [f"Imagery of {raster.n_bands} bands, cells of {raster.resolution_m:g} m."]
        chinese = [f"{raster.n_bands} 波段影像,像元 {raster.resolution_m:g} 米。"]
    if raster.acquired_on:
        english.append(f"Taken on {raster.acquired_on.isoformat()}.")
        chinese.append(f"获取日期:{raster.acquired_on.isoformat()}。")
    if raster.is_synthetic:
        english.append(labels.SYNTHETIC.en)
        chinese.append(labels.SYNTHETIC.zh)
    if raster.provider:
        english.append(f"Provider: {raster.provider}.")
        chinese.append(f"提供者:{raster.provider}。")
    if raster.licence:
        english.append(f"Licence: {raster.licence}.")
        chinese.append(f"许可:{raster.licence}。")
    return Names(en=" ".join(english), zh="".join(chinese))


def resource(raster: PublishedRaster) -> dict[str, Any]:
    """Return the configuration pygeoapi is given for a raster."""
    step = raster.resolution_m
    data = {
        "fields": {name: {"type": "number", **({"x-ogc-unit": "m"} if raster.is_terrain else {})} for name in fields(raster)},
        "grid": {"width": raster.width, "height": raster.height, "resx": step, "resy": step},
        "queries": list(_QUERIES),
        "parameters": parameters(raster),
    }
    extents: dict[str, Any] = {"spatial": {"bbox": list(raster.bbox), "crs": CRS84}}
    if raster.acquired_on:
        extents["temporal"] = {"begin": raster.acquired_on, "end": raster.acquired_on}
    return {
        "type": "collection",
        "title": raster.title.model_dump(),
        "description": describe(raster).model_dump(),
        "keywords": [raster.kind, {"terrain": "地形", "imagery": "影像"}[raster.kind]],
        "extents": extents,
        "links": _links(raster),
        "providers": [{"type": kind, "name": _PROVIDER, "data": data} for kind in ("coverage", "edr")],
    }


def _links(raster: PublishedRaster) -> list[dict[str, Any]]:
    root = f"{_BASE}/collections/{raster.id}"
    return [
        {
            "rel": f"{_OGC_REL}/coverage",
            "type": "image/tiff; application=geotiff",
            "title": "GeoTIFF",
            "href": f"{root}/coverage?f=geotiff",
        },
        {"rel": f"{_OGC_REL}/coverage", "type": "application/vnd.cov+json", "title": "CoverageJSON", "href": f"{root}/coverage?f=json"},
        {"rel": f"{_OGC_REL}/map", "type": "image/png", "title": "Map / 地图", "href": f"{root}/map?f=png"},
        {"rel": f"{_OGC_REL}/map", "type": "image/webp", "title": "Map / 地图", "href": f"{root}/map?f=webp"},
        {"rel": f"{_OGC_REL}/tilesets-map", "type": "application/json", "title": "Map tiles / 地图瓦片", "href": f"{root}/map/tiles"},
        {"rel": f"{_OGC_REL}/styles", "type": "application/json", "title": "Styles / 样式", "href": f"{root}/styles"},
    ]


def complete(document: dict[str, Any], raster: PublishedRaster, offered: list[str]) -> None:
    """Put into a collection document of pygeoapi what it does not know; changed in place.

    Parameters
    ----------
    offered
        URIs of the CRS of the service, the default first.
    """
    own = {(link["href"], link["type"]) for link in _links(raster)}
    document["links"] = [link for link in document["links"] if (link["href"], link["type"]) in own or not _is_foreign(link)]
    storage = raster_queries.storage_uri(raster)
    document["crs"] = [*offered, *([storage] if storage is not None and storage not in offered else [])]
    if storage is not None:
        document["storageCrs"] = storage
    document["itemType"] = "coverage"
    document["layerDataType"] = NO_FEATURES
    document["synthetic"] = raster.is_synthetic
    document["output_formats"] = ["CoverageJSON", "GeoTIFF", "GeoJSON"]
    if raster.provider:
        document["attribution"] = f"{raster.provider} ({raster.licence})" if raster.licence else raster.provider
    for name, query in document.get("data_queries", {}).items():
        formats = ["CoverageJSON", "GeoJSON"] if name in {"position", "trajectory"} else ["CoverageJSON", "GeoTIFF"]
        query["link"]["type"] = "application/vnd.cov+json"
        query["link"]["variables"] = {
            "query_type": name, "output_formats": formats, "default_output_format": "CoverageJSON",
            **({"within_units": ["m", "km"]} if name == "radius" else {}),
        }  # fmt: skip


def _is_foreign(link: dict[str, str]) -> bool:
    """Return whether pygeoapi promises what is not served."""
    kind, address = link.get("type", ""), link["href"]
    return link["rel"].endswith(_DROPPED) or link["rel"] == "data" or "ld+json" in kind or "schema?f=html" in address
