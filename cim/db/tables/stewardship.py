"""Review list, authority of sources, building safety, personal data."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from cim.db.tables.base import METADATA, geometry_column, id_column
from cim.model.building import GRADES

REVIEW_STATES = ("open", "matched", "new", "dismissed")
SOURCES = ("edit", "completion", "appraisal", "bim", "permit", "census", "change_detection", "terrain")
"""Kinds of source a register attribute can come from."""
HAZARD_STATES = ("found", "measures", "eliminated", "rechecked")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _recorded() -> Column[object]:
    return Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()"))


def _change_set() -> Column[object]:
    return Column("change_set_id", UUID, ForeignKey("change_set.id"), nullable=False)


def _building() -> Column[object]:
    return Column("building_code", Text, ForeignKey("building.code"), nullable=False, index=True)


review_case = Table(
    "review_case",
    METADATA,
    id_column(),
    Column("dataset_id", UUID, ForeignKey("dataset.id"), nullable=False),
    Column("dataset_name", Text, nullable=False),
    Column("source_key", Text, nullable=False, comment="natural key of the record in its source"),
    Column("place", Text, nullable=False, comment="where in the source: layer, row"),
    Column("candidates", JSONB, nullable=False, comment="buildings it may be: code, iou, score, evidence; best first"),
    Column("record", JSONB, nullable=False, comment="mapped register values, as they would be written"),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    Column("note", Text, comment="reason of the decision"),
    Column("resolved_by", UUID, ForeignKey("change_set.id"), comment="change set of the decision"),
    Column("resolved_at", DateTime(timezone=True)),
    geometry_column("MultiPolygon", note="footprint of the record"),
    _recorded(),
    CheckConstraint(_one_of("state", REVIEW_STATES), name="state"),
    Index(
        "review_case_open_key", "dataset_name", "source_key", unique=True, postgresql_where=text("state = 'open'"),
    ),
    Index("review_case_geom_gist", "geom", postgresql_using="gist"),
    comment="Survey records that may be one of several buildings, to be decided by a person",
)  # fmt: skip

attribute_authority = Table(
    "attribute_authority",
    METADATA,
    Column("collection", Text, primary_key=True),
    Column("attribute", Text, primary_key=True),
    Column("source", Text, primary_key=True, comment="kind of source"),
    Column("rank", SmallInteger, nullable=False, comment="1 is the authority; a higher number cannot overwrite a lower one"),
    CheckConstraint("rank > 0", name="rank"),
    CheckConstraint(_one_of("source", SOURCES), name="source"),
    comment="One datum, one source: which kind of source decides an attribute",
)

attribute_conflict = Table(
    "attribute_conflict",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("collection", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("attribute", Text, nullable=False),
    Column("kept", JSONB, comment="value that stays"),
    Column("kept_source", Text, nullable=False),
    Column("refused", JSONB, comment="value of the source with less authority"),
    Column("refused_source", Text, nullable=False),
    Column("settled_by", UUID, ForeignKey("change_set.id"), comment="change set that settled it; empty = open"),
    _change_set(),
    _recorded(),
    Index("attribute_conflict_code_btree", "code", "attribute"),
    Index("attribute_conflict_open_key", "collection", "code", "attribute", unique=True, postgresql_where=text("settled_by IS NULL")),
    comment="Values refused because a source with more authority has another one",
)

safety_appraisal = Table(
    "safety_appraisal",
    METADATA,
    id_column(),
    _building(),
    Column("grade", Text, nullable=False, comment="A safe, B locally affected, C local danger, D whole building dangerous"),
    Column("appraised_on", Date, nullable=False),
    Column("valid_until", Date),
    Column("appraiser", Text, nullable=False, comment="appraising body"),
    Column("report_no", Text),
    Column("note", Text),
    _change_set(),
    _recorded(),
    CheckConstraint(_one_of("grade", GRADES), name="grade"),
    CheckConstraint("valid_until >= appraised_on", name="validity"),
    comment="Appraisals of building safety; never deleted",
)

safety_hazard = Table(
    "safety_hazard",
    METADATA,
    id_column(),
    _building(),
    Column("kind", Text, nullable=False, comment="structure, facade, fire, gas, electric, illegal_alteration, foundation, other"),
    Column("level", Text, nullable=False, comment="low, medium, high"),
    Column("description", Text, nullable=False),
    Column("found_by", Text, nullable=False, comment="census, inspection, report, sensor, or a body"),
    Column("found_on", Date, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'found'"), comment="found, measures, eliminated, rechecked"),
    Column("photos", JSONB, nullable=False, server_default=text("'[]'::jsonb"), comment="names of photo files"),
    _change_set(),
    _recorded(),
    CheckConstraint(_one_of("state", HAZARD_STATES), name="state"),
    CheckConstraint("level IN ('low', 'medium', 'high')", name="level"),
    comment="Hazards found in buildings; never deleted, only closed",
)

safety_hazard_step = Table(
    "safety_hazard_step",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("hazard_id", UUID, ForeignKey("safety_hazard.id"), nullable=False, index=True),
    Column("state", Text, nullable=False, comment="state reached"),
    Column("done_on", Date, nullable=False),
    Column("done_by", Text, nullable=False),
    Column("note", Text, comment="measures, result of the re-check"),
    _change_set(),
    _recorded(),
    CheckConstraint(_one_of("state", HAZARD_STATES), name="state"),
    comment="Steps of a hazard: found, measures, eliminated, rechecked; never deleted",
)

safety_inspection = Table(
    "safety_inspection",
    METADATA,
    id_column(),
    _building(),
    Column("inspected_on", Date, nullable=False),
    Column("inspector", Text, nullable=False),
    Column("result", Text, nullable=False, comment="no_finding, finding, not_accessible"),
    Column("note", Text),
    Column("hazard_id", UUID, ForeignKey("safety_hazard.id"), comment="hazard that it found or re-checked"),
    _change_set(),
    _recorded(),
    CheckConstraint("result IN ('no_finding', 'finding', 'not_accessible')", name="result"),
    comment="Safety inspections of buildings; never deleted",
)

personal_data = Table(
    "personal_data",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("building_code", Text, ForeignKey("building.code"), nullable=False),
    Column("field", Text, nullable=False, comment="name in the source, e.g. hzxm"),
    Column("ciphertext", Text, nullable=False, comment="sm4gcm$<key id>$<nonce>$<ciphertext and tag>, base64"),
    Column("dataset_id", UUID, ForeignKey("dataset.id"), nullable=False),
    _recorded(),
    UniqueConstraint("building_code", "field"),
    comment="Personal data kept by order of a mapping profile, encrypted; no service reads this table",
)
