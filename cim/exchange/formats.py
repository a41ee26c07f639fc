"""The formats by the suffix of the file."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cim.errors import InvalidParameterError
from cim.exchange.model import Job, Language, Rows


@dataclass(frozen=True)
class FileFormat:
    """A format that can be written.

    Parameters
    ----------
    name
        Name for people.
    default_language
        Language of the names for people where none is wanted expressly, None for attribute names.
    collections
        Collections it can carry, empty for all.
    needs_metres
        Coordinates have to be in a projected CRS in metres.
    """

    name: str
    write: Callable[[Path, Job, Iterable[Rows]], None]
    default_language: Language | None = "zh"
    collections: tuple[str, ...] = ()
    needs_metres: bool = False


def _geopackage(path: Path, job: Job, batches: Iterable[Rows]) -> None:
    from cim.exchange.vector import write_geopackage

    write_geopackage(path, job, batches)


def _flatgeobuf(path: Path, job: Job, batches: Iterable[Rows]) -> None:
    from cim.exchange.vector import write_flatgeobuf

    write_flatgeobuf(path, job, batches)


def _geoparquet(path: Path, job: Job, batches: Iterable[Rows]) -> None:
    from cim.exchange.geoparquet import write_geoparquet

    write_geoparquet(path, job, batches)


def _csv(path: Path, job: Job, batches: Iterable[Rows]) -> None:
    from cim.exchange.csv_table import write_csv

    write_csv(path, job, batches)


def _cityjson(path: Path, job: Job, batches: Iterable[Rows]) -> None:
    from cim.exchange.cityjson import write_cityjson

    write_cityjson(path, job, batches)


_CITYJSON = FileFormat("CityJSON", _cityjson, None, ("buildings", "city-objects"), needs_metres=True)

FORMATS: dict[str, FileFormat] = {
    ".gpkg": FileFormat("GeoPackage", _geopackage),
    ".parquet": FileFormat("GeoParquet", _geoparquet),
    ".fgb": FileFormat("FlatGeobuf", _flatgeobuf),
    ".csv": FileFormat("CSV", _csv, None),
    ".city.json": _CITYJSON,
    ".json": _CITYJSON,
}


def format_of(path: Path, collection: str) -> FileFormat:
    """Return the format that the suffix of a file names.

    Parameters
    ----------
    path
        File to write.
    collection
        Collection id.

    Raises
    ------
    InvalidParameterError
        No format has the suffix, or it cannot carry the collection.
    """
    found = next((made for suffix, made in FORMATS.items() if path.name.lower().endswith(suffix)), None)
    if found is None:
        raise InvalidParameterError("FILE", path.name[:80], f"a name that ends in {', '.join(FORMATS)}")
    if found.collections and collection not in found.collections:
        raise InvalidParameterError(
            "FILE", path.name[:80], f"another format for {collection}: {found.name} carries {', '.join(found.collections)} only",
            hint="give a file that ends in .gpkg, .parquet, .fgb or .csv",
        )  # fmt: skip
    return found
