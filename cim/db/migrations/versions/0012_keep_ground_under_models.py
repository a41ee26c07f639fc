"""Keep the ground under BIM models."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    for name, word in (("min", "lowest"), ("mean", "mean"), ("max", "highest")):
        op.execute(f"ALTER TABLE bim_model ADD COLUMN ground_{name}_m double precision")
        note = f"{word} ground under the outline [m] in the city''s vertical datum, by the terrain"
        op.execute(f"COMMENT ON COLUMN bim_model.ground_{name}_m IS '{note}'")
