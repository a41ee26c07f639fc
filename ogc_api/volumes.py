"""3D layers as collections (OGC API - 3D GeoVolumes, draft 22-029): volumes with a box of six numbers, content and children.

A layer that stands alone is a volume; layers of one kind (networks, models, scans) are the children of one, so that a city of ten thousand
models lists one volume. Which layers a principal sees is decided by `ogc_api.tiles3d`, as for the files themselves.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from cim.db.published import Tileset
from cim.errors import UnknownCollectionError
from ogc_api.negotiation import base_url, language
from ogc_api.raster_documents import NO_FEATURES
from ogc_api.state import state_of
from ogc_api.tiles3d import Layer, layers_of

PREFIX = "3d-"
"""What ids of volumes begin with; no collection of features does."""

TILES_MEDIA_TYPE = "application/json+3dtiles"
RELATION = "[ogc-rel:3d-geovolumes]"
"""Media type and relation of a tileset (22-029, requirement /req/core/collections)."""

_CRS84H = "http://www.opengis.net/def/crs/OGC/0/CRS84h"
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_GROUPS = {
    "bim": ("BIM models", "BIM 模型"),
    "networks": ("Municipal networks in 3D", "市政管网三维"),
    "citymodels": ("City models", "城市三维模型"),
    "points": ("Scans", "点云"),
    "terrain": ("Terrain", "地形"),
}


@dataclass(frozen=True)
class _Place:
    """Where links point to and in which language titles are."""

    base: str
    spoken: str


async def volumes(request: Request) -> list[dict[str, Any]]:
    """Return the volumes that stand alone or hold others, as the one who asks may see them."""
    state = state_of(request.app)
    place = _Place(base_url(request, state.settings), language(request, state.settings.language))
    listed = await layers_of(request)
    made = []
    for name, group in groupby(sorted(listed, key=lambda one: one.tileset.layer.partition("/")[0]), key=_group):
        members = list(group)
        made.append(_volume(members[0], place, parent=None) if members[0].tileset.layer == name else _parent(name, members, place))
    return made


async def volume(request: Request, identifier: str) -> dict[str, Any]:
    """Return one volume.

    Raises
    ------
    UnknownCollectionError
        There is none of this id, or none for the one who asks.
    """
    for one in await volumes(request):
        if one["id"] == identifier:
            return one
        for child in one.get("children", []):
            if child["id"] == identifier:
                return dict(child)
    raise UnknownCollectionError(f"no collection {identifier[:80]!r}; see /collections")


def _group(one: Layer) -> str:
    return one.tileset.layer.partition("/")[0]


def _id(layer: str) -> str:
    return PREFIX + layer.replace("/", "-")


def _title(tileset: Tileset, spoken: str) -> str:
    return str(tileset.title.get(spoken) or tileset.title.get("en") or tileset.layer)


def _volume(one: Layer, place: _Place, parent: str | None) -> dict[str, Any]:
    tileset = one.tileset
    identifier = _id(tileset.layer)
    tiles = {
        "href": f"{place.base}/{one.href}",
        "type": TILES_MEDIA_TYPE,
        "title": "3D Tiles 1.1",
    }
    note = (tileset.note or {}).get(place.spoken)
    made: dict[str, Any] = {
        "id": identifier,
        "title": _title(tileset, place.spoken),
        "collectionType": "3d-container",
        "itemType": "unknown",
        "layerDataType": NO_FEATURES,
        "extent": {"spatial": _spatial([tileset])},
        "links": [
            *_own_links(identifier, place, parent),
            {**tiles, "rel": RELATION},
            {
                "href": f"{place.base}/collections/{tileset.collection}",
                "rel": "related",
                "type": "application/json",
                "title": "要素(同一编码)" if place.spoken == "zh" else "Features with the same codes",
            },
        ],
        "content": [{**tiles, "rel": "original", "collectionType": "3d-container"}],
        "synthetic": tileset.is_synthetic,
    }
    return made | ({"description": note} if note else {})


def _parent(name: str, members: list[Layer], place: _Place) -> dict[str, Any]:
    identifier = PREFIX + name
    english, chinese = _GROUPS.get(name, (name, name))
    children = [_volume(one, place, parent=identifier) for one in members]
    return {
        "id": identifier,
        "title": chinese if place.spoken == "zh" else english,
        "collectionType": "3d-container",
        "itemType": "unknown",
        "layerDataType": NO_FEATURES,
        "extent": {"spatial": _spatial([one.tileset for one in members])},
        "links": [
            *_own_links(identifier, place, None),
            *(
                {"href": f"{place.base}/{one.href}", "rel": RELATION, "type": TILES_MEDIA_TYPE, "title": _title(one.tileset, place.spoken)}
                for one in members
            ),
        ],
        "children": children,
        "synthetic": any(one.tileset.is_synthetic for one in members),
    }


def _own_links(identifier: str, place: _Place, parent: str | None) -> list[dict[str, str]]:
    here = f"{place.base}/collections/{quote(identifier)}"
    made = [
        {"href": f"{here}?f=json", "rel": "self", "type": "application/json", "title": "JSON"},
        {"href": f"{here}?f=html", "rel": "alternate", "type": "text/html", "title": "HTML"},
    ]
    if parent is not None:
        up = f"{place.base}/collections/{parent}"
        made.append({"href": up, "rel": "up", "type": "application/json", "title": "上级" if place.spoken == "zh" else "Volume it is in"})
    return made


def _spatial(tilesets: list[Tileset]) -> dict[str, Any]:
    """Return the box around tilesets; CGCS2000 to WGS 84 is a null transformation, heights are ellipsoidal."""
    boxes = [one.bbox for one in tilesets if one.bbox is not None]
    heights = [one.heights for one in tilesets if one.heights is not None]
    if not boxes:
        return {"bbox": [], "crs": _CRS84}
    west, south = min(box[0] for box in boxes), min(box[1] for box in boxes)
    east, north = max(box[2] for box in boxes), max(box[3] for box in boxes)
    if not heights:
        return {"bbox": [[west, south, east, north]], "crs": _CRS84}
    low, high = min(one[0] for one in heights), max(one[1] for one in heights)
    return {"bbox": [[west, south, low, east, north, high]], "crs": _CRS84H}
