"""Note which tile files are superseded since when, so that clients with an older tileset.json are served for a while."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """CREATE TABLE superseded_file (
               layer TEXT NOT NULL, name TEXT NOT NULL, since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
               PRIMARY KEY (layer, name))"""
    )
    op.execute("COMMENT ON TABLE superseded_file IS 'Files of the tile store that no tile refers to any more, kept for older clients'")
    op.execute("COMMENT ON COLUMN superseded_file.name IS 'relative to the folder of the layer'")
    op.execute("COMMENT ON COLUMN superseded_file.since IS 'when a newer file took its place'")
