"""Documents around the data: landing page, conformance, OpenAPI, collections, schemas, processes, jobs."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cim.access import Permission
from cim.cql2.tree import FUNCTIONS
from cim.db.published import Published
from ogc_api import coverages, raster_documents, schemas, volumes
from ogc_api.access import principal_of, require
from ogc_api.conformance import CONFORMANCE
from ogc_api.formats import BULK
from ogc_api.negotiation import base_url, language, output_format
from ogc_api.parameters import refuse_unknown
from ogc_api.pygeoapi_config import BASE, describe
from ogc_api.state import Current, state_of

_OGC_REL = "http://www.opengis.net/def/rel/ogc/1.0"
_DROPPED_RELATIONS = ("/tiling-schemes", "/job-list")


async def landing(request: Request) -> Response:
    """Landing page, with the way to the viewer and the 3D layers."""
    refuse_unknown(request.query_params, ("f", "lang"))
    output_format(request)
    state = state_of(request.app)
    current = await state.current()
    base = base_url(request, state.settings)
    return await current.front.document("landing", request, edit=_complete_landing, base=base)


def _complete_landing(document: dict[str, Any]) -> dict[str, Any]:
    if "links" in document:
        kept = (link for link in document["links"] if not link["rel"].endswith(_DROPPED_RELATIONS))
        # JSON-LD is no format of this server.
        document["links"] = [link for link in kept if "ld+json" not in link.get("type", "")]
        document["links"] += [
            {"rel": f"{_OGC_REL}/tilesets-vector", "type": "application/json", "title": "Vector tiles / 矢量瓦片", "href": f"{BASE}/tiles"},
            {"rel": f"{_OGC_REL}/tiling-schemes", "type": "application/json", "title": "Grids / 格网", "href": f"{BASE}/tileMatrixSets"},
            {"rel": f"{_OGC_REL}/styles", "type": "application/json", "title": "Styles / 样式", "href": f"{BASE}/styles"},
            {"rel": f"{_OGC_REL}/functions", "type": "application/json", "title": "Functions / 函数", "href": f"{BASE}/functions"},
            {"rel": "related", "type": "text/html", "title": "3D viewer / 三维浏览", "href": f"{BASE}/viewer/"},
            {"rel": "related", "type": "application/json", "title": "3D Tiles layers / 三维瓦片图层", "href": f"{BASE}/3dtiles/?f=json"},
            {
                "rel": "related",
                "type": "application/json",
                "title": "Data resource catalogue / 数据资源目录",
                "href": f"{BASE}/records",
            },
            {"rel": "http://www.opengis.net/def/rel/ogc/1.0/processes", "type": "application/json", "href": f"{BASE}/processes"},
            {"rel": "http://www.opengis.net/def/rel/ogc/1.0/job-list", "type": "application/json", "href": f"{BASE}/jobs"},
            {"rel": "related", "type": "application/json", "title": "BIM models / BIM 模型", "href": f"{BASE}/bim/models"},
        ]
    return document


async def conformance(request: Request) -> Response:
    """Conformance classes of this server."""
    refuse_unknown(request.query_params, ("f", "lang"))
    return await _draw(request, "conformance.html", {"conformsTo": list(CONFORMANCE), "links": []})


async def openapi(request: Request) -> Response:
    """OpenAPI document."""
    refuse_unknown(request.query_params, ("f", "lang", "ui"))
    output_format(request)
    state = state_of(request.app)
    current = await state.current()
    response = await current.front.document("openapi", request, base=base_url(request, state.settings))
    if "html" not in response.headers["content-type"]:
        response.headers["content-type"] = "application/vnd.oai.openapi+json;version=3.0"
    return response


async def collections(request: Request) -> Response:
    """All collections, or one."""
    refuse_unknown(request.query_params, ("f", "lang"))
    wanted = output_format(request)
    state = state_of(request.app)
    current = await state.current()
    collection_id = request.path_params.get("collection")
    principal = principal_of(request)
    base, spoken = base_url(request, state.settings), language(request, state.settings.language)
    if collection_id is not None and collection_id.startswith(volumes.PREFIX):
        found = await volumes.volume(request, collection_id)
        if wanted == "json":
            return Response(orjson.dumps(found), headers={"Content-Language": spoken}, media_type="application/json")
        return current.front.html("collections/volume.html", {**found, "collections_path": f"{base}/collections"}, spoken, base=base)
    in_3d = await volumes.volumes(request) if collection_id is None else []
    if collection_id is not None:
        if collection_id not in current.catalogue.rasters:
            current.collection(collection_id)
        principal.require(Permission.READ, collection_id)

    def edit(document: dict[str, Any]) -> dict[str, Any]:
        if "collections" in document:
            document["collections"] = [one for one in document["collections"] if principal.sees(one["id"])]
        for one in document.get("collections", [document]):
            _complete_any(one, current)
            if principal.scope is not None:
                one.pop("itemCount", None)
        if "collections" in document:
            document["collections"] += in_3d
        return document

    if collection_id is None and wanted == "html":
        # Drawn from the same document as the JSON, so that a page shows no more than that.
        listed = await current.front.json("collections", request, edit=edit)
        return current.front.html("collections/index.html", {**listed, "collections_path": f"{base}/collections"}, spoken, base=base)
    return await current.front.document("collections", request, collection_id, edit=edit, base=base)


def _complete_any(document: dict[str, Any], current: Current) -> None:
    name = document.get("id", "")
    if name in current.catalogue.rasters:
        raster_documents.complete(document, current.catalogue.rasters[name], list(current.choices))
    elif name:
        _complete_collection(document, current.catalogue.published[name])


def _complete_collection(document: dict[str, Any], one: Published) -> None:
    # GeoJSON-LD is not served; the other formats are.
    document["links"] = [link for link in document["links"] if not (link["rel"] == "items" and "ld+json" in link["type"])]
    root = f"{BASE}/collections/{one.collection.id}/export/{one.collection.id}"
    # Put in here: pygeoapi asks the address of every enclosure it is given how long it is.
    document["links"] += [
        {"rel": "enclosure", "type": made.media_type, "title": made.title, "href": f"{root}{suffix}"}
        for suffix, made in BULK.items()
        if made.carries(one.collection)
    ]
    if one.bbox is None:
        document.pop("extent", None)
    document["itemCount"] = one.n_features
    document["synthetic"] = one.is_synthetic
    providers = sorted(
        {f"{origin.provider} ({origin.licence})" if origin.licence else origin.provider for origin in one.origins if origin.provider}
    )
    if providers:
        document["attribution"] = "; ".join(providers)


async def schema(request: Request) -> Response:
    """JSON Schema of a collection's features."""
    return await _schema(request, "schema")


