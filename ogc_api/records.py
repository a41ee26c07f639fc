"""OGC API - Records: the data resource catalogue (数据资源目录), one record per collection and per dataset, searchable; DCAT as JSON-LD."""

import asyncio
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.access import Principal
from cim.db import engine
from cim.db import records as store
from cim.db.published import Published
from cim.errors import NotFoundError
from ogc_api.access import principal_of
from ogc_api.negotiation import base_url, language
from ogc_api.parameters import parse_bbox, parse_interval, refuse_unknown
from ogc_api.processes import drawn, whole
from ogc_api.pygeoapi_config import describe
from ogc_api.state import Current, state_of

_LIMIT, _LIMIT_MAX = 100, 1000
_STANDARDS = {
    "census": "JGJ/T 496",
    "divisions": "GB/T 2260, GB/T 10114",
    "network": "CJJ 61",
    "bim": "ISO 16739-1 (IFC)",
    "citymodel": "CityJSON 2.0, CityGML",
    "planning": "GB 50137",
}
_CYCLES = {"divisions": "annually"} | dict.fromkeys(("census", "addresses", "network", "bim", "citymodel", "planning"), "asNeeded")


async def listing(request: Request) -> Response:
    """Records: filtered by words, box, type and time of update, sorted by title."""
    refuse_unknown(request.query_params, ("f", "lang", "limit", "offset", "q", "bbox", "datetime", "type", "ids"))
    state = state_of(request.app)
    limit, offset = min(whole(request, "limit", _LIMIT, least=1), _LIMIT_MAX), whole(request, "offset", 0, least=0)
    found = await _all(request)
    words = request.query_params.get("q", "").casefold().split()
    found = [one for one in found if all(word in _text(one) for word in words)]
    if "type" in request.query_params:
        found = [one for one in found if one["properties"]["type"] == request.query_params["type"]]
    if "ids" in request.query_params:
        found = [one for one in found if one["id"] in request.query_params["ids"].split(",")]
    if "bbox" in request.query_params:
        current = await state.current()
        boxes, _ = parse_bbox(request.query_params["bbox"], next(iter(current.choices.values())))
        found = [one for one in found if one["bbox"] and any(_meet(one["bbox"], box) for box in boxes)]
    if "datetime" in request.query_params:
        first, last = parse_interval(request.query_params["datetime"])
        timed = [(one, *one["time"]["interval"]) for one in found if one["time"]]
        found = [one for one, start, end in timed if (last is None or start <= last) and (first is None or end >= first)]
    base = base_url(request, state.settings)
    page = found[offset : offset + limit]
    links = [{"rel": "self", "type": "application/json", "href": f"{base}/records"}]
    if offset + limit < len(found):
        kept = [(name, value) for name, value in request.query_params.multi_items() if name not in {"limit", "offset"}]
        following = urlencode([*kept, ("limit", limit), ("offset", offset + limit)])
        links.append({"rel": "next", "type": "application/json", "href": f"{base}/records?{following}"})
    document = {"type": "FeatureCollection", "numberMatched": len(found), "numberReturned": len(page), "features": page, "links": links}
    if request.query_params.get("f") == "dcat":
        return Response(orjson.dumps(_dcat(page, base), default=str), media_type="application/ld+json")
    return await drawn(request, state, "records/index.html", document)


async def record(request: Request) -> Response:
    """One record."""
    refuse_unknown(request.query_params, ("f", "lang"))
    wanted = request.path_params["record"]
    found = next((one for one in await _all(request) if one["id"] == wanted), None)
    if found is None:
        raise NotFoundError(f"no record {wanted[:80]!r}")
    return await drawn(request, state_of(request.app), "records/record.html", found)


def _meet(one: list[float], other: tuple[float, float, float, float]) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _text(one: dict[str, Any]) -> str:
    properties = one["properties"]
    parts = [
        one["id"],
        properties["title"],
        properties["description"],
        *properties["keywords"],
        properties["titles"]["en"],
        properties["titles"]["zh"],
    ]
    return " ".join(str(part) for part in parts).casefold()


async def _all(request: Request) -> list[dict[str, Any]]:
    state, principal = state_of(request.app), principal_of(request)
    current = await state.current()
    spoken, base = language(request, state.settings.language), base_url(request, state.settings)

    def read() -> list[dict[str, Any]]:
        with engine.connect(state.settings) as connection:
            return store.fetch_datasets(connection)

    datasets = await asyncio.to_thread(read)
    made = [
        _of_collection(
            one, [row for row in datasets if one.collection.id in store.collections_of(row["kind"], row["name"])], principal, spoken, base
        )
        for one in current.catalogue.published.values()
        if principal.sees(one.collection.id)
    ]
    made += [
        _of_dataset(row, current, principal, spoken, base)
        for row in datasets
        if any(principal.sees(name) for name in store.collections_of(row["kind"], row["name"]) or [""])
    ]
    return sorted(made, key=lambda one: (one["properties"]["type"], one["properties"]["title"], one["id"]))


