"""The public collections: which table, which attributes, with types, units and enumerations read from the tables' metadata."""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, NamedTuple

from geoalchemy2 import Geometry
from sqlalchemy import Boolean, CheckConstraint, Column, Date, DateTime, Float, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from cim.db import labels
from cim.db.tables import bim, citymodel, network, planning, register
from cim.exchange.model import ColumnType, ExportCollection, ExportColumn
from cim.profile import Names

FieldType = Literal["string", "integer", "number", "boolean", "date", "date-time", "object"]

_UNIT = re.compile(r"\[([^\]]+)\]")
_ONE_OF = re.compile(r"^(\w+) IN \((.*)\)$")
_BETWEEN = re.compile(r"^(\w+) BETWEEN (-?\d+) AND (-?\d+)$")
_WITHIN = re.compile(r"^(\w+) (>=?) (-?\d+) AND \1 (<=?) (-?\d+)$")
_UCUM = {"byte": "By", "m/m": "1"}

_INTERNAL = {"id", "geom", "kind", "county_code", "code_scheme", "dataset_id", "placement", "recorded_at", "change_set_id"} | {
    "source_key",
    "content_hash",
    "norm_text",
    "match_evidence",
    "attribute_sources",
}
_SEARCHED = (
    "code", "name", "long_name", "address", "full_text", "road", "house_number", "survey_no", "owner", "ifc_class", "object_type", "tag",
    "land_use", "plan_name", "approval_no",
)  # fmt: skip
"""Attributes that a search by words looks into."""
_WHERE_LOADED = ("city_object", "planning_control")
"""Tables of what not every city has."""
_CONTRACT_BUILDINGS = (
    "code", "name", "address", "division_code", "height_m", "ground_elevation_m", "storeys_above", "storeys_below", "use", "structure",
    "year_built", "footprint_area_m2", "floor_area_m2", "safety_grade", "status", "source_dataset", "version", "valid_from",
    "ground_mean_m", "ground_max_m",
)  # fmt: skip


class Bounds(NamedTuple):
    """Least and greatest number that the store accepts, each with or without itself."""

    least: int
    greatest: int
    with_least: bool = True
    with_greatest: bool = True

    def schema(self) -> dict[str, int]:
        """Return the keywords of JSON Schema 2020-12 (validation, section 6.2)."""
        return {
            "minimum" if self.with_least else "exclusiveMinimum": self.least,
            "maximum" if self.with_greatest else "exclusiveMaximum": self.greatest,
        }


@dataclass(frozen=True)
class Attribute:
    """One attribute of a collection.

    Parameters
    ----------
    name
        Property name, equal to the column's.
    type
        JSON type; ``date`` and ``date-time`` are strings of RFC 3339.
    unit
        UCUM symbol, None where the attribute has no unit.
    values
        All values the store accepts, empty where it is open.
    bounds
        Numbers the store accepts, None where all are.
    note
        Remark of the table's documentation, without the unit.
    title
        Name for people.
    """

    name: str
    type: FieldType
    unit: str | None
    values: tuple[str, ...]
    bounds: Bounds | None
    note: str
    title: Names

    @property
    def is_queryable(self) -> bool:
        """Whether ``name=value`` filters on it."""
        return self.type != "object"