async def queryables(request: Request) -> Response:
    """JSON Schema of what a collection can be filtered on."""
    return await _schema(request, "queryables")


async def _schema(request: Request, name: str) -> Response:
    refuse_unknown(request.query_params, ("f", "lang"))
    state = state_of(request.app)
    current = await state.current()
    if request.path_params["collection"] in current.catalogue.rasters:
        return await _raster_schema(request, name)
    collection = current.collection(request.path_params["collection"])
    require(request, Permission.READ, collection.id)
    spoken = language(request, state.settings.language)
    base = base_url(request, state.settings)
    address = f"{base}/collections/{collection.id}/{name}"
    make = schemas.schema if name == "schema" else schemas.queryables
    document = make(collection, spoken, address)
    if output_format(request) == "json":
        return Response(orjson.dumps(document), headers={"Content-Language": spoken}, media_type="application/schema+json")
    described = describe(current.catalogue.published[collection.id])
    page = {
        **document,
        "description": described.zh if spoken == "zh" else described.en,
        "keywords": list(collection.keywords),
        "collections_path": f"{base}/collections",
        "dataset_path": f"{base}/collections/{collection.id}",
        "links": [],
    }
    return current.front.html(f"collections/{name}.html", page, spoken, base=base)


async def _raster_schema(request: Request, name: str) -> Response:
    _, raster = await coverages.chosen_raster(request)
    if name == "queryables":
        raise coverages.no_queryables(raster)
    settings = state_of(request.app).settings
    spoken = language(request, settings.language)
    document = coverages.schema(raster, spoken, f"{base_url(request, settings)}/collections/{raster.id}/schema")
    return Response(orjson.dumps(document), headers={"Content-Language": spoken}, media_type="application/schema+json")


async def functions(request: Request) -> Response:
    """The functions that filters may call (part 3, clause 6.4)."""
    refuse_unknown(request.query_params, ("f", "lang"))
    kinds = {"timestamp": "datetime"}
    listed = [
        {
            "name": name,
            "description": one.note,
            "returns": [kinds.get(one.returns, one.returns)],
            "arguments": [{"type": [kinds.get(kind, kind)]} for kind in one.arguments],
        }
        for name, one in FUNCTIONS.items()
    ]
    return Response(orjson.dumps({"functions": listed}), media_type="application/json")


async def _draw(request: Request, template: str, data: dict[str, Any]) -> Response:
    state = state_of(request.app)
    spoken = language(request, state.settings.language)
    if output_format(request) == "json":
        return Response(orjson.dumps({key: value for key, value in data.items() if key != "links"}), media_type="application/json")
    current: Current = await state.current()
    return current.front.html(template, data, spoken, base=base_url(request, state.settings))
