"""JSON Schemas of collections (OGC API - Features, part 5) and their queryables (part 3), from the tables' metadata."""

from typing import Any

from cim.db import feature_edits, labels
from cim.db.catalog import Attribute, Collection
from cim.profile import Names

_GEOMETRY_FORMAT = {"POINT": "point", "LINESTRING": "linestring", "MULTIPOLYGON": "multipolygon"}


def schema(collection: Collection, language: str, address: str) -> dict[str, Any]:
    """Return the schema of a collection's features.

    Parameters
    ----------
    language
        en or zh, for titles.
    address
        URL of the schema.
    """
    document = _document(collection, collection.attributes, language, address)
    settable = {one.name for one in feature_edits.writable(collection)}
    for one in collection.attributes:
        if one.name not in settable:
            document["properties"][one.name]["readOnly"] = True
    return document


def queryables(collection: Collection, language: str, address: str) -> dict[str, Any]:
    """Return the schema of the attributes that can be filtered on."""
    document = _document(collection, collection.queryables, language, address)
    document["additionalProperties"] = False
    return document


def _document(collection: Collection, attributes: tuple[Attribute, ...], language: str, address: str) -> dict[str, Any]:
    properties = {one.name: attribute(one, place, language) for place, one in enumerate(attributes, 1)}
    properties["code"]["x-ogc-role"] = "id"
    heights = Names(en="third coordinate: elevation [m] in the city's vertical datum", zh="第三坐标:城市高程基准下的高程(米)")
    geometry: dict[str, Any] = {
        "title": _text(Names(en="Geometry", zh="几何"), language),
        "x-ogc-role": "primary-geometry",
        "format": f"geometry-{_GEOMETRY_FORMAT[collection.geometry]}",
        "x-ogc-propertySeq": len(attributes) + 1,
    }
    if collection.has_z:
        geometry["description"] = _text(heights, language)
    properties["geometry"] = geometry
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": address,
        "type": "object",
        "title": _text(collection.title, language),
        "description": _text(collection.description, language),
        "properties": properties,
    }


def attribute(one: Attribute, place: int, language: str) -> dict[str, Any]:
    """Return the schema of one attribute.

    Parameters
    ----------
    place
        Position among the attributes, from 1.
    """
    made: dict[str, Any] = {"title": _text(one.title, language)}
    dated = one.type in ("date", "date-time")
    made["type"] = "string" if dated else one.type
    if dated:
        made["format"] = one.type
    if one.note:
        made["description"] = one.note
    if one.unit:
        made["x-ogc-unit"] = one.unit
        made["x-ogc-unitLang"] = "UCUM"
    if one.values:
        made["enum"] = list(one.values)
        made["oneOf"] = [{"const": value, "title": _text(labels.value_title(one.name, value), language)} for value in one.values]
    if one.bounds:
        made |= one.bounds.schema()
    made["x-ogc-propertySeq"] = place
    return made


def _text(names: Names, language: str) -> str:
    return names.zh if language == "zh" else names.en
