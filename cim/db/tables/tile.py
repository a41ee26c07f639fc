"""Tilesets and tiles: what is in the tile store, and from which features it was made."""

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from cim.db.tables.base import CRS_NOTE, METADATA

tileset = Table(
    "tileset",
    METADATA,
    Column("layer", Text, primary_key=True, comment="buildings, bim/<model code>, networks/<kind>"),
    Column("kind", Text, nullable=False, comment="buildings, bim or network"),
    Column("collection", Text, nullable=False, comment="collection whose codes the features carry"),
    Column("style_version", Text, nullable=False),
    Column("title", JSONB, nullable=False, comment="{en, zh}"),
    Column("note", JSONB, nullable=True, comment="{en, zh}: shown with the layer"),
    Column("is_synthetic", Boolean, nullable=False, server_default=text("false")),
    Column(
        "replaces",
        JSONB,
        nullable=False,
        server_default=text("'[]'::jsonb"),
        comment="building codes a model stands for",
    ),
    Column("n_features", BigInteger, nullable=False),
    Column("n_tiles", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False, comment="size of the contents [byte]"),
    Column("uri", Text, nullable=False, comment="tileset.json in the tile store"),
    Column("last_event_id", BigInteger, nullable=False, server_default=text("0"), comment="outbox position it reflects"),
    Column("geom", Geometry("POLYGON", srid=4490, spatial_index=False), nullable=True, comment=f"extent; {CRS_NOTE}"),
    Column(
        "parameters", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="what all tiles depend on, e.g. the assumed ground"
    ),
    Column("min_height_m", Float, comment="lowest ellipsoidal height [m]"),
    Column("max_height_m", Float, comment="highest ellipsoidal height [m]"),
    Column("built_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    comment="Published 3D tilesets",
)

tile = Table(
    "tile",
    METADATA,
    Column("layer", Text, ForeignKey("tileset.layer", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True, comment="quadtree key, empty for the root"),
    Column("uri", Text, nullable=False, comment="content file in the tile store"),
    Column("input_hash", Text, nullable=False, comment="hash of the features and the style: equal = not rewritten"),
    Column("content_hash", Text, nullable=False, comment="sha256 of the content"),
    Column("n_features", Integer, nullable=False),
    Column("bytes", Integer, nullable=False, comment="size of the content [byte]"),
    Column("geom", Geometry("POLYGON", srid=4490, spatial_index=False), nullable=True, comment=f"extent; {CRS_NOTE}"),
    Column("n_vertices", Integer, nullable=False, server_default=text("0"), comment="vertices of the mesh"),
    Column(
        "box",
        ARRAY(Float),
        comment="lowest and highest corner of the tile and all below it [m], east north up at the middle of its cell",
    ),
    Column("error_m", Float, nullable=False, server_default=text("0"), comment="geometric error [m]"),
    Column("blocks", LargeBinary, comment="summary for the far view, see tiles/far.py"),
    Column("is_far", Boolean, nullable=False, server_default=text("false"), comment="far view of the tiles below; holds no codes"),
    Column("document", Text, comment="external tileset in the tile store that begins here"),
    Index("tile_geom_gist", "geom", postgresql_using="gist"),
    comment="Tiles of published tilesets",
)

superseded_file = Table(
    "superseded_file",
    METADATA,
    Column("layer", Text, primary_key=True),
    Column("name", Text, primary_key=True, comment="relative to the folder of the layer"),
    Column("since", DateTime(timezone=True), nullable=False, server_default=text("now()"), comment="when a newer file took its place"),
    comment="Files of the tile store that no tile refers to any more, kept for older clients",
)
