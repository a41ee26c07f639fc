"""Shared column builders; every measured column carries its unit, every geometry its CRS, in the comment."""

from geoalchemy2 import Geometry
from sqlalchemy import Column, DateTime, Integer, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

SCHEMA_VERSION = "0010"
"""Newest migration this program knows."""

METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_btree",
    }
)

CRS_NOTE = "EPSG:4490 (CGCS2000), longitude latitude [deg]"


def id_column() -> Column[object]:
    """Return the internal id: UUIDv7, made by the store where the program gives none."""
    return Column("id", UUID, primary_key=True, server_default=text("cim_uuid7()"), comment="internal id, UUIDv7, immutable")


def geometry_column(kind: str, *, z: bool = False, nullable: bool = False, note: str = "") -> Column[object]:
    """Return a typed geometry column in the store CRS; its GiST index is declared by the table."""
    dimension = 3 if z else 2
    typed = f"{kind}Z" if z else kind
    heights = ", z = elevation [m] in the city's vertical datum" if z else ""
    return Column(
        "geom",
        Geometry(typed, srid=4490, dimension=dimension, spatial_index=False),
        nullable=nullable,
        comment=f"{note + '; ' if note else ''}{CRS_NOTE}{heights}",
    )


def attributes_column() -> Column[object]:
    """Return the column for source attributes that have no column of their own."""
    return Column(
        "attributes",
        JSONB,
        nullable=False,
        server_default=text("'{}'::jsonb"),
        comment="further attributes of the source",
    )


def version_columns() -> list[Column[object]]:
    """Return the columns of a versioned row: valid time, transaction time, version, origin."""
    return [
        Column("version", Integer, nullable=False, server_default=text("1"), comment="1, 2, … per row"),
        Column(
            "valid_from",
            DateTime(timezone=True),
            nullable=False,
            server_default=text("now()"),
            comment="from when this state is true",
        ),
        Column(
            "recorded_at",
            DateTime(timezone=True),
            nullable=False,
            server_default=text("now()"),
            comment="when the store learnt it",
        ),
        Column("change_set_id", UUID, nullable=True, comment="change set that wrote this state"),
        Column("source_dataset", Text, nullable=True, comment="name of the dataset this state came from"),
        Column("source_key", Text, nullable=True, comment="natural key of the record in its source"),
        Column("content_hash", Text, nullable=True, comment="hash of the mapped record: equal hash = unchanged"),
    ]
