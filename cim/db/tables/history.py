"""History tables: every versioned table has a twin that keeps the states that are no longer current."""

from sqlalchemy import Column, DateTime, Index, Table
from sqlalchemy.dialects.postgresql import UUID

from cim.db.tables.base import METADATA
from cim.db.tables.citymodel import city_object
from cim.db.tables.network import network_edge, network_node
from cim.db.tables.planning import planning_control
from cim.db.tables.register import address, building, division, unit

VERSIONED: tuple[Table, ...] = (division, building, unit, address, network_node, network_edge, city_object, planning_control)


def _twin(table: Table) -> Table:
    columns: list[Column[object]] = [Column(column.name, column.type, nullable=True, comment=column.comment) for column in table.columns]
    return Table(
        f"{table.name}_history",
        METADATA,
        *columns,
        Column("valid_to", DateTime(timezone=True), nullable=False, comment="until when this state was true"),
        Column("retired_by", UUID, nullable=True, comment="change set that ended this state"),
        Index(f"{table.name}_history_code_btree", "code", "valid_from"),
        Index(f"{table.name}_history_geom_gist", "geom", postgresql_using="gist"),
        comment=f"Earlier states of {table.name}",
    )


HISTORY: dict[str, Table] = {table.name: _twin(table) for table in VERSIONED}
