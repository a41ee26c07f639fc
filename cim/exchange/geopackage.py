"""Schema extension of a GeoPackage (OGC 12-128r19, annex F.9): names of columns for people and the values of enumerations."""

import contextlib
import sqlite3
from pathlib import Path

from cim.exchange.model import ExportCollection, Language

_TABLES = """
CREATE TABLE IF NOT EXISTS gpkg_extensions (
  table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL,
  CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));
CREATE TABLE gpkg_data_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT, mime_type TEXT, constraint_name TEXT,
  CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name), CONSTRAINT gdc_tn UNIQUE (table_name, name));
CREATE TABLE gpkg_data_column_constraints (
  constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT, min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC,
  max_is_inclusive BOOLEAN, description TEXT,
  CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value));
"""
_DEFINITION = "http://www.geopackage.org/spec140/#extension_schema"


def describe(path: Path, collection: ExportCollection, language: Language) -> None:
    """Add the schema extension to a GeoPackage that has the collection as a layer.

    Parameters
    ----------
    path
        GeoPackage.
    collection
        Its id is the layer's table.
    language
        Language of titles and of the names of values.

    Notes
    -----
    ``name`` repeats the title: GDAL and by it QGIS take a field's alias from there.
    """
    columns, values = [], []
    for column, alias in zip(collection.columns, collection.aliases(language), strict=True):
        constraint = f"{collection.id}_{column.name}" if column.values else None
        columns.append((collection.id, column.name, alias, alias, column.note or None, constraint))
        values += [(constraint, value, getattr(title, language)) for value, title in column.values]
    with contextlib.closing(sqlite3.connect(path)) as package, package:
        package.executescript(_TABLES)
        package.executemany(
            "INSERT INTO gpkg_data_columns (table_name, column_name, name, title, description, constraint_name) VALUES (?, ?, ?, ?, ?, ?)",
            columns,
        )
        package.executemany(
            "INSERT INTO gpkg_data_column_constraints (constraint_name, constraint_type, value, description) VALUES (?, 'enum', ?, ?)",
            values,
        )
        package.executemany(
            "INSERT INTO gpkg_extensions (table_name, column_name, extension_name, definition, scope) VALUES (?, NULL, ?, ?, ?)",
            [(name, "gpkg_schema", _DEFINITION, "read-write") for name in ("gpkg_data_columns", "gpkg_data_column_constraints")],
        )
