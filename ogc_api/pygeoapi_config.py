"""The configuration pygeoapi is given: one resource per published collection, made from the catalogue."""

from pathlib import Path
from typing import Any

from cim.db import labels
from cim.db.published import Catalogue, Published
from cim.profile import Names
from cim.settings import Settings
from ogc_api import crs, raster_documents
from ogc_api.formats import offered

BASE = "https://cim-base.invalid"
"""Stands for the address of the landing page in documents until a request tells it."""

PROVIDER = "ogc_api.pygeoapi_adapter.CimProvider"
_TEMPLATES = Path(__file__).parent / "templates"
_WORLD = (-180.0, -90.0, 180.0, 90.0)
_OGC_REL = "http://www.opengis.net/def/rel/ogc/1.0"
_SPDX = {"CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "ODbL-1.0", "ODC-By-1.0", "PDDL-1.0", "Apache-2.0", "MIT"}


def configuration(catalogue: Catalogue, settings: Settings) -> dict[str, Any]:
    """Return pygeoapi's configuration."""
    first, second = ("zh", "en") if settings.language == "zh" else ("en", "zh")
    uris = list(crs.offered(catalogue.profile))
    resources = {collection_id: _resource(one, catalogue, uris, settings.language) for collection_id, one in catalogue.published.items()}
    resources |= {raster.id: raster_documents.resource(raster) for raster in catalogue.rasters.values()}
    return {
        "server": {
            "bind": {"host": settings.server.host, "port": settings.server.port},
            "url": BASE,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": [first, second],
            "limits": {"default_items": settings.server.page_limit_default, "max_items": settings.server.page_limit_max},
            "templates": {"path": str(_TEMPLATES)},
            # Required by pygeoapi; our templates draw no map, so nothing is fetched from outside.
            "map": {"url": "", "attribution": ""},
        },
        "logging": {"level": "ERROR"},
        "metadata": _metadata(catalogue),
        "resources": resources,
    }


def title(catalogue: Catalogue) -> Names:
    """Return the name of this service."""
    if catalogue.profile is None:
        return Names(en="City Information Model", zh="城市信息模型")
    return Names(en=f"{catalogue.profile.name.en}: City Information Model", zh=f"{catalogue.profile.name.zh}城市信息模型")


def _metadata(catalogue: Catalogue) -> dict[str, Any]:
    notices = catalogue.profile.notices if catalogue.profile else []
    text = Names(
        en=" ".join(["Buildings, BIM models and municipal networks of the city as open data services.", *(one.en for one in notices)]),
        zh="".join(["以开放标准服务提供城市建筑、BIM 模型与市政管线。", *(one.zh for one in notices)]),
    )
    named = title(catalogue)
    licences = sorted({origin.licence for one in catalogue.published.values() for origin in one.origins if origin.licence})
    licences = sorted({*licences, *(one.licence for one in catalogue.rasters.values() if one.licence)})
    providers = sorted({origin.provider for one in catalogue.published.values() for origin in one.origins if origin.provider})
    providers = sorted({*providers, *(one.provider for one in catalogue.rasters.values() if one.provider)})
    return {
        "identification": {
            "title": named.model_dump(),
            "description": text.model_dump(),
            "keywords": {"en": ["CIM", "buildings", "BIM", "3D Tiles"], "zh": ["城市信息模型", "建筑", "BIM", "三维瓦片"]},
            "keywords_type": "theme",
            "terms_of_service": "",
            "url": BASE,
        },
        "license": {"name": "; ".join(licences) or "see the collections", "url": f"{BASE}/collections"},
        "provider": {"name": "; ".join(providers) or named.en, "url": BASE},
        "contact": {"name": named.en, "url": BASE},
    }


def _resource(one: Published, catalogue: Catalogue, uris: list[str], language: str) -> dict[str, Any]:
    collection = one.collection
    return {
        "type": "collection",
        "title": collection.title.model_dump(),
        "description": describe(one).model_dump(),
        "keywords": list(collection.keywords),
        "extents": {"spatial": {"bbox": list(one.bbox or catalogue.bbox or _WORLD), "crs": crs.CRS84}},
        "links": _links(one, catalogue, language),
        "providers": [
            {
                "type": "feature",
                "name": PROVIDER,
                "data": {"collection": collection.id},
                "id_field": "code",
                "title_field": "name" if collection.attribute("name") else "code",
                "crs": uris,
                "storage_crs": crs.STORAGE_CRS,
            }
        ],
    }


def describe(one: Published) -> Names:
    """Return the description of a collection: what, from whom, under which licence, and whether it is generated."""
    english, chinese = [one.collection.description.en], [one.collection.description.zh]
    if one.is_synthetic:
        english.append(labels.SYNTHETIC.en)
        chinese.append(labels.SYNTHETIC.zh)
    providers = sorted({origin.provider for origin in one.origins if origin.provider})
    licences = sorted({origin.licence for origin in one.origins if origin.licence})
    if providers:
        english.append(f"Provider: {'; '.join(providers)}.")
        chinese.append(f"提供者:{';'.join(providers)}。")
    if licences:
        english.append(f"Licence: {'; '.join(licences)}.")
        chinese.append(f"许可:{';'.join(licences)}。")
    return Names(en=" ".join(english), zh="".join(chinese))


def _links(one: Published, catalogue: Catalogue, language: str) -> list[dict[str, Any]]:
    collection, collection_id = one.collection, one.collection.id
    links: list[dict[str, Any]] = [
        {
            "rel": "describedby",
            "type": "application/schema+json",
            "title": {"en": "JSON Schema of the features", "zh": "要素的 JSON Schema"},
            "href": f"{BASE}/collections/{collection_id}/schema?f=json",
        }
    ]
    root = f"{BASE}/collections/{collection_id}"
    links += [
        {"rel": "items", "type": one.media_type, "title": one.title, "href": f"{root}/items?f={one.name}"}
        for one in offered(collection)
        if one.source == "rows"
    ]
    links += [
        {"rel": f"{_OGC_REL}/tilesets-vector", "type": "application/json", "title": "Vector tiles / 矢量瓦片", "href": f"{root}/tiles"},
        {"rel": f"{_OGC_REL}/styles", "type": "application/json", "title": "Styles / 样式", "href": f"{root}/styles"},
    ]
    links.extend(
        {"rel": "license", "type": "text/html", "title": licence, "href": f"https://spdx.org/licenses/{licence}.html"}
        for licence in sorted({origin.licence for origin in one.origins if origin.licence in _SPDX})
    )
    links.extend(
        {
            "rel": "alternate",
            "type": "application/json+3dtiles",
            "title": f"3D Tiles: {tileset.title.get(language) or tileset.layer}",
            "href": f"{BASE}/3dtiles/{tileset.layer}/tileset.json",
        }
        for tileset in catalogue.tilesets
        if tileset.collection == collection_id or (tileset.kind == "bim" and collection_id == "bim-models")
    )
    return links