def _of_collection(one: Published, datasets: list[dict[str, Any]], principal: Principal, spoken: str, base: str) -> dict[str, Any]:
    collection, described = one.collection, describe(one)
    links = [
        {"rel": "item", "type": "application/geo+json", "href": f"{base}/collections/{collection.id}/items"},
        {"rel": "describedby", "type": "application/schema+json", "href": f"{base}/collections/{collection.id}/schema"},
        {"rel": "collection", "type": "application/json", "href": f"{base}/collections/{collection.id}"},
    ]
    loaded: list[datetime] = [row["loaded_at"] for row in datasets]
    properties = {
        "type": "service" if not datasets else "dataset-series",
        "title": collection.title.zh if spoken == "zh" else collection.title.en,
        "titles": collection.title.model_dump(),
        "description": described.zh if spoken == "zh" else described.en,
        "keywords": list(collection.keywords),
        "created": min((row["first_loaded_at"] for row in datasets), default=None),
        "updated": max(loaded, default=None),
        "language": {"code": spoken},
        "languages": [{"code": "en"}, {"code": "zh"}],
        "formats": [{"name": name} for name in ("GeoJSON", "FlatGeobuf", "CSV", "GeoPackage", "GeoParquet")],
        "contacts": [{"organization": name, "roles": ["owner"]} for name in sorted({o.provider for o in one.origins if o.provider})],
        "license": "; ".join(sorted({origin.licence for origin in one.origins if origin.licence})) or "other",
        "accessGrade": _grade(principal),
        "standard": _STANDARDS.get(collection.dataset_kind),
        "maintenanceFrequency": _CYCLES.get(collection.dataset_kind, "unknown"),
        "count": None if principal.scope is not None else one.n_features,
        "synthetic": one.is_synthetic,
        "datasets": [f"{row['kind']}.{row['name']}" for row in datasets],
    }
    return _record(collection.id, list(one.bbox) if one.bbox else None, properties, links)


def _of_dataset(row: dict[str, Any], current: Current, principal: Principal, spoken: str, base: str) -> dict[str, Any]:
    feeds = [name for name in store.collections_of(row["kind"], row["name"]) if name in current.catalogue.published]
    boxes = [box for name in feeds if (box := current.catalogue.published[name].bbox)]
    title = f"{row['name']} ({row['kind']}, {'第' if spoken == 'zh' else 'version '}{row['version']}{'版' if spoken == 'zh' else ''})"
    properties = {
        "type": "dataset",
        "title": title,
        "titles": {
            "en": f"{row['name']}, {row['kind']}, version {row['version']}",
            "zh": f"{row['name']}({row['kind']},第 {row['version']} 版)",
        },
        # Totals of the city are not for those who see a part of it.
        "description": str(row["source"])
        if principal.scope is not None
        else f"{row['source']}: {row['n_read']} = {row['n_accepted']} + {row['n_unchanged']} + {row['n_rejected']}",
        "keywords": [row["kind"]],
        "created": row["first_loaded_at"],
        "updated": row["loaded_at"],
        "language": {"code": spoken},
        "contacts": [{"organization": row["provider"], "roles": ["owner"]}] if row["provider"] else [],
        "license": row["licence"] or "other",
        "accessGrade": _grade(principal),
        "standard": _STANDARDS.get(row["kind"]),
        "maintenanceFrequency": _CYCLES.get(row["kind"], "unknown"),
        "crs": row["crs"],
        "synthetic": row["is_synthetic"],
        "quality": None
        if principal.scope is not None
        else {
            "read": row["n_read"],
            "accepted": row["n_accepted"],
            "unchanged": row["n_unchanged"],
            "rejected": row["n_rejected"],
            "acceptedShare": round((row["n_accepted"] + row["n_unchanged"]) / row["n_read"], 6) if row["n_read"] else None,
        },
        "lineage": {"source": row["source"], "sha256": row["sha256"], "version": row["version"]},
    }
    links = [{"rel": "related", "type": "application/json", "href": f"{base}/records/{name}"} for name in feeds]
    around = [min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)] if boxes else None
    return _record(f"{row['kind']}.{row['name']}", around, properties, links)


def _grade(principal: Principal) -> str:
    return "open" if principal.is_anonymous else "restricted" if principal.is_restricted else "granted"


def _record(identifier: str, box: list[float] | None, properties: dict[str, Any], links: list[dict[str, str]]) -> dict[str, Any]:
    geometry = None
    if box:
        west, south, east, north = box
        geometry = {"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]]}
    updated = properties["updated"]
    return {
        "id": identifier,
        "type": "Feature",
        "conformsTo": ["http://www.opengis.net/spec/ogcapi-records-1/1.0/req/record-core"],
        "time": {"interval": [properties["created"], updated]} if updated else None,
        "geometry": geometry,
        "bbox": box,
        "properties": {name: value for name, value in properties.items() if value is not None},
        "links": links,
    }


def _dcat(records: list[dict[str, Any]], base: str) -> dict[str, Any]:
    """Return records as a DCAT 3 catalogue."""
    return {
        "@context": {"dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/", "foaf": "http://xmlns.com/foaf/0.1/"},
        "@type": "dcat:Catalog",
        "@id": f"{base}/records",
        "dcat:dataset": [
            {
                "@type": "dcat:Dataset",
                "@id": f"{base}/records/{one['id']}",
                "dct:title": [{"@language": name, "@value": text} for name, text in one["properties"]["titles"].items()],
                "dct:description": one["properties"]["description"],
                "dct:modified": one["properties"].get("updated"),
                "dct:license": one["properties"]["license"],
                "dcat:keyword": one["properties"]["keywords"],
                "dct:publisher": [{"foaf:name": contact["organization"]} for contact in one["properties"]["contacts"]],
                "dcat:distribution": [{"@type": "dcat:Distribution", "dcat:accessURL": link["href"]} for link in one["links"]],
            }
            for one in records
        ],
    }
