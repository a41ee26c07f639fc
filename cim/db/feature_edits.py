"""Edits of single features: each one change set, with its outbox event, in the transaction of the caller.

Buildings go the way of `cim changes` (`cim.db.succession`): codes are issued by the store, authority of sources holds, a deleted building
is a demolished one. Other collections are changed in place; what is deleted there gets the status of things that are gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import shapely
from psycopg import sql

from cim.crs import STORE_SRID
from cim.db import feature_creation, succession
from cim.db.catalog import Attribute, Collection
from cim.db.engine import Connection
from cim.errors import ConflictError, GeometryError, NotFoundError, PreconditionError

SOURCE = "edit"
_WRITABLE: dict[str, tuple[str, ...]] = {
    "building": succession.EDITABLE,
    "address": ("road", "house_number", "building_code", "status"),
    "network_node": ("feature", "appendage", "type_code", "ground_elevation_m", "elevation_m", "depth_m", "owner", "status"),
    "network_edge": (
        "type_code", "diameter_mm", "width_mm", "height_mm", "material", "embedding", "start_depth_m", "end_depth_m", "flow_direction",
        "pressure", "voltage", "n_cables", "year_laid", "owner", "status",
    ),
}  # fmt: skip
_PLACED = ("building", "address")
"""Tables whose geometry can be edited: ends of pipes hang on their nodes."""
_GONE = {"address": "retired", "network_node": "abandoned", "network_edge": "abandoned"}
_REQUIRED = ("status",)


@dataclass(frozen=True)
class State:
    """What is known of a feature before an edit; its row is locked.

    Parameters
    ----------
    version
        Counts the states of the feature.
    values
        All attributes.
    """

    version: int
    values: dict[str, Any]


def writable(collection: Collection, *, creating: bool = False) -> tuple[Attribute, ...]:
    """Return the attributes that an edit can set, none for collections that cannot be edited.

    Parameters
    ----------
    creating
        With those that are set when a feature is made, and never again.
    """
    names = _WRITABLE.get(collection.table, ()) + (feature_creation.CREATE_ONLY.get(collection.table, ()) if creating else ())
    return tuple(one for one in collection.attributes if one.name in names)


def can_create(collection: Collection) -> bool:
    """Return whether new features can be made by an edit: the others come from surveys and models."""
    return collection.table in _WRITABLE


def can_move(collection: Collection) -> bool:
    """Return whether an edit can set the geometry."""
    return collection.table in _PLACED


def lock_feature(connection: Connection, collection: Collection, code: str, version: int | None) -> State:
    """Lock a feature for an edit.

    Parameters
    ----------
    version
        State that the client has seen, None for whatever is there.

    Raises
    ------
    NotFoundError
        The collection has no such code.
    PreconditionError
        It was changed since.
    """
    names = [one.name for one in collection.attributes]
    statement = sql.SQL("SELECT {} FROM {} WHERE code = %(code)s {} FOR UPDATE").format(
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.Identifier(collection.table),
        sql.SQL("AND kind = %(kind)s" if collection.kind else ""),
    )
    row = connection.execute(statement, {"code": code, "kind": collection.kind}).fetchone()
    if row is None:
        raise NotFoundError(f"collection {collection.id}: no feature {code[:80]!r}")
    values = dict(zip(names, row, strict=True))
    if version is not None and version != values["version"]:
        raise PreconditionError(
            f"collection {collection.id}, feature {code}: found version {values['version']}, expected version {version}",
            hint="read the feature again and repeat the change",
        )
    return State(values["version"], values)


def create_feature(connection: Connection, collection: Collection, values: Mapping[str, Any], outline: Any, change_set: UUID) -> str:  # noqa: ANN401 - shapely geometry
    """Insert a feature and return the code it was given.

    Parameters
    ----------
    outline
        Geometry of the collection's type, EPSG:4490 lon/lat [deg]; None for a line from node to node.

    Raises
    ------
    GeometryError
        It lies in no village or community of the store, or is not valid.
    InvalidBodyError
        As `feature_creation.create`.
    """
    if not can_create(collection):
        raise ConflictError(f"collection {collection.id}: its features are made by surveys and models, not by edits")
    if collection.table != "building":
        return feature_creation.create(connection, collection, values, outline, change_set)
    return succession.create(connection, values, outline, change_set)


def change_feature(
    connection: Connection,
    collection: Collection,
    state: State,
    values: Mapping[str, Any],
    geometry: Any,  # noqa: ANN401 - shapely geometry
    change_set: UUID,
) -> bool:
    """Set attributes and geometry of a locked feature; return whether anything was different.

    Parameters
    ----------
    geometry
        New geometry, EPSG:4490 lon/lat [deg]; None leaves it.

    Raises
    ------
    ConflictError
        A source with more authority has set an attribute, or a building that is named is not there.
    """
    code = state.values["code"]
    if collection.table == "building":
        return bool(succession.edit(connection, code, values, SOURCE, change_set, outline=geometry))
    changed: dict[str, Any] = {name: value for name, value in values.items() if state.values[name] != value}
    if geometry is not None:
        changed["geom"] = shapely.to_wkb(shapely.set_srid(geometry, STORE_SRID), include_srid=True)
    if not changed:
        return False
    if "building_code" in changed:
        changed["match_method"] = "edit"
    statement = sql.SQL(
        "UPDATE {} SET {}, version = version + 1, recorded_at = now(), change_set_id = %(_change_set)s, "
        "valid_from = greatest(now(), valid_from + interval '1 microsecond') WHERE code = %(_code)s {}"
    ).format(
        sql.Identifier(collection.table),
        sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in changed),
        sql.SQL("AND kind = %(_kind)s" if collection.kind else ""),
    )
    connection.execute(statement, {**changed, "_change_set": change_set, "_code": code, "_kind": collection.kind})
    return True


def retire_feature(connection: Connection, collection: Collection, state: State, change_set: UUID, *, reason: str) -> None:
    """Note that a feature is gone; its code stays its own for ever.

    Raises
    ------
    NotFoundError
        It is gone already.
    """
    code = state.values["code"]
    if collection.table == "building":
        try:
            succession.demolish(connection, [code], change_set, reason=reason)
        except ConflictError as error:
            raise NotFoundError(error.message, hint=error.hint) from error
        return
    gone = _GONE[collection.table]
    if state.values["status"] == gone:
        raise NotFoundError(f"collection {collection.id}, feature {code}: has status {gone} already")
    change_feature(connection, collection, state, {"status": gone}, None, change_set)


def check_outline(shape: Any, kind: str) -> Any:  # noqa: ANN401 - shapely geometry
    """Return a geometry of the collection's type, or say why it is none.

    Raises
    ------
    GeometryError
        Another type, not valid, or without area.
    """
    wanted = {"MULTIPOLYGON": ("Polygon", "MultiPolygon"), "POINT": ("Point",), "LINESTRING": ("LineString",)}[kind]
    if shape is None or shape.geom_type not in wanted:
        found = "null" if shape is None else shape.geom_type
        raise GeometryError("body", f"found {found}, expected {' or '.join(wanted)}", where="geometry")
    if shapely.is_empty(shape) or not shapely.is_valid(shape) or (kind == "MULTIPOLYGON" and shape.area <= 0):
        raise GeometryError("body", f"{shapely.is_valid_reason(shape)}, expected a valid one that is not empty", where="geometry")
    return shape
