"""Where a feature leads to: its history, what hangs on it, and its 3D layer."""

from urllib.parse import quote

from cim.db.catalog import Collection
from cim.db.published import Catalogue
from cim.db.tables.history import HISTORY

_OF_BUILDING = (
    ("units", "building_code"),
    ("addresses", "building_code"),
    ("bim-models", "building_code"),
    ("city-objects", "building_code"),
)
_OF_MODEL = (("bim-storeys", "model_code"), ("bim-spaces", "model_code"), ("bim-elements", "model_code"))

Link = dict[str, str]


def related(collection: Collection, code: str, base: str, catalogue: Catalogue) -> list[Link]:
    """Return the links of a feature besides its own formats."""
    collections = f"{base}/collections"
    escaped = quote(code, safe="")
    made: list[Link] = [{"rel": "collection", "type": "application/json", "href": f"{collections}/{collection.id}"}]
    if collection.table in HISTORY:
        made.append(
            {
                "rel": "version-history", "type": "application/geo+json", "title": "History / 历史",
                "href": f"{collections}/{collection.id}/items/{escaped}/history",
            }
        )  # fmt: skip
    hanging = {"buildings": _OF_BUILDING, "bim-models": _OF_MODEL}.get(collection.id, ())
    made += [
        {
            "rel": "related", "type": "application/geo+json", "title": f"{found.collection.title.en} / {found.collection.title.zh}",
            "href": f"{collections}/{other}/items?{name}={escaped}",
        }
        for other, name in hanging
        if (found := catalogue.published.get(other))
    ]  # fmt: skip
    made += [
        {
            "rel": "related", "type": "application/json+3dtiles", "title": tileset.title.get("en", tileset.layer),
            "href": f"{base}/3dtiles/{tileset.layer}/tileset.json",
        }
        for tileset in catalogue.tilesets
        if tileset.collection == collection.id and (tileset.kind != "bim" or tileset.layer.endswith(f"/{code}"))
    ]  # fmt: skip
    return made
