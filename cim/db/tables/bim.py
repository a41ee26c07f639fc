"""BIM models, their storeys, spaces and elements."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB, UUID

from cim.db.tables.base import METADATA, attributes_column, geometry_column, id_column, version_columns


def classifications_column() -> Column[object]:
    """Return the column for classification references."""
    return Column(
        "classifications",
        JSONB,
        nullable=False,
        server_default=text("'[]'::jsonb"),
        comment="[{system, code, name}] as the model gives them",
    )


bim_model = Table(
    "bim_model",
    METADATA,
    id_column(),
    Column("code", Text, nullable=False, comment="model code, assigned once: BIM-<year>-<sequence>"),
    Column("name", Text, nullable=False),
    Column("dataset_id", UUID, ForeignKey("dataset.id"), nullable=False),
    Column("county_code", Text, nullable=True),
    Column("building_code", Text, ForeignKey("building.code"), nullable=True, index=True),
    Column("link_method", Text, comment="how the building was found: option, property, overlap"),
    Column("link_score", Float, comment="overlap of outlines (intersection over union), 0-1"),
    Column("stage", Text, nullable=False, server_default=text("'completion'"), comment="project stage"),
    Column("discipline", Text),
    Column("ifc_schema", Text, nullable=False),
    Column("authoring_tool", Text),
    Column("sha256", Text, nullable=False, comment="of the file"),
    Column("file_size_bytes", Integer, nullable=False, comment="[byte]"),
    Column("n_elements", Integer, nullable=False),
    Column("georef_method", Text, comment="IfcMapConversion, ePSet_MapConversion, IfcSite, fit, option; null = not placed"),
    Column("georef_note", Text, nullable=False, comment="why the model stands where it stands, or why it is not placed"),
    Column("projected_crs", Text, comment="CRS of the placement"),
    Column(
        "placement",
        ARRAY(DOUBLE_PRECISION),
        comment="row-major 4x4 matrix: model [m] to easting, northing, height [m] in projected_crs; null = not placed",
    ),
    Column("base_elevation_m", Float, comment="lowest point of the model [m] in the city's vertical datum"),
    Column("height_m", Float, comment="highest minus lowest point [m]"),
    Column("status", Text, nullable=False, server_default=text("'loaded'"), comment="loaded; quarantined = without a place, queryable"),
    Column("fix_hint", Text, comment="command that gives a quarantined model its place"),
    Column("project_global_id", Text, comment="GlobalId of IfcProject: the same in all versions of a model"),
    Column("project_code", Text, comment="code of the construction project"),
    Column("note", Text, comment="shown with the model, e.g. that it does not stand there"),
    geometry_column("MultiPolygon", nullable=True, note="outline of the placed model"),
    attributes_column(),
    *version_columns(),
    Column("ground_min_m", Float, comment="lowest ground under the outline [m] in the city's vertical datum, by the terrain"),
    Column("ground_mean_m", Float, comment="mean ground under the outline [m] in the city's vertical datum, by the terrain"),
    Column("ground_max_m", Float, comment="highest ground under the outline [m] in the city's vertical datum, by the terrain"),
    UniqueConstraint("code"),
    UniqueConstraint("sha256"),
    CheckConstraint("status IN ('loaded', 'quarantined')", name="status"),
    CheckConstraint("(placement IS NULL) = (status = 'quarantined')", name="placement"),
    Index("bim_model_geom_gist", "geom", postgresql_using="gist"),
    comment="Building and infrastructure information models",
)

bim_storey = Table(
    "bim_storey",
    METADATA,
    id_column(),
    Column("code", Text, nullable=False, comment="<model code>/<GlobalId>"),
    Column("model_code", Text, ForeignKey("bim_model.code", ondelete="CASCADE"), nullable=False, index=True),
    Column("global_id", Text, nullable=False, comment="IFC GlobalId, 22 characters"),
    Column("name", Text),
    Column("ifc_class", Text, nullable=False, server_default=text("'IfcBuildingStorey'"), comment="IfcBuildingStorey or a facility part"),
    Column("number", Integer, comment="1 = ground floor, -1 = first basement"),
    Column("parent_global_id", Text, comment="GlobalId of the building or facility"),
    Column("elevation_m", Float, comment="elevation above the model's origin [m]"),
    Column("base_elevation_m", Float, comment="elevation [m] in the city's vertical datum"),
    Column("height_m", Float, comment="to the next storey, else to the highest point [m]"),
    Column("n_elements", Integer, nullable=False, server_default=text("0")),
    geometry_column("MultiPolygon", nullable=True, note="outline of its elements"),
    attributes_column(),
    UniqueConstraint("code"),
    Index("bim_storey_geom_gist", "geom", postgresql_using="gist"),
    comment="Storeys of BIM models",
)

bim_space = Table(
    "bim_space",
    METADATA,
    id_column(),
    Column("code", Text, nullable=False, comment="<model code>/<GlobalId>"),
    Column("model_code", Text, ForeignKey("bim_model.code", ondelete="CASCADE"), nullable=False, index=True),
    Column("storey_code", Text, nullable=True, index=True),
    Column("global_id", Text, nullable=False, comment="IFC GlobalId, 22 characters"),
    Column("name", Text),
    Column("long_name", Text),
    Column("predefined_type", Text),
    Column("use", Text, comment="as the model names it: classification, category or object type"),
    Column("floor_area_m2", Float, comment="floor area [m2]"),
    Column("area_source", Text, comment="quantity, property or mesh"),
    Column("height_m", Float, comment="height [m]"),
    Column("height_source", Text, comment="quantity, property or mesh"),
    Column("volume_m3", Float, comment="volume [m3]"),
    Column("volume_source", Text, comment="quantity, property or mesh"),
    Column("base_elevation_m", Float, comment="lowest point [m] in the city's vertical datum"),
    classifications_column(),
    geometry_column("MultiPolygon", nullable=True, note="outline"),
    attributes_column(),
    UniqueConstraint("code"),
    Index("bim_space_geom_gist", "geom", postgresql_using="gist"),
    Index("bim_space_attributes_gin", "attributes", postgresql_using="gin", postgresql_ops={"attributes": "jsonb_path_ops"}),
    comment="Spaces (rooms) of BIM models",
)

bim_element = Table(
    "bim_element",
    METADATA,
    id_column(),
    Column("code", Text, nullable=False, comment="<model code>/<GlobalId>"),
    Column("model_code", Text, ForeignKey("bim_model.code", ondelete="CASCADE"), nullable=False),
    Column("storey_code", Text, nullable=True, index=True),
    Column("space_code", Text, nullable=True),
    Column("global_id", Text, nullable=False, comment="IFC GlobalId, 22 characters"),
    Column("occurrence", Integer, nullable=False, server_default=text("1"), comment="2, 3, … where the file repeats the GlobalId"),
    Column("ifc_class", Text, nullable=False, comment="e.g. IfcWall"),
    Column("predefined_type", Text, comment="of the element, else of its type"),
    Column("name", Text),
    Column("type_name", Text),
    Column("type_global_id", Text),
    Column("host_global_id", Text, comment="GlobalId of the whole it is part of, or of the element whose opening it fills"),
    Column("object_type", Text),
    Column("tag", Text),
    Column("material", Text),
    Column(
        "materials", JSONB, nullable=False, server_default=text("'[]'::jsonb"), comment="[{name, thickness_m, category}], outside first"
    ),
    classifications_column(),
    Column("geom_status", Text, nullable=False, comment="meshed, without_openings, box, empty (none in the file) or failed"),
    Column(
        "properties",
        JSONB,
        nullable=False,
        server_default=text("'{}'::jsonb"),
        comment="property sets in SI units: {set: {name: value}}",
    ),
    Column(
        "original_units",
        JSONB,
        nullable=False,
        server_default=text("'{}'::jsonb"),
        comment="where the file counts in another unit: {set: {name: {value, unit, si}}}",
    ),
    Column("property_hash", Text, comment="hash of everything but geometry: equal hash = unchanged"),
    Column("geometry_hash", Text, comment="hash of the mesh in the model's frame: equal hash = unchanged"),
    Column("base_elevation_m", Float, comment="lowest point [m] in the city's vertical datum"),
    Column("top_elevation_m", Float, comment="highest point [m] in the city's vertical datum"),
    Column("base_m", Float, comment="lowest point above the model's origin [m]"),
    Column("top_m", Float, comment="highest point above the model's origin [m]"),
    geometry_column("MultiPolygon", nullable=True, note="box seen from above"),
    UniqueConstraint("code"),
    CheckConstraint("geom_status IN ('meshed', 'without_openings', 'box', 'empty', 'failed')", name="geom_status"),
    Index("bim_element_geom_gist", "geom", postgresql_using="gist"),
    Index("bim_element_properties_gin", "properties", postgresql_using="gin", postgresql_ops={"properties": "jsonb_path_ops"}),
    Index("bim_element_model_code_ifc_class_btree", "model_code", "ifc_class"),
    comment="Elements of BIM models",
)

bim_shape = Table(
    "bim_shape",
    METADATA,
    Column("hash", Text, primary_key=True, comment="of the content, hexadecimal: equal shapes are kept once, whatever the model"),
    Column("step_m", Float, nullable=False, comment="length of a step [m]"),
    Column("points", LargeBinary, nullable=False, comment="little-endian int32 x, y, z, steps from the middle of the shape"),
    Column("faces", LargeBinary, nullable=False, comment="little-endian int32 vertex indices, three per triangle"),
    Column(
        "face_materials",
        LargeBinary,
        nullable=False,
        comment="little-endian int32 per triangle: index into colours, -1 none",
    ),
    Column("colours", LargeBinary, nullable=False, comment="little-endian float32 r, g, b, a per material, 0-1"),
    comment="Triangle meshes that BIM elements have, each once",
)

bim_mesh = Table(
    "bim_mesh",
    METADATA,
    Column("element_code", Text, ForeignKey("bim_element.code", ondelete="CASCADE"), primary_key=True),
    Column("model_code", Text, nullable=False, index=True),
    Column("shape_hash", Text, ForeignKey("bim_shape.hash"), nullable=False, index=True),
    Column("matrix", ARRAY(DOUBLE_PRECISION), nullable=False, comment="row-major 3x4: shape to the model's frame [m]"),
    comment="Shapes of BIM elements, source of the BIM tiles",
)

bim_definition = Table(
    "bim_definition",
    METADATA,
    Column("key", Text, primary_key=True, comment="hash of what decides a shape in the file, hexadecimal"),
    Column("shape_hash", Text, ForeignKey("bim_shape.hash", ondelete="CASCADE"), nullable=False, index=True),
    Column("matrix", ARRAY(DOUBLE_PRECISION), nullable=False, comment="row-major 3x4: shape to the element's own frame [m]"),
    comment="Shapes by what defines them in a file: what was meshed once is never meshed again",
)

bim_stage = Table(
    "bim_stage",
    METADATA,
    Column("sha256", Text, primary_key=True, comment="of the file"),
    Column("stage", Text, primary_key=True, comment="received, parsed, georeferenced, semantics, geometry, tiles, linked, reported"),
    Column("status", Text, nullable=False, comment="running, done, failed, skipped"),
    Column("attempt", Integer, nullable=False, server_default=text("1")),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    comment="Progress of uploads",
)

bim_node = Table(
    "bim_node",
    METADATA,
    Column("code", Text, primary_key=True, comment="<model code>/<GlobalId>"),
    Column("model_code", Text, ForeignKey("bim_model.code", ondelete="CASCADE"), nullable=False, index=True),
    Column("global_id", Text, nullable=False, comment="IFC GlobalId, 22 characters"),
    Column("kind", Text, nullable=False, comment="project, site, building, facility, alignment, zone, system or group"),
    Column("ifc_class", Text, nullable=False, comment="e.g. IfcBridge, IfcZone"),
    Column("predefined_type", Text),
    Column("name", Text),
    Column("long_name", Text),
    Column("object_type", Text),
    Column("parent_global_id", Text, comment="the node it is part of"),
    Column("length_m", Float, comment="of an alignment [m]"),
    classifications_column(),
    Column(
        "properties", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="property sets in SI units: {set: {name: value}}"
    ),
    CheckConstraint("kind IN ('project', 'site', 'building', 'facility', 'alignment', 'zone', 'system', 'group')", name="kind"),
    comment="Tree above the storeys of BIM models, and their zones, systems and groups",
)

bim_member = Table(
    "bim_member",
    METADATA,
    Column("node_code", Text, ForeignKey("bim_node.code", ondelete="CASCADE"), primary_key=True),
    Column("member_code", Text, primary_key=True, index=True, comment="code of an element, space or node"),
    Column("model_code", Text, nullable=False, index=True),
    comment="Members of zones, systems and groups",
)

bim_version = Table(
    "bim_version",
    METADATA,
    Column("model_code", Text, ForeignKey("bim_model.code", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, comment="1, 2, … per model"),
    Column("sha256", Text, nullable=False, index=True, comment="of the file, which is kept"),
    Column("file_name", Text, nullable=False),
    Column("dataset_id", UUID, ForeignKey("dataset.id"), nullable=False),
    Column("options", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="what the operator said"),
    Column("report", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="what the upload said"),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("change_set_id", UUID, nullable=True),
    comment="All versions of BIM models",
)

bim_version_part = Table(
    "bim_version_part",
    METADATA,
    Column("model_code", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("global_id", Text, primary_key=True),
    Column("occurrence", Integer, primary_key=True),
    Column("ifc_class", Text, nullable=False),
    Column("name", Text),
    Column("property_hash", Text),
    Column("geometry_hash", Text),
    ForeignKeyConstraint(["model_code", "version"], ["bim_version.model_code", "bim_version.version"], ondelete="CASCADE"),
    comment="Elements of earlier versions, as hashes: what changed between two versions",
)
