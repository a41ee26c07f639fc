"""What is exchanged: collections, their columns and names, as writers of files see them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from cim.errors import CimError
from cim.exchange.citymodel import Models
from cim.profile import Names

ColumnType = Literal["string", "int16", "int32", "float64", "boolean", "date", "timestamp", "json"]
Language = Literal["zh", "en"]
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class ExportColumn:
    """A column of an exported collection.

    Parameters
    ----------
    name
        Attribute name, equal to the column's.
    type
        Type in the store.
    note
        Remark of the table's documentation, with the unit in brackets.
    title
        Name for people.
    values
        Values and their names for people, empty where the attribute is open.
    """

    name: str
    type: ColumnType
    note: str
    title: Names
    values: tuple[tuple[str, Names], ...] = ()


@dataclass(frozen=True)
class ExportCollection:
    """A collection that can be exported.

    Parameters
    ----------
    id
        Collection id, as in the API.
    table
        Table, or parent table of the partitions.
    kind
        Network kind that selects the partition, None for other tables.
    geometry
        Geometry type, e.g. MultiPolygon.
    has_z
        Third coordinate is the elevation [m] in the city's vertical datum.
    columns
        Columns in output order.
    """

    id: str
    table: str
    kind: str | None
    geometry: str
    has_z: bool
    columns: tuple[ExportColumn, ...]
    title: Names
    description: Names

    def aliases(self, language: Language) -> list[str]:
        """Return the names of the columns for people, each once: a name that two columns share is followed by the column's own."""
        titles = [getattr(column.title, language) for column in self.columns]
        return [
            title if titles.count(title) == 1 else f"{title} ({column.name})" for title, column in zip(titles, self.columns, strict=True)
        ]


class ExchangeError(CimError):
    """A file of another software cannot be written."""

    code = "exchange"


@dataclass(frozen=True)
class Job:
    """One file to write.

    Parameters
    ----------
    collection
        What is written.
    srid
        EPSG code of the geometry; x/y order (lon/lat, easting/northing).
    language
        Language of the names for people, None to leave the attribute names alone.
    all_placed
        Every row has a geometry.
    origin
        Lower left corner of the data, rounded down, in the units of the CRS.
    city, vertical_datum
        For the title: which city, and what the heights refer to.
    moment
        State of the register that is written.
    models
        Gives city objects for the codes of a batch, None where no geometry of city models is wanted.
    counts
        Filled by the writer: what it has to say besides the rows.
    """

    collection: ExportCollection
    srid: int
    language: Language | None
    all_placed: bool
    origin: tuple[float, float]
    city: Names
    vertical_datum: str
    moment: datetime
    models: Models | None = None
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name of the collection for people."""
        return str(getattr(self.collection.title, self.language or "en"))

    @property
    def description(self) -> str:
        """Description of the collection with the city and the moment, for people."""
        language = self.language or "en"
        text, city = getattr(self.collection.description, language), getattr(self.city, language)
        return f"{city}: {text} {self.moment.isoformat(timespec='seconds')}"
