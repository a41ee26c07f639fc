"""Print the DDL of the tables' metadata, the starting point of a new migration file."""

import sys

from sqlalchemy import create_mock_engine
from sqlalchemy.dialects import postgresql

from cim.db.tables import METADATA
from cim.db.tables.network import KINDS


def main() -> None:
    """Write CREATE statements to standard output."""
    statements: list[str] = []

    def collect(sql: object, *_: object, **__: object) -> None:
        statements.append(str(sql.compile(dialect=postgresql.dialect())).strip())  # type: ignore[attr-defined]

    engine = create_mock_engine("postgresql+psycopg://", collect)
    METADATA.create_all(engine, checkfirst=False)
    for table in ("network_node", "network_edge"):
        statements.extend(f"CREATE TABLE {table}_{kind} PARTITION OF {table} FOR VALUES IN ('{kind}')" for kind in KINDS)
    sys.stdout.write("\n".join(line.rstrip() for line in ";\n\n".join(statements).splitlines()) + ";\n")


if __name__ == "__main__":
    main()
