"""Municipal networks: one pair of tables for all kinds, list-partitioned by kind; service links, outages, source models."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from cim.db.tables.base import METADATA, attributes_column, geometry_column, id_column, version_columns

KINDS = ("water", "rainwater", "sewage", "gas", "heat", "power", "lighting", "telecom", "road", "tunnel")
STATUSES = ("planned", "in_use", "abandoned")
STATES = ("open", "closed", "broken", "inaccessible")
OUTAGE_STATES = ("planned", "in_progress", "finished", "cancelled", "conflict")


def _equipment() -> list[Column[object]]:
    """Return the columns of what is operated and maintained."""
    return [
        Column("component_code", Text, comment="code of the municipal component: county, big class, small class, sequence, 16 digits"),
        Column("state", Text, comment="valves and switches: open, closed, broken (cannot be moved), inaccessible; empty = no such part"),
        Column("condition", Text, comment="condition as last inspected"),
        Column("maintainer", Text, comment="unit that maintains it"),
    ]


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
    *_equipment(),
    Column("division_code", Text, comment="village or community it lies in, 12 digits; empty outside of all boundaries"),
    PrimaryKeyConstraint("kind", "id"),
    UniqueConstraint("kind", "code"),
    UniqueConstraint("kind", "source_dataset", "survey_no"),
    CheckConstraint("status IN ('planned', 'in_use', 'abandoned')", name="status"),
    CheckConstraint("state IN ('open', 'closed', 'broken', 'inaccessible')", name="state"),
    UniqueConstraint("kind", "component_code"),
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
    Column("feature", Text, comment="what the line is: PIPE, PUMP, VALVE, ORIFICE, WEIR, CABLE, SWITCH, TRANSFORMER, ROAD, BRIDGE, …"),
    Column("roughness", Float, comment="wall roughness in the measure of roughness_kind"),
    Column("roughness_kind", Text, comment="hazen-williams, manning, mm (equivalent sand roughness [mm])"),
    *_equipment(),
    Column("division_code", Text, comment="village or community its middle lies in, 12 digits; empty outside of all boundaries"),
    PrimaryKeyConstraint("kind", "id"),
    UniqueConstraint("kind", "code"),
    CheckConstraint("status IN ('planned', 'in_use', 'abandoned')", name="status"),
    CheckConstraint("depth_reference IN ('crown', 'invert', 'centre')", name="depth_reference"),
    CheckConstraint("start_node <> end_node", name="ends_differ"),
    CheckConstraint("state IN ('open', 'closed', 'broken', 'inaccessible')", name="state"),
    UniqueConstraint("kind", "component_code"),
    Index("network_edge_geom_gist", "geom", postgresql_using="gist"),
    Index("network_edge_start_node_btree", "kind", "start_node"),
    Index("network_edge_end_node_btree", "kind", "end_node"),
    Index("network_edge_county_code_id_key", "kind", "county_code", "id", unique=True),
    Index("network_edge_source_btree", "kind", "source_dataset", "source_key"),
    postgresql_partition_by="LIST (kind)",
    comment="Lines of municipal networks",
)

network_link = Table(
    "network_link",
    METADATA,
    id_column(),
    Column("kind", Text, nullable=False, comment="kind of the network"),
    Column("part", Text, nullable=False, comment="node or edge that serves"),
    Column("part_code", Text, nullable=False, comment="code of the node or edge"),
    Column("collection", Text, nullable=False, comment="buildings or addresses"),
    Column("target_code", Text, nullable=False, comment="code of the building or address served"),
    Column("method", Text, nullable=False, comment="source (named by the data), nearest (computed), edit"),
    Column("distance_m", Float, comment="from the part to what it serves [m], where computed"),
    Column("n_customers", Integer, nullable=False, server_default=text("1"), comment="customers behind the connection"),
    Column("change_set_id", UUID, ForeignKey("change_set.id"), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    UniqueConstraint("kind", "part_code", "collection", "target_code"),
    CheckConstraint("part IN ('node', 'edge')", name="part"),
    CheckConstraint("collection IN ('buildings', 'addresses')", name="collection"),
    Index("network_link_target_code_btree", "target_code"),
    comment="House connections: which part of a network serves which building or address",
)

network_outage = Table(
    "network_outage",
    METADATA,
    id_column(),
    Column("kind", Text, nullable=False),
    Column("number", Text, nullable=False, unique=True, comment="number of the shutdown, e.g. OUT-2026-000001"),
    Column("cause", Text, nullable=False, comment="planned or accidental"),
    Column("state", Text, nullable=False, comment="planned, in_progress, finished, cancelled, conflict"),
    Column("part_code", Text, nullable=False, comment="edge or node that is worked on or burst"),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), comment="planned or real end"),
    Column("reason", Text, nullable=False),
    Column("result", JSONB, nullable=False, comment="isolation as computed: valves, edges, customers, unusable valves"),
    Column("conflicts_with", Text, comment="number of the shutdown it overlaps"),
    Column("change_set_id", UUID, ForeignKey("change_set.id"), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint("cause IN ('planned', 'accidental')", name="cause"),
    CheckConstraint("state IN ('planned', 'in_progress', 'finished', 'cancelled', 'conflict')", name="state"),
    CheckConstraint("ends_at > starts_at", name="order"),
    Index("network_outage_kind_state_btree", "kind", "state"),
    comment="Shutdowns: what was or will be out of service, and who is affected",
)

network_outage_step = Table(
    "network_outage_step",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("outage_id", UUID, ForeignKey("network_outage.id"), nullable=False, index=True),
    Column("state", Text, nullable=False, comment="state entered"),
    Column("author", Text, nullable=False),
    Column("note", Text),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    comment="Every state a shutdown went through",
)

network_source_model = Table(
    "network_source_model",
    METADATA,
    Column("dataset_id", UUID, ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("dataset", Text, nullable=False, comment="name of the dataset"),
    Column("format", Text, nullable=False, comment="epanet, swmm, pandapipes, pandapower"),
    Column("content", LargeBinary, nullable=False, comment="file as received, zlib: curves, patterns and controls live in it"),
    Index("network_source_model_dataset_btree", "kind", "dataset"),
    comment="Hydraulic models as received, for the engines",
)
