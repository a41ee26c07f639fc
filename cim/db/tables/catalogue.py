"""City profile, datasets, rejects, change sets and the outbox."""

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from cim.db.tables.base import CRS_NOTE, METADATA, id_column

city_profile = Table(
    "city_profile",
    METADATA,
    Column("singleton", Boolean, primary_key=True, server_default=text("true"), comment="always true: one row"),
    Column("document", JSONB, nullable=False, comment="city profile as read and checked"),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint("singleton", name="singleton"),
    comment="The place this store serves",
)

dataset = Table(
    "dataset",
    METADATA,
    id_column(),
    Column("kind", Text, nullable=False, comment="divisions, census, addresses, network, terrain, imagery, citymodel, planning, bim"),
    Column("name", Text, nullable=False, comment="stable name over versions, e.g. the file's stem or --name"),
    Column("version", Integer, nullable=False, comment="1, 2, … per (kind, name)"),
    Column("source", Text, nullable=False, comment="file name as given, without folders"),
    Column("sha256", Text, nullable=False, comment="of the source file(s), hexadecimal"),
    Column("crs", Text, nullable=True, comment="CRS the source was read in, e.g. EPSG:4490"),
    Column("encoding", Text, nullable=True, comment="text encoding the source was read in"),
    Column("licence", Text, nullable=True),
    Column("provider", Text, nullable=True),
    Column(
        "is_synthetic",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="generated data: say so on screen",
    ),
    Column("n_read", BigInteger, nullable=False, comment="records read = accepted + unchanged + rejected"),
    Column("n_accepted", BigInteger, nullable=False, comment="records written (new or changed)"),
    Column("n_unchanged", BigInteger, nullable=False, comment="records equal to what the store had"),
    Column("n_rejected", BigInteger, nullable=False, comment="records refused, see reject"),
    Column("report", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="checks, warnings, parameters"),
    Column("loaded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    UniqueConstraint("kind", "name", "version"),
    CheckConstraint("n_read = n_accepted + n_unchanged + n_rejected", name="counts_add_up"),
    comment="One row per loaded version of a source",
)

reject = Table(
    "reject",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("dataset_id", UUID, ForeignKey("dataset.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("place", Text, nullable=False, comment="where in the source: layer, row, entity"),
    Column("rule", Text, nullable=False, comment="id of the rule that refused the record"),
    Column("message", Text, nullable=False, comment="found and expected, English"),
    Column("message_zh", Text, nullable=False, comment="found and expected, Chinese"),
    Column("record", JSONB, nullable=False, comment="the record as read"),
    comment="Records refused at ingest, with the reason",
)

change_set = Table(
    "change_set",
    METADATA,
    id_column(),
    Column("author", Text, nullable=False),
    Column("operation", Text, nullable=False, comment="ingest, edit, split, merge, demolish, rebuild, review, safety, undo, link"),
    Column("reason", Text, nullable=False),
    Column("dataset_id", UUID, ForeignKey("dataset.id"), nullable=True),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("source", Text, comment="document, permit or survey that the change rests on"),
    Column("project_code", Text, comment="construction project, where the change belongs to one"),
    Column("undoes", UUID, ForeignKey("change_set.id"), comment="change set that this one takes back"),
    Index("change_set_recorded_at_btree", "recorded_at"),
    Index("change_set_undoes_btree", "undoes"),
    comment="Who changed what, when and why",
)

change_event = Table(
    "change_event",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # No foreign key: the trigger that writes the events checks the change set once per statement, not once per row.
    Column("change_set_id", UUID, nullable=False),
    Column("collection", Text, nullable=False, comment="collection id, e.g. buildings or water-lines"),
    Column("code", Text, nullable=False, comment="code of the feature"),
    Column("action", Text, nullable=False, comment="create, update, retire"),
    Column(
        "bbox",
        Geometry("POLYGON", srid=4490, spatial_index=False),
        nullable=True,
        comment=f"old and new place; {CRS_NOTE}",
    ),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint("action IN ('create', 'update', 'retire')", name="action"),
    # Ids of change sets ascend with time, as the events do: a block range index finds them at a fraction of a B-tree's cost.
    Index("change_event_change_set_id_brin", "change_set_id", postgresql_using="brin"),
    comment="Outbox: tile invalidation and every other follower reads this",
)

outbox_reader = Table(
    "outbox_reader",
    METADATA,
    Column("name", Text, primary_key=True, comment="follower, e.g. tiles"),
    Column("last_event_id", BigInteger, nullable=False, server_default=text("0")),
    comment="How far each follower of the outbox has read",
)

raster = Table(
    "raster",
    METADATA,
    id_column(),
    Column("dataset_id", UUID, ForeignKey("dataset.id"), nullable=False),
    Column("kind", Text, nullable=False, comment="terrain (elevations) or imagery"),
    Column("name", Text, nullable=False, comment="name of the dataset"),
    Column("file", Text, nullable=False, comment="file name in the raster folder of the data folder"),
    Column("crs", Text, nullable=False, comment="horizontal CRS, e.g. EPSG:4547"),
    Column("vertical_datum", Text, comment="vertical CRS of the elevations, e.g. EPSG:5737; imagery has none"),
    Column("source_unit", Text, comment="unit of the elevations in the source: m or ft or us-ft; the store keeps metres"),
    Column("resolution_m", Float, nullable=False, comment="cell size [m], of a geographic grid along the meridian"),
    Column("width_px", Integer, nullable=False, comment="columns"),
    Column("height_px", Integer, nullable=False, comment="rows"),
    Column("n_bands", SmallInteger, nullable=False),
    Column("data_type", Text, nullable=False, comment="of the cells, e.g. float32 or uint8"),
    Column("nodata", Float, comment="value of cells without data; empty = mask or none"),
    Column("valid_share", Float, comment="share of cells with data, 0-1, estimated where the raster is large"),
    Column("min_m", Float, comment="lowest elevation [m]"),
    Column("max_m", Float, comment="highest elevation [m]"),
    Column("n_sources", Integer, nullable=False, comment="files it was made from"),
    Column("acquired_on", Date, comment="day of survey or flight, where known"),
    Column("geom", Geometry("POLYGON", srid=4490, spatial_index=False), nullable=False, comment=f"footprint; {CRS_NOTE}"),
    UniqueConstraint("kind", "name"),
    CheckConstraint("kind IN ('terrain', 'imagery')", name="kind"),
    CheckConstraint("kind <> 'terrain' OR vertical_datum IS NOT NULL", name="vertical_datum"),
    Index("raster_geom_gist", "geom", postgresql_using="gist"),
    comment="Elevation rasters and imagery kept as Cloud-Optimised GeoTIFF",
)

code_counter = Table(
    "code_counter",
    METADATA,
    Column("scheme", Text, primary_key=True),
    Column("area", Text, primary_key=True, comment="division, or kind and county for network parts"),
    Column("year", SmallInteger, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False, comment="highest sequence ever issued; never goes back"),
    CheckConstraint("last_sequence >= 0", name="not_negative"),
    comment="Sequences of issued codes",
)

code_gap = Table(
    "code_gap",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("scheme", Text, nullable=False),
    Column("area", Text, nullable=False),
    Column("year", SmallInteger, nullable=False),
    Column("first_sequence", BigInteger, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint("last_sequence >= first_sequence", name="order"),
    Index("code_gap_scheme_btree", "scheme", "area", "year"),
    comment="Sequences that were skipped on purpose and will never be issued",
)

feature_count = Table(
    "feature_count",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("collection", Text, nullable=False, index=True),
    Column("n", BigInteger, nullable=False, comment="rows added by this entry, negative for removed ones"),
    comment="Rows per collection: the sum of its entries; writers add entries and fold those nobody else holds",
)
