"""Styles of collections in the languages of their clients: MapLibre style (version 8), QGIS QML, SLD 1.0.0 (OGC 02-070)."""

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from cim.db import labels
from cim.db.catalog import Collection
from cim.db.vector_tiles import first_level
from ogc_api.palette import UNKNOWN, USES, colour_of

ENCODINGS = {
    "mapbox": "application/vnd.mapbox.style+json",
    "qml": "application/vnd.qgis.qml",
    "sld10": "application/vnd.ogc.sld+xml;version=1.0",
}
"""Media types of styles by the value of ``f=``."""

_HIGH_FROM = 14


def maplibre(collections: Sequence[Collection], name: str, base: str, centre: list[float] | None) -> dict[str, Any]:
    """Return a MapLibre style over the tiles of collections; the feature id of every source is the code.

    Parameters
    ----------
    centre
        Longitude and latitude [deg] of the first view.
    """
    made: dict[str, Any] = {
        "version": 8,
        "name": name,
        "sources": {
            one.id: {"type": "vector", "url": f"{base}/collections/{one.id}/tiles/tilejson.json", "promoteId": "code"}
            for one in collections
        },
        "layers": [{"id": "background", "type": "background", "paint": {"background-color": "#f4f5f2"}}],
    }
    if centre:
        made |= {"center": centre, "zoom": 13}
    # Areas below lines below points.
    for geometry in ("MULTIPOLYGON", "LINESTRING", "POINT"):
        for one in collections:
            if one.geometry == geometry:
                made["layers"] += _layers(one)
    return made


def _layers(collection: Collection) -> list[dict[str, Any]]:
    shared = {"source": collection.id, "source-layer": collection.id, "minzoom": first_level(collection)}
    colour = colour_of(collection.id, collection.kind)
    if collection.geometry == "POINT":
        radius = ["interpolate", ["linear"], ["zoom"], 14, 2, 18, 5]
        return [{"id": collection.id, "type": "circle", **shared, "paint": {"circle-color": colour, "circle-radius": radius}}]
    if collection.geometry == "LINESTRING":
        width = ["interpolate", ["linear"], ["zoom"], 11, 0.8, 18, 4]
        return [{"id": collection.id, "type": "line", **shared, "paint": {"line-color": colour, "line-width": width}}]
    if collection.id == "divisions":
        return [
            {"id": collection.id, "type": "line", **shared, "paint": {"line-color": colour, "line-width": 1.2, "line-dasharray": [3, 2]}}
        ]
    fill: Any = colour
    if collection.id == "buildings":
        fill = ["match", ["get", "use"], *(part for use, one in USES.items() for part in (use, one)), UNKNOWN]
    made = [{"id": collection.id, "type": "fill", **shared, "paint": {"fill-color": fill, "fill-outline-color": "#55606a"}}]
    if collection.id == "buildings":
        made.append(
            {
                "id": "buildings-3d", "type": "fill-extrusion", **shared, "minzoom": _HIGH_FROM,
                "paint": {
                    "fill-extrusion-color": fill, "fill-extrusion-height": ["coalesce", ["get", "height_m"], 3],
                    "fill-extrusion-opacity": 0.85,
                },
            }
        )  # fmt: skip
    return made


