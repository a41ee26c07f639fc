"""The tables: SQLAlchemy metadata is the truth for columns, constraints, indexes and comments."""

from cim.db.tables import access, bim, catalogue, citymodel, history, network, planning, register, stewardship, tile
from cim.db.tables.base import METADATA

__all__ = ["METADATA", "access", "bim", "catalogue", "citymodel", "history", "network", "planning", "register", "stewardship", "tile"]
