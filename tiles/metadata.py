"""Property tables of EXT_structural_metadata (binary table format of 3D Metadata 1.0)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

NO_INTEGER = -32_768
NO_FLOAT = -9999.0


class Column(Protocol):
    """One property of all features."""

    @property
    def name(self) -> str:
        """Name in the schema."""

    def schema(self) -> dict[str, Any]:
        """Return the class property."""

    def is_empty(self) -> bool:
        """Tell whether no feature has a value."""

    def views(self, add_view: Callable[[bytes], int]) -> dict[str, Any]:
        """Append the values and return the table property."""


@dataclass(frozen=True)
class Text:
    """Texts; None is written as the empty text, which is the property's ``noData``.

    Parameters
    ----------
    is_id
        The property identifies the feature.
    """

    name: str
    values: Sequence[str | None]
    is_id: bool = False

    def schema(self) -> dict[str, Any]:
        """Return the class property."""
        if self.is_id:
            return {"type": "STRING", "semantic": "ID", "required": True}
        return {"type": "STRING", "noData": ""}

    def is_empty(self) -> bool:
        """Tell whether no feature has a value."""
        return not any(self.values)

    def views(self, add_view: Callable[[bytes], int]) -> dict[str, Any]:
        """Append the values and return the table property."""
        encoded = [(value or "").encode() for value in self.values]
        offsets = np.zeros(len(encoded) + 1, dtype="<u4")
        np.cumsum([len(value) for value in encoded], out=offsets[1:])
        return {"values": add_view(b"".join(encoded)), "stringOffsets": add_view(offsets.tobytes()), "stringOffsetType": "UINT32"}


@dataclass(frozen=True)
class Number:
    """Numbers; None is written as ``noData``.

    Parameters
    ----------
    is_integer
        INT16 instead of FLOAT32.
    """

    name: str
    values: Sequence[float | None]
    is_integer: bool = False

    def schema(self) -> dict[str, Any]:
        """Return the class property."""
        if self.is_integer:
            return {"type": "SCALAR", "componentType": "INT16", "noData": NO_INTEGER}
        return {"type": "SCALAR", "componentType": "FLOAT32", "noData": NO_FLOAT}

    def is_empty(self) -> bool:
        """Tell whether no feature has a value."""
        return all(value is None for value in self.values)

    def views(self, add_view: Callable[[bytes], int]) -> dict[str, Any]:
        """Append the values and return the table property."""
        missing, kind = (NO_INTEGER, "<i2") if self.is_integer else (NO_FLOAT, "<f4")
        return {"values": add_view(np.array([missing if value is None else value for value in self.values], dtype=kind).tobytes())}


@dataclass(frozen=True)
class PropertyTable:
    """Attributes of the features of one tile, in feature order.

    Parameters
    ----------
    class_name
        Class in the schema, e.g. building.
    columns
        Of equal length.
    """

    class_name: str
    columns: Sequence[Column]
    count: int

    def to_json(self, add_view: Callable[[bytes], int]) -> dict[str, Any]:
        """Append the columns' buffers and return the extension's object."""
        properties = {column.name: column.schema() for column in self.columns}
        # A buffer view may not be empty, and the last string offset is the length of the values: a column without values is left out.
        table = {column.name: column.views(add_view) for column in self.columns if not column.is_empty()}
        return {
            "schema": {"id": "cim", "classes": {self.class_name: {"properties": properties}}},
            "propertyTables": [{"class": self.class_name, "count": self.count, "properties": table}],
        }
