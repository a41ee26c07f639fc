"""Keep box, error, far-view summary and document of each tile, so that a change rewrites only what depends on it."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.execute("ALTER TABLE tileset ADD COLUMN parameters JSONB DEFAULT '{}'::jsonb NOT NULL")
    op.execute("COMMENT ON COLUMN tileset.parameters IS 'what all tiles depend on, e.g. the assumed ground'")
    op.execute(
        """ALTER TABLE tile ADD COLUMN n_vertices INTEGER DEFAULT 0 NOT NULL, ADD COLUMN box FLOAT[],
           ADD COLUMN error_m FLOAT DEFAULT 0 NOT NULL, ADD COLUMN blocks BYTEA, ADD COLUMN is_far BOOLEAN DEFAULT false NOT NULL,
           ADD COLUMN document TEXT"""
    )
    for column, comment in (
        ("n_vertices", "vertices of the mesh"),
        ("box", "lowest and highest corner of the tile and all below it [m], east north up at the middle of its cell"),
        ("error_m", "geometric error [m]"),
        ("blocks", "summary for the far view, see tiles/far.py"),
        ("is_far", "far view of the tiles below; holds no codes"),
        ("document", "external tileset in the tile store that begins here"),
    ):
        op.execute(f"COMMENT ON COLUMN tile.{column} IS '{comment}'")
