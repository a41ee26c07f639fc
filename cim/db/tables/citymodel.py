"""City objects and their 3D representations: what city models bring beside and on top of the register."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from cim.db.tables.base import METADATA, attributes_column, geometry_column, id_column, version_columns
from cim.model.city_object import OBJECT_TYPES, SURFACE_TYPES

__all__ = ["OBJECT_TYPES", "SURFACE_TYPES"]

city_object = Table(
    "city_object",
    METADATA,
    id_column(),
    Column("code", Text, nullable=False, comment="code of the city object, assigned once, never changed or reused"),
    Column("county_code", Text, nullable=False, comment="6 digits, frozen at assignment"),
    Column("type", Text, nullable=False, comment="class of CityJSON 2.0, e.g. Building, Bridge, TINRelief"),
    Column("name", Text),
    Column("parent_code", Text, comment="city object it is a part of"),
    Column("building_code", Text, ForeignKey("building.code"), comment="building of the register it shows, where one was found"),
    Column("match_method", Text, comment="how the building was found: code, footprint; empty = none"),
    Column("match_score", Float, comment="overlap of the footprints (intersection over union), 0-1"),
    Column("highest_lod", Text, comment="highest level of detail kept, e.g. 2.2"),
    Column("base_m", Float, comment="lowest point [m] in the city's vertical datum"),
    Column("top_m", Float, comment="highest point [m] in the city's vertical datum"),
    Column("status", Text, nullable=False, server_default=text("'existing'"), comment="existing or retired"),
    geometry_column("MultiPolygon", nullable=True, note="seen from above; empty without geometry"),
    attributes_column(),
    *version_columns(),
    UniqueConstraint("code"),
    CheckConstraint("county_code ~ '^[0-9]{6}$'", name="county_code"),
    CheckConstraint(f"type IN ({', '.join(repr(one) for one in OBJECT_TYPES)})", name="type"),
    CheckConstraint("status IN ('existing', 'retired')", name="status"),
    Index("city_object_geom_gist", "geom", postgresql_using="gist"),
    Index("city_object_county_code_id_key", "county_code", "id", unique=True),
    Index("city_object_building_code_btree", "building_code"),
    Index("city_object_parent_code_btree", "parent_code"),
    Index("city_object_source_btree", "source_dataset", "source_key"),
    comment="City objects of city models; those that show a building of the register carry its code",
)

representation = Table(
    "representation",
    METADATA,
    id_column(),
    Column("object_code", Text, ForeignKey("city_object.code", ondelete="CASCADE"), nullable=False),
    Column("building_code", Text, ForeignKey("building.code"), comment="building of the register it shows, empty = none"),
    Column("county_code", Text, nullable=False, comment="6 digits, of the city object"),
    Column("lod", Text, nullable=False, comment="level of detail, e.g. 1.2, 2, 3"),
    Column("cim_level", SmallInteger, nullable=False, comment="CIM level: 2 blocks, 3 roof forms, 4 openings, 5 interiors"),
    Column("geometry_type", Text, nullable=False, comment="Solid, MultiSurface, CompositeSurface, MultiSolid, CompositeSolid"),
    Column(
        "vertices",
        LargeBinary,
        nullable=False,
        comment="little-endian float64 longitude, latitude [deg], EPSG:4490, and elevation [m] in the city's vertical datum",
    ),
    Column("boundaries", JSONB, nullable=False, comment="boundaries of CityJSON: nested lists of vertex indices"),
    Column("semantics", JSONB, comment="semantics of CityJSON: surfaces and values"),
    Column("appearance", JSONB, comment="materials and textures of the geometry by theme, with the objects they name"),
    Column(
        "faces", LargeBinary, nullable=False, comment="little-endian int32, three vertices per triangle, counter-clockwise from outside"
    ),
    Column("surfaces", LargeBinary, nullable=False, comment="uint8 per triangle: position in the list of surface types"),
    Column("colours", LargeBinary, comment="uint8 r, g, b, a per triangle; a = 0 has no colour; empty = none has"),
    Column("texture_coordinates", LargeBinary, comment="little-endian float32 u, v per corner of each triangle, v upwards; NaN = none"),
    Column("texture_of_face", LargeBinary, comment="little-endian int32 per triangle: position in textures, -1 = none"),
    Column("textures", ARRAY(Text), comment="sha256 of the texture images"),
    Column("n_faces", Integer, nullable=False, comment="triangles"),
    Column("is_valid", Boolean, nullable=False, comment="no fault was found, see faults"),
    Column("faults", JSONB, nullable=False, server_default=text("'[]'::jsonb"), comment="faults found: rule, place, what"),
    Column("dataset_id", UUID, ForeignKey("dataset.id"), nullable=False),
    Column("content_hash", Text, nullable=False, comment="hash of the geometry and its appearance: equal = unchanged"),
    Column("valid_from", DateTime(timezone=True), nullable=False, server_default=text("now()"), comment="from when this state is true"),
    Column("valid_to", DateTime(timezone=True), comment="until when this state was true; empty = now"),
    CheckConstraint("valid_to > valid_from", name="validity"),
    Index("representation_current_key", "object_code", "lod", unique=True, postgresql_where=text("valid_to IS NULL")),
    Index("representation_object_code_btree", "object_code", "valid_from"),
    Index("representation_building_code_btree", "building_code"),
    comment="Geometries of city objects per level of detail, current and earlier ones",
)

texture_image = Table(
    "texture_image",
    METADATA,
    Column("sha256", Text, primary_key=True, comment="of the image, hexadecimal"),
    Column("media_type", Text, nullable=False, comment="image/jpeg or image/png"),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False, comment="size of the image [byte]"),
    Column("image", LargeBinary, nullable=False),
    comment="Texture images of city models, each once",
)
