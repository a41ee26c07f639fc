"""Property tables of EXT_structural_metadata (binary table format of 3D Metadata 1.0)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

NO_INTEGER = -32_768
NO_FLOAT = -9999.0
NO_CHOICE = "unknown"
_COMPONENT_TYPES = {"u1": "UINT8", "i2": "INT16", "u2": "UINT16", "u4": "UINT32", "f4": "FLOAT32"}


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
class PackedText:
    """Texts that lie one behind the other; an empty one is the property's ``noData``.

    Parameters
    ----------
    values
        Bytes of all texts, UTF-8.
    offsets
        First byte of each text and the end, shape (n + 1,).
    is_id
        The property identifies the feature.
    """

    name: str
    values: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    is_id: bool = False

    def schema(self) -> dict[str, Any]:
        """Return the class property."""
        return Text(self.name, (), self.is_id).schema()

    def is_empty(self) -> bool:
        """Tell whether no feature has a value."""
        return not len(self.values)

    def views(self, add_view: Callable[[bytes], int]) -> dict[str, Any]:
        """Append the values and return the table property; offsets take the fewest bytes that hold them."""
        small = self.offsets[-1] <= 65_535
        offsets = self.offsets.astype("<u2" if small else "<u4")
        return {
            "values": add_view(self.values.tobytes()), "stringOffsets": add_view(offsets.tobytes()),
            "stringOffsetType": "UINT16" if small else "UINT32",
        }  # fmt: skip


@dataclass(frozen=True)
class Array:
    """Numbers of one type.

    Parameters
    ----------
    values
        Shape (n,), of a type of `_COMPONENT_TYPES`.
    missing
        Value of a feature without one; None = every feature has one.
    """

    name: str
    values: NDArray[Any]
    missing: float | None = None

    def schema(self) -> dict[str, Any]:
        """Return the class property."""
        kind = {"type": "SCALAR", "componentType": _COMPONENT_TYPES[self.values.dtype.str[1:]]}
        return kind if self.missing is None else kind | {"noData": self.missing}

    def is_empty(self) -> bool:
        """Tell whether no feature has a value."""
        return self.missing is not None and bool((self.values == self.missing).all())

    def views(self, add_view: Callable[[bytes], int]) -> dict[str, Any]:
        """Append the values and return the table property."""
        return {"values": add_view(self.values.tobytes())}


@dataclass(frozen=True)
class Choice:
    """Values of a closed list, one byte each.

    Parameters
    ----------
    values
        Position in ``names``, 255 = none, shape (n,), uint8.
    names
        The list.
    """

    name: str
    values: NDArray[np.uint8]
    names: Sequence[str]

    def schema(self) -> dict[str, Any]:
        """Return the class property."""
        return {"type": "ENUM", "enumType": self.name, "noData": NO_CHOICE}

    def is_empty(self) -> bool:
        """Tell whether no feature has a value."""
        return bool((self.values == 255).all())

    def views(self, add_view: Callable[[bytes], int]) -> dict[str, Any]:
        """Append the values and return the table property."""
        return {"values": add_view(self.values.tobytes())}

    def to_json(self) -> dict[str, Any]:
        """Return the enumeration."""
        known = [{"name": name, "value": value} for value, name in enumerate(self.names)]
        return {"valueType": "UINT8", "values": [*known, {"name": NO_CHOICE, "value": 255}]}


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
        schema: dict[str, Any] = {"id": "cim", "classes": {self.class_name: {"properties": properties}}}
        if choices := {column.name: column.to_json() for column in self.columns if isinstance(column, Choice)}:
            schema["enums"] = choices
        return {
            "schema": schema,
            "propertyTables": [{"class": self.class_name, "count": self.count, "properties": table}],
        }
