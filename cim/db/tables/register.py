"""Divisions, buildings, units, addresses, their history, lineage and codes of other schemes."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from cim.db.tables.base import METADATA, attributes_column, geometry_column, id_column, version_columns

USES = (
    "residential", "commercial", "office", "education", "medical", "culture", "sports", "hotel", "industrial", "storage",
    "transport", "infrastructure", "religious", "agricultural", "mixed", "other",
)  # fmt: skip
STRUCTURES = ("MAS", "RC", "SRC", "STL", "TMB", "ETH", "MIX", "CAV", "OTH")
STATUSES = ("planned", "under_construction", "existing", "demolished", "retired")
GRADES = ("A", "B", "C", "D")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


division = Table(
    "division",
    METADATA,
    id_column(),
    Column("code", Text, nullable=False, comment="2, 4, 6, 9 or 12 digits as the level has"),
    Column("name", Text, nullable=False),
    Column(
        "level",
        SmallInteger,
        nullable=False,
        comment="1 province, 2 city, 3 county, 4 town/street, 5 village/community",
    ),
    Column("parent_code", Text, nullable=True),
    Column("urban_rural_class", Text, nullable=True, comment="111-220, statistical classification"),
    Column("is_synthetic", Boolean, nullable=False, server_default=text("false"), comment="boundary is generated"),
    Column("status", Text, nullable=False, server_default=text("'existing'"), comment="existing or retired"),
    geometry_column("MultiPolygon", nullable=True, note="boundary, where known"),
    attributes_column(),
    *version_columns(),
    UniqueConstraint("code"),
    CheckConstraint("level BETWEEN 1 AND 5", name="level"),
    CheckConstraint("code ~ '^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$'", name="code"),
    Index("division_geom_gist", "geom", postgresql_using="gist"),
    Index("division_parent_code_btree", "parent_code"),
    comment="Administrative and statistical divisions",
)

building = Table(
    "building",
    METADATA,
    id_column(),
    Column("code", Text, nullable=False, comment="building code, assigned once, never changed or reused"),
    Column("code_scheme", Text, nullable=False),
    Column("county_code", Text, nullable=False, comment="6 digits, frozen at assignment"),
    Column("division_code", Text, nullable=False, comment="village or community that contains the building now"),
    Column("name", Text),
    Column("address", Text),
    Column("height_m", Float, comment="height above ground [m]"),
    Column("height_source", Text, comment="surveyed, storeys (3 m each), generated, bim"),
    Column("ground_elevation_m", Float, comment="lowest ground under the footprint [m] in the city's vertical datum"),
    Column("storeys_above", SmallInteger, comment="storeys above ground"),
    Column("storeys_below", SmallInteger, comment="storeys below ground"),
    Column("use", Text, comment="canonical use"),
    Column("structure", Text, comment="canonical structure"),
    Column("year_built", SmallInteger, comment="year of completion"),
    Column("footprint_area_m2", Float, comment="area of the footprint [m2], in the city's projected CRS"),
    Column("floor_area_m2", Float, comment="sum of storey areas [m2]"),
    Column("safety_grade", Text, comment="appraisal grade A-D"),
    Column("status", Text, nullable=False, server_default=text("'existing'")),
    geometry_column("MultiPolygon", note="footprint"),
    attributes_column(),
    *version_columns(),
    UniqueConstraint("code"),
    CheckConstraint("county_code ~ '^[0-9]{6}$'", name="county_code"),
    CheckConstraint(_one_of("use", USES), name="use"),
    CheckConstraint(_one_of("structure", STRUCTURES), name="structure"),
    CheckConstraint(_one_of("status", STATUSES), name="status"),
    CheckConstraint(_one_of("safety_grade", GRADES), name="safety_grade"),
    CheckConstraint("height_m > 0 AND height_m < 1500", name="height_m"),
    CheckConstraint("storeys_above BETWEEN 0 AND 300", name="storeys_above"),
    CheckConstraint("storeys_below BETWEEN 0 AND 50", name="storeys_below"),
    CheckConstraint("year_built BETWEEN 600 AND 2200", name="year_built"),
    Index("building_geom_gist", "geom", postgresql_using="gist"),
    Index("building_county_code_id_key", "county_code", "id", unique=True),
    Index("building_source_btree", "source_dataset", "source_key"),
    Index("building_division_code_btree", "division_code", "code"),
    comment="The building register: one row per building, current state",
)

building_lineage = Table(
    "building_lineage",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("parent_code", Text, nullable=False, index=True),
    Column("child_code", Text, nullable=False, index=True),
    Column("operation", Text, nullable=False, comment="split, merge, rebuild, demolish"),
    Column("reason", Text, nullable=False),
    Column("change_set_id", UUID, ForeignKey("change_set.id"), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint("operation IN ('split', 'merge', 'rebuild', 'demolish')", name="operation"),
    comment="Which building came from which",
)

external_code = Table(
    "external_code",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("collection", Text, nullable=False, comment="collection of the feature, e.g. buildings"),
    Column("code", Text, nullable=False, comment="code of the feature in this store"),
    Column("scheme", Text, nullable=False, comment="e.g. census_fwbh, osm, CN-REU28, JGJT246-23"),
    Column("value", Text, nullable=False),
    Column("match_method", Text, nullable=True),
    Column("match_score", Float, nullable=True, comment="0-1"),
    UniqueConstraint("collection", "code", "scheme", "value"),
    Index("external_code_scheme_value_btree", "scheme", "value"),
    comment="Codes of other schemes for the same thing",
)

unit = Table(
    "unit",
    METADATA,
    id_column(),
    Column("code", Text, nullable=False, comment="36-character unit code"),
    Column("building_code", Text, ForeignKey("building.code"), nullable=False, index=True),
    Column("county_code", Text, nullable=False),
    Column("name", Text),
    Column("staircase", SmallInteger, comment="0 none"),
    Column("floor", SmallInteger, comment="1, 2, … above ground; -1, -2, … below"),
    Column("room", Text),
    Column("floor_area_m2", Float, comment="floor area [m2]"),
    Column("use", Text),
    Column("status", Text, nullable=False, server_default=text("'existing'")),
    geometry_column("MultiPolygon", nullable=True, note="outline, or the building's footprint"),
    attributes_column(),
    *version_columns(),
    UniqueConstraint("code"),
    Index("unit_geom_gist", "geom", postgresql_using="gist"),
    Index("unit_county_code_id_key", "county_code", "id", unique=True),
    comment="Dwellings and other units inside buildings",
)

address = Table(
    "address",
    METADATA,
    id_column(),
    Column("code", Text, nullable=False, comment="address code, assigned once"),
    Column("county_code", Text, nullable=False),
    Column("division_code", Text, nullable=True, comment="village or community that contains it"),
    Column("full_text", Text, nullable=False, comment="address as given, white space normalised"),
    Column("road", Text),
    Column("house_number", Text),
    Column("building_code", Text, ForeignKey("building.code"), nullable=True, index=True),
    Column("match_method", Text, comment="how the building was found: source_key, contains, nearest"),
    Column("distance_m", Float, comment="distance from the position to the building [m]"),
    Column("is_synthetic", Boolean, nullable=False, server_default=text("false"), comment="position or number is generated"),
    Column("status", Text, nullable=False, server_default=text("'existing'")),
    geometry_column("Point"),
    attributes_column(),
    *version_columns(),
    UniqueConstraint("code"),
    Index("address_geom_gist", "geom", postgresql_using="gist"),
    Index("address_county_code_id_key", "county_code", "id", unique=True),
    Index("address_source_btree", "source_dataset", "source_key"),
    comment="Addresses and the buildings they belong to",
)
