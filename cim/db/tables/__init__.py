"""The tables: SQLAlchemy metadata is the truth for columns, constraints, indexes and comments."""

from cim.db.tables import bim, catalogue, history, network, register, stewardship, tile
from cim.db.tables.base import METADATA

__all__ = ["METADATA", "bim", "catalogue", "history", "network", "register", "stewardship", "tile"]