def qml(collection: Collection, language: str) -> str:
    """Return a QGIS layer style with names of attributes and values for people."""
    kind = {
        "POINT": ("marker", "SimpleMarker", "0"),
        "LINESTRING": ("line", "SimpleLine", "1"),
        "MULTIPOLYGON": ("fill", "SimpleFill", "2"),
    }
    symbol_type, layer_class, geometry = kind[collection.geometry]

    def symbol(name: str, colour: str) -> str:
        options = {"marker": {"color": _rgba(colour), "size": "2"}, "line": {"line_color": _rgba(colour), "line_width": "0.5"}}.get(
            symbol_type, {"color": _rgba(colour), "outline_color": "85,96,106,255", "outline_width": "0.1"}
        )
        listed = "".join(f'<Option type="QString" name="{key}" value="{value}"/>' for key, value in options.items())
        return (
            f'<symbol type="{symbol_type}" name="{name}" alpha="1"><layer class="{layer_class}" enabled="1">'
            f'<Option type="Map">{listed}</Option></layer></symbol>'
        )

    if collection.id == "buildings":
        uses = [*USES.items(), ("", UNKNOWN)]
        categories = "".join(
            f'<category symbol="{n}" value="{use}" label={quoteattr(_value(use, language))} render="true"/>'
            for n, (use, _) in enumerate(uses)
        )
        symbols = "".join(symbol(str(n), colour) for n, (_, colour) in enumerate(uses))
        renderer = (
            f'<renderer-v2 type="categorizedSymbol" attr="use"><categories>{categories}</categories>'
            f"<symbols>{symbols}</symbols></renderer-v2>"
        )
    else:
        only = symbol("0", colour_of(collection.id, collection.kind))
        renderer = f'<renderer-v2 type="singleSymbol"><symbols>{only}</symbols></renderer-v2>'
    aliases = "".join(
        f'<alias index="{n}" field="{one.name}" name={quoteattr(getattr(one.title, language))}/>'
        for n, one in enumerate(collection.attributes)
    )
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        f'<qgis version="3.22" styleCategories="Symbology|Fields">{renderer}<aliases>{aliases}</aliases>'
        f"<layerGeometryType>{geometry}</layerGeometryType></qgis>\n"
    )


def sld(collection: Collection, language: str) -> str:
    """Return a Styled Layer Descriptor 1.0.0."""
    if collection.id == "buildings":
        rules = "".join(_rule(_value(use, language), colour, collection.geometry, use) for use, colour in USES.items())
        rules += _rule(_value("", language), UNKNOWN, collection.geometry, None, otherwise=True)
    else:
        rules = _rule(getattr(collection.title, language), colour_of(collection.id, collection.kind), collection.geometry, None)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<StyledLayerDescriptor version="1.0.0" xmlns="http://www.opengis.net/sld"'
        ' xmlns:ogc="http://www.opengis.net/ogc" xmlns:xlink="http://www.w3.org/1999/xlink"><NamedLayer>'
        f"<Name>{collection.id}</Name><UserStyle><Title>{escape(getattr(collection.title, language))}</Title>"
        f"<FeatureTypeStyle>{rules}</FeatureTypeStyle></UserStyle></NamedLayer></StyledLayerDescriptor>\n"
    )


def _rule(title: str, colour: str, geometry: str, use: str | None, *, otherwise: bool = False) -> str:
    chosen = "<ElseFilter/>" if otherwise else ""
    if use is not None:
        chosen = (
            f"<ogc:Filter><ogc:PropertyIsEqualTo><ogc:PropertyName>use</ogc:PropertyName><ogc:Literal>{use}</ogc:Literal>"
            "</ogc:PropertyIsEqualTo></ogc:Filter>"
        )
    stroke = '<Stroke><CssParameter name="stroke">{}</CssParameter><CssParameter name="stroke-width">{}</CssParameter></Stroke>'
    fill = f'<Fill><CssParameter name="fill">{colour}</CssParameter></Fill>'
    mark = f"<Graphic><Mark><WellKnownName>circle</WellKnownName>{fill}</Mark><Size>6</Size></Graphic>"
    drawn = {
        "POINT": f"<PointSymbolizer>{mark}</PointSymbolizer>",
        "LINESTRING": f"<LineSymbolizer>{stroke.format(colour, 1.5)}</LineSymbolizer>",
        "MULTIPOLYGON": f"<PolygonSymbolizer>{fill}{stroke.format('#55606a', 0.4)}</PolygonSymbolizer>",
    }[geometry]
    return f"<Rule><Title>{escape(title)}</Title>{chosen}{drawn}</Rule>"


def _value(use: str, language: str) -> str:
    if not use:
        return "未知" if language == "zh" else "unknown"
    return str(getattr(labels.value_title("use", use), language))


def _rgba(colour: str) -> str:
    return ",".join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5)) + ",255"