@dataclass(frozen=True)
class Collection:
    """A public collection of features.

    Parameters
    ----------
    id
        Collection id of the API.
    table
        Table, or parent table of the partitions.
    kind
        Network kind that selects the partition, None for other tables.
    geometry
        Geometry type, e.g. MultiPolygon.
    has_z
        Third coordinate is the elevation [m] in the city's vertical datum.
    attributes
        Properties in output order.
    """

    id: str
    table: str
    kind: str | None
    geometry: str
    has_z: bool
    attributes: tuple[Attribute, ...]
    title: Names
    description: Names
    dataset_kind: str
    keywords: tuple[str, ...] = field(default=())

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute of this name, None where there is none."""
        return next((one for one in self.attributes if one.name == name), None)

    @property
    def queryables(self) -> tuple[Attribute, ...]:
        """Attributes that can be filtered on."""
        return tuple(one for one in self.attributes if one.is_queryable)

    @property
    def searched(self) -> tuple[str, ...]:
        """Names of the attributes that a search by words looks into."""
        return tuple(one.name for one in self.attributes if one.name in _SEARCHED)

    @property
    def is_versioned(self) -> bool:
        """Whether rows carry ``valid_from``."""
        return self.attribute("valid_from") is not None

    @property
    def is_core(self) -> bool:
        """Whether the collection is listed while it is empty."""
        return self.kind is None and self.table not in _WHERE_LOADED


def _json_type(column: Column[Any]) -> FieldType:
    kinds: tuple[tuple[type, FieldType], ...] = (
        (Boolean, "boolean"),
        (Integer, "integer"),
        (Float, "number"),
        (DateTime, "date-time"),
        (Date, "date"),
        (JSONB, "object"),
        (Text, "string"),
    )
    for kind, name in kinds:
        if isinstance(column.type, kind):
            return name
    raise TypeError(f"column {column.table.name}.{column.name}: type {column.type} has no place in the API")


def _checks(table: Table) -> tuple[dict[str, tuple[str, ...]], dict[str, Bounds]]:
    values: dict[str, tuple[str, ...]] = {}
    bounds: dict[str, Bounds] = {}
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint):
            text = str(constraint.sqltext)
            if match := _ONE_OF.match(text):
                values[match[1]] = tuple(part.strip().strip("'") for part in match[2].split(","))
            elif match := _BETWEEN.match(text):
                bounds[match[1]] = Bounds(int(match[2]), int(match[3]))
            elif match := _WITHIN.match(text):
                bounds[match[1]] = Bounds(int(match[3]), int(match[5]), match[2] == ">=", match[4] == "<=")
    return values, bounds


def _attributes(table: Table, names: tuple[str, ...] | None = None) -> tuple[Attribute, ...]:
    values, bounds = _checks(table)
    # SQLAlchemy's names are a subclass of str that JSON encoders refuse as keys.
    wanted = names or tuple("".join(column.name) for column in table.columns if column.name not in _INTERNAL)
    made = []
    for name in wanted:
        column = table.columns[name]
        comment = column.comment or ""
        unit = _UNIT.search(comment)
        made.append(
            Attribute(
                name=name,
                type=_json_type(column),
                unit=_UCUM.get(unit[1], unit[1]) if unit else None,
                values=values.get(name, ()),
                bounds=bounds.get(name),
                note=re.sub(r"\s+", " ", _UNIT.sub("", comment)).replace(" ,", ",").strip(),
                title=labels.field_title(name, table.name),
            )
        )
    return tuple(made)


def _geometry(table: Table) -> tuple[str, bool]:
    kind = table.columns["geom"].type
    if not isinstance(kind, Geometry):
        raise TypeError(f"table {table.name}: column geom is not a geometry")
    text = str(kind.geometry_type)
    return text.removesuffix("Z"), kind.dimension == 3


def _core(collection_id: str, table: Table, dataset_kind: str, names: tuple[str, ...] | None = None) -> Collection:
    title_en, title_zh, text_en, text_zh = labels.COLLECTIONS[collection_id]
    geometry, has_z = _geometry(table)
    return Collection(
        id=collection_id,
        table=table.name,
        kind=None,
        geometry=geometry,
        has_z=has_z,
        attributes=_attributes(table, names),
        title=Names(en=title_en, zh=title_zh),
        description=Names(en=text_en, zh=text_zh),
        dataset_kind=dataset_kind,
        keywords=("CIM", title_en, title_zh),
    )


def _network(kind: str, table: Table, suffix: str, part_en: str, part_zh: str) -> Collection:
    english, chinese = labels.KINDS[kind]
    geometry, has_z = _geometry(table)
    heights_en = "The third coordinate is the elevation in metres in the city's vertical datum."
    return Collection(
        id=f"{kind}-{suffix}",
        table=table.name,
        kind=kind,
        geometry=geometry,
        has_z=has_z,
        attributes=_attributes(table),
        title=Names(en=f"{english} network: {part_en}", zh=f"{chinese}管线:{part_zh}"),
        description=Names(
            en=f"{part_en.capitalize()} of the {english.lower()} network. {heights_en}",
            zh=f"{chinese}网络的{part_zh}。第三坐标为城市高程基准下的高程(米)。",
        ),
        dataset_kind="network",
        keywords=("CIM", "network", kind, chinese),
    )


_COLUMN_TYPES: dict[FieldType, ColumnType] = {
    "string": "string", "integer": "int32", "number": "float64", "boolean": "boolean", "date": "date", "date-time": "timestamp",
    "object": "json",
}  # fmt: skip


def export_collection(collection: Collection, attributes: tuple[Attribute, ...]) -> ExportCollection:
    """Return a collection with chosen attributes as the writers of files want it."""
    columns = tuple(
        ExportColumn(
            one.name, _COLUMN_TYPES[one.type], one.note, one.title, tuple((v, labels.value_title(one.name, v)) for v in one.values)
        )
        for one in attributes
    )
    return ExportCollection(
        collection.id,
        collection.table,
        collection.kind,
        collection.geometry,
        collection.has_z,
        columns,
        collection.title,
        collection.description,
    )


@cache
def collections() -> dict[str, Collection]:
    """Return all collections this program can serve, by id, in the order of the API."""
    made = [
        _core("divisions", register.division, "divisions"),
        _core("buildings", register.building, "census", _CONTRACT_BUILDINGS),
        _core("units", register.unit, "census"),
        _core("addresses", register.address, "addresses"),
        _core("bim-models", bim.bim_model, "bim"),
        _core("bim-storeys", bim.bim_storey, "bim"),
        _core("bim-spaces", bim.bim_space, "bim"),
        _core("bim-elements", bim.bim_element, "bim"),
        _core("city-objects", citymodel.city_object, "citymodel"),
        _core("planning-controls", planning.planning_control, "planning"),
    ]
    for kind in network.KINDS:
        made.append(_network(kind, network.network_edge, "lines", "lines", "管段"))
        made.append(_network(kind, network.network_node, "points", "points", "管点"))
    return {one.id: one for one in made}
