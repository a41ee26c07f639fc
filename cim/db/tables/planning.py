"""Planning control: zones whose rules a design is checked against."""

from sqlalchemy import CheckConstraint, Column, Date, Float, Index, Table, Text, UniqueConstraint, text

from cim.db.tables.base import METADATA, attributes_column, geometry_column, id_column, version_columns

CONTROL_KINDS = (
    "land_use", "plot", "road_red_line", "green_line", "blue_line", "purple_line", "yellow_line", "height_limit", "protection_area",
    "ecological_red_line", "urban_boundary", "other",
)  # fmt: skip
"""Layers of regulatory plans; the coloured lines are those of the regulations on urban green, blue, purple and yellow lines."""

planning_control = Table(
    "planning_control",
    METADATA,
    id_column(),
    Column("code", Text, nullable=False, comment="code of the zone, assigned once, never changed or reused"),
    Column("county_code", Text, nullable=False, comment="6 digits, frozen at assignment"),
    Column("control", Text, nullable=False, comment="kind of control"),
    Column("name", Text),
    Column("land_use", Text, comment="land use code of GB 50137 or the national classification, as given"),
    Column("height_limit_m", Float, comment="greatest height above ground [m]"),
    Column("elevation_limit_m", Float, comment="greatest elevation [m] in the city's vertical datum"),
    Column("far_max", Float, comment="greatest floor area ratio"),
    Column("far_min", Float, comment="least floor area ratio"),
    Column("coverage_max", Float, comment="greatest building coverage, 0-1"),
    Column("green_ratio_min", Float, comment="least green ratio, 0-1"),
    Column("setback_m", Float, comment="least distance of buildings from the edge [m]"),
    Column("plan_name", Text, comment="plan the rule comes from"),
    Column("plan_status", Text, comment="draft, approved or withdrawn"),
    Column("approved_on", Date, comment="day of approval"),
    Column("approval_no", Text, comment="number of the approval"),
    Column("status", Text, nullable=False, server_default=text("'existing'"), comment="existing or retired"),
    geometry_column("MultiPolygon", note="area the rule holds for"),
    attributes_column(),
    *version_columns(),
    UniqueConstraint("code"),
    CheckConstraint("county_code ~ '^[0-9]{6}$'", name="county_code"),
    CheckConstraint(f"control IN ({', '.join(repr(one) for one in CONTROL_KINDS)})", name="control"),
    CheckConstraint("status IN ('existing', 'retired')", name="status"),
    CheckConstraint("plan_status IN ('draft', 'approved', 'withdrawn')", name="plan_status"),
    CheckConstraint("height_limit_m > 0 AND height_limit_m < 1500", name="height_limit_m"),
    CheckConstraint("far_max >= 0 AND far_max < 100", name="far_max"),
    CheckConstraint("far_min >= 0 AND far_min < 100", name="far_min"),
    CheckConstraint("coverage_max >= 0 AND coverage_max <= 1", name="coverage_max"),
    CheckConstraint("green_ratio_min >= 0 AND green_ratio_min <= 1", name="green_ratio_min"),
    Index("planning_control_geom_gist", "geom", postgresql_using="gist"),
    Index("planning_control_county_code_id_key", "county_code", "id", unique=True),
    Index("planning_control_source_btree", "source_dataset", "source_key"),
    comment="Planning control: land use, red lines, height limits, floor area ratios, protection areas",
)
