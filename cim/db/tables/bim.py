"""BIM models, their storeys, spaces and elements."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
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
    Column("georef_method", Text, nullable=False, comment="IfcMapConversion, ePSet_MapConversion, IfcSite, option"),
    Column("georef_note", Text, nullable=False, comment="why the model stands where it stands"),
    Column("projected_crs", Text, nullable=False, comment="CRS of the placement"),
    Column(
        "placement",
        ARRAY(DOUBLE_PRECISION),
        nullable=False,
        comment="row-major 4x4 matrix: model [m] to easting, northing, height [m] in projected_crs",
    ),
    Column("base_elevation_m", Float, comment="lowest point of the model [m] in the city's vertical datum"),
    Column("height_m", Float, comment="highest minus lowest point [m]"),
    Column("status", Text, nullable=False, server_default=text("'loaded'")),
    Column("note", Text, comment="shown with the model, e.g. that it does not stand there"),
    geometry_column("MultiPolygon", nullable=True, note="outline of the placed model"),
    attributes_column(),
    *version_columns(),
    UniqueConstraint("code"),
    UniqueConstraint("sha256"),
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
    Column("elevation_m", Float, comment="elevation above the model's origin [m]"),
    Column("n_elements", Integer, nullable=False, server_default=text("0")),
    geometry_column("MultiPolygon", nullable=True, note="outline of the model"),
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
    Column("floor_area_m2", Float, comment="floor area [m2]"),
    Column("area_source", Text, comment="quantity, property or mesh"),
    Column("height_m", Float, comment="height [m]"),
    geometry_column("MultiPolygon", nullable=True, note="outline"),
    attributes_column(),
    UniqueConstraint("code"),
    Index("bim_space_geom_gist", "geom", postgresql_using="gist"),
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
    Column("ifc_class", Text, nullable=False, comment="e.g. IfcWall"),
    Column("name", Text),
    Column("object_type", Text),
    Column("tag", Text),
    Column("material", Text),
    Column("geom_status", Text, nullable=False, comment="meshed, empty (none in the file) or failed"),
    Column("properties", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="property sets: {set: {name: value}}"),
    Column("base_m", Float, comment="lowest point above the model's origin [m]"),
    Column("top_m", Float, comment="highest point above the model's origin [m]"),
    geometry_column("MultiPolygon", nullable=True, note="box seen from above"),
    UniqueConstraint("code"),
    CheckConstraint("geom_status IN ('meshed', 'empty', 'failed')", name="geom_status"),
    Index("bim_element_geom_gist", "geom", postgresql_using="gist"),
    Index("bim_element_model_code_ifc_class_btree", "model_code", "ifc_class"),
    comment="Elements of BIM models",
)

bim_mesh = Table(
    "bim_mesh",
    METADATA,
    Column(
        "element_code", Text, ForeignKey("bim_element.code", ondelete="CASCADE"), primary_key=True
    ),
    Column("model_code", Text, nullable=False, index=True),
    Column("vertices", LargeBinary, nullable=False, comment="little-endian float64 x, y, z [m] in the model's frame"),
    Column("faces", LargeBinary, nullable=False, comment="little-endian int32 vertex indices, three per triangle"),
    Column("face_materials", LargeBinary, nullable=False, comment="little-endian int32 per triangle: index into colours, -1 none"),
    Column("colours", LargeBinary, nullable=False, comment="little-endian float32 r, g, b, a per material, 0-1"),
    comment="Triangle meshes of BIM elements, source of the BIM tiles",
)

bim_stage = Table(
    "bim_stage",
    METADATA,
    Column("sha256", Text, primary_key=True, comment="of the file"),
    Column("stage", Text, primary_key=True, comment="received, parsed, georeferenced, semantics, geometry, linked"),
    Column("status", Text, nullable=False, comment="done, failed"),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    comment="Progress of uploads",
)

