"""Municipal networks: one pair of tables for all kinds, list-partitioned by kind."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from cim.db.tables.base import METADATA, attributes_column, geometry_column, version_columns

KINDS = ("water", "rainwater", "sewage", "gas", "heat", "power", "lighting", "telecom", "road")
STATUSES = ("planned", "in_use", "abandoned")


def _id() -> Column[object]:
    return Column("id", UUID, nullable=False, server_default=text("cim_uuid7()"), comment="internal id, UUIDv7, immutable")


network_node = Table(
    "network_node",
    METADATA,
    _id(),
    Column("kind", Text, nullable=False, comment="one of " + ", ".join(KINDS)),
    Column("code", Text, nullable=False, comment="node code, assigned once"),
    Column("county_code", Text, nullable=False),
    Column("survey_no", Text, nullable=False, comment="point number of the survey (EXP_NO)"),
    Column("feature", Text, comment="what the point is in the line: TEE, BEND, MANHOLE, …"),
    Column("appendage", Text, comment="equipment on the point: VALVE, HYDRANT, …"),
    Column("type_code", Text, comment="survey type code, e.g. JS, YS, WS"),
    Column("ground_elevation_m", Float, comment="ground [m] in the city's vertical datum"),
    Column(
        "elevation_m",
        Float,
        comment="pipe crown or invert [m] in the city's vertical datum, see depth_reference of the edges",
    ),
    Column("depth_m", Float, comment="ground minus elevation [m], positive down"),
    Column("owner", Text),
    Column("status", Text, nullable=False, server_default=text("'in_use'")),
    geometry_column("Point", z=True),
    attributes_column(),
    *version_columns(),
    PrimaryKeyConstraint("kind", "id"),
    UniqueConstraint("kind", "code"),
    UniqueConstraint("kind", "source_dataset", "survey_no"),
    CheckConstraint("status IN ('planned', 'in_use', 'abandoned')", name="status"),
    Index("network_node_geom_gist", "geom", postgresql_using="gist"),
    Index("network_node_county_code_id_key", "kind", "county_code", "id", unique=True),
    postgresql_partition_by="LIST (kind)",
    comment="Points of municipal networks",
)

network_edge = Table(
    "network_edge",
    METADATA,
    _id(),
    Column("kind", Text, nullable=False, comment="one of " + ", ".join(KINDS)),
    Column("code", Text, nullable=False, comment="line code, assigned once"),
    Column("county_code", Text, nullable=False),
    Column("start_node", Text, nullable=False, comment="code of the start node"),
    Column("end_node", Text, nullable=False, comment="code of the end node"),
    Column("type_code", Text, comment="survey type code, e.g. JS, YS, WS"),
    Column("diameter_mm", Float, comment="inner or nominal diameter [mm]"),
    Column("width_mm", Float, comment="profile width [mm], rectangular ducts"),
    Column("height_mm", Float, comment="profile height [mm], rectangular ducts"),
    Column("material", Text, comment="canonical material"),
    Column("embedding", Text, comment="how it is laid: DIRECT, DUCT_BLOCK, …"),
    Column("depth_reference", Text, nullable=False, comment="depths run to the pipe's crown or invert"),
    Column("start_depth_m", Float, comment="depth at the start [m], positive down"),
    Column("end_depth_m", Float, comment="depth at the end [m], positive down"),
    Column("length_m", Float, comment="three-dimensional length [m]"),
    Column("slope", Float, comment="fall per length, positive downstream [m/m]"),
    Column("flow_direction", SmallInteger, comment="1 start to end, -1 end to start, 0 none"),
    Column("pressure", Text, comment="pressure as surveyed, e.g. 0.4 MPa"),
    Column("voltage", Text, comment="voltage as surveyed, e.g. 10 kV"),
    Column("n_cables", SmallInteger, comment="number of cables"),
    Column("year_laid", SmallInteger),
    Column("owner", Text),
    Column("status", Text, nullable=False, server_default=text("'in_use'")),
    geometry_column("LineString", z=True, note="at the depth reference"),
    attributes_column(),
    *version_columns(),
    PrimaryKeyConstraint("kind", "id"),
    UniqueConstraint("kind", "code"),
    CheckConstraint("status IN ('planned', 'in_use', 'abandoned')", name="status"),
    CheckConstraint("depth_reference IN ('crown', 'invert', 'centre')", name="depth_reference"),
    CheckConstraint("start_node <> end_node", name="ends_differ"),
    Index("network_edge_geom_gist", "geom", postgresql_using="gist"),
    Index("network_edge_start_node_btree", "kind", "start_node"),
    Index("network_edge_end_node_btree", "kind", "end_node"),
    Index("network_edge_county_code_id_key", "kind", "county_code", "id", unique=True),
    Index("network_edge_source_btree", "kind", "source_dataset", "source_key"),
    postgresql_partition_by="LIST (kind)",
    comment="Lines of municipal networks",
)
