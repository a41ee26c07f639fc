"""Opening source files: existence, completeness, format, encoding, CRS. Nothing is written before all of it is known."""

import codecs
import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.crs import parse_crs
from cim.errors import EncodingError, MissingCrsError, SourceSyntaxError, UnsupportedFormatError

VECTOR_SUFFIXES = (".zip", ".shp", ".gpkg", ".geojson", ".json", ".fgb")
_CODE_PAGES = {"936": "gb18030", "gbk": "gb18030", "gb2312": "gb18030", "cp936": "gb18030", "65001": "utf-8"}


@dataclass(frozen=True)
class VectorTable:
    """A layer as read.

    Parameters
    ----------
    columns
        Field name to values, one entry per record; strings are text, missing numbers are NaN or None.
    geometry
        Shapely geometries, shape (n,), dtype object, x/y order of ``crs``; None where the record has none.
    crs
        CRS as text for `cim.crs.parse_crs`.
    encoding
        Encoding the text was read in.
    layer
        Layer name.
    """

    columns: dict[str, NDArray[Any]]
    geometry: NDArray[Any]
    crs: str
    encoding: str
    layer: str

    def __len__(self) -> int:
        return len(self.geometry)


def require_file(path: Path) -> None:
    """Refuse a file that is missing, a folder, unreadable or empty.

    Raises
    ------
    SourceSyntaxError
        With the next step.
    """
    if not path.exists():
        raise SourceSyntaxError(path, "no such file", hint="check the path")
    if not path.is_file():
        raise SourceSyntaxError(path, "found a folder, expected a file")
    if path.stat().st_size == 0:
        raise SourceSyntaxError(path, "the file is empty (0 bytes)", hint="export or copy the file again")


def sha256_of(*paths: Path, given: Sequence[str | None] = ()) -> str:
    """Return the hash over the contents of files, in the given order, with shapefile siblings included.

    Parameters
    ----------
    *paths
        The files.
    given
        What the operator says about them (CRS, encoding, vertical datum): the same file read in another way is another source.
    """
    digest = hashlib.sha256()
    if any(value is not None for value in given):
        digest.update(repr(tuple(given)).encode())
    for path in paths:
        siblings = [path.with_suffix(s) for s in (".dbf", ".shx", ".prj", ".cpg")] if path.suffix.lower() == ".shp" else []
        if path.is_dir():
            siblings = sorted(part for part in path.rglob("*") if part.is_file())
        for part in [*([path] if path.is_file() else []), *(sibling for sibling in siblings if sibling.exists())]:
            with part.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()


def read_vector(path: Path, *, crs: str | None = None, encoding: str | None = None, layer: str | None = None) -> VectorTable:
    """Read one layer of a vector file.

    Parameters
    ----------
    path
        .zip (of one shapefile), .shp, .gpkg, .geojson, .json or .fgb.
    crs
        CRS to use when the file names none; refused when it names another one.
    encoding
        Overrides what the file says of its text.
    layer
        Layer of a GeoPackage; without it the file must have one layer.

    Raises
    ------
    SourceSyntaxError
        Missing, empty, incomplete or damaged file.
    UnsupportedFormatError
        Unknown format.
    MissingCrsError
        No CRS in the file and none given.
    EncodingError
        Text that is not in the declared encoding, or in none of UTF-8 and GB18030.
    """
    require_file(path)
    if path.suffix.lower() not in VECTOR_SUFFIXES:
        raise UnsupportedFormatError(
            path,
            f"found {path.suffix or 'no suffix'}, expected one of {', '.join(VECTOR_SUFFIXES)}",
            hint="export the layer in one of these",
        )
    location, is_shapefile = locate(path)
    used = shapefile_encoding(path, location, encoding) if is_shapefile else "utf-8"
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    try:
        name = layer or only_layer(path, location)
        meta, _, wkb, values = pyogrio.raw.read(location, layer=name, encoding=used if is_shapefile else None)
    except (DataSourceError, DataLayerError) as error:
        raise SourceSyntaxError(
            path, f"damaged or not what its suffix says: {first_line(error)}", hint="export or copy the file again"
        ) from error
    except UnicodeDecodeError as error:
        raise EncodingError(path, f"text is not {used}: byte {error.start}", hint="pass --encoding GB18030 or UTF-8") from error
    except LookupError as error:
        raise EncodingError(path, f"unknown encoding {used!r}", hint="pass --encoding GB18030 or UTF-8") from error
    if wkb is None:
        raise SourceSyntaxError(path, "the layer has no geometry column", where=name)
    if len(wkb) == 0:
        raise SourceSyntaxError(path, "found no records, expected at least one", where=name, hint="export the layer again")
    found = meta["crs"]
    if found is None and crs is None:
        raise MissingCrsError(path, "found no coordinate reference system, expected one", where=name, hint="pass --crs EPSG:<number>")
    if found is not None and crs is not None and not parse_crs(found).equals(parse_crs(crs), ignore_axis_order=True):
        raise MissingCrsError(path, f"the file says {found}, --crs says {crs}", where=name, hint="drop --crs or correct the file")
    columns = dict(zip((str(field) for field in meta["fields"]), values, strict=True))
    return VectorTable(columns, np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), dtype=object), str(found or crs), used, name)


def first_line(error: Exception) -> str:
    """Return the first line of a library's message."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def locate(path: Path) -> tuple[str, bool]:
    """Return what GDAL opens and whether it is a shapefile, after a look at completeness.

    Raises
    ------
    SourceSyntaxError
        Parts are missing, cut off or damaged.
    """
    suffix = path.suffix.lower()
    if suffix == ".shp":
        missing = [part for part in (".dbf", ".shx") if not path.with_suffix(part).exists()]
        if missing:
            raise SourceSyntaxError(path, f"the shapefile is incomplete, missing {', '.join(missing)}", hint="copy all its files")
        with path.open("rb") as handle:
            _check_length(path, path.name, handle.read(28), path.stat().st_size)
        return str(path), True
    if suffix != ".zip":
        return str(path), False
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise SourceSyntaxError(path, f"not a zip archive or cut off: {first_line(error)}", hint="copy the file again") from error
    if damaged:
        raise SourceSyntaxError(path, "damaged archive", where=damaged, hint="copy the file again")
    shapes = [name for name in names if name.lower().endswith(".shp")]
    if len(shapes) != 1:
        raise SourceSyntaxError(path, f"found {len(shapes)} shapefiles, expected one", hint="one layer per archive")
    stem = shapes[0][:-4]
    missing = [part for part in (".dbf", ".shx") if not any(name.lower() == (stem + part).lower() for name in names)]
    if missing:
        raise SourceSyntaxError(path, f"the shapefile is incomplete, missing {', '.join(missing)}", hint="zip all its files")
    with zipfile.ZipFile(path) as archive, archive.open(shapes[0]) as member:
        _check_length(path, shapes[0], member.read(28), archive.getinfo(shapes[0]).file_size)
    return f"/vsizip/{path.resolve()}/{shapes[0]}", True


def _check_length(path: Path, where: str, header: bytes, size: int) -> None:
    """Refuse a .shp shorter than its header says: GDAL would read the lost outlines as empty ones without a word."""
    # ESRI Shapefile Technical Description, table 1: bytes 24-27 hold the file length in 16-bit words, big-endian.
    expected = 2 * int.from_bytes(header[24:28], "big") if len(header) == 28 else 100
    if size < expected:
        raise SourceSyntaxError(path, f"cut off: found {size} bytes, its header says {expected}", where=where, hint="copy the file again")


def only_layer(path: Path, location: str) -> str:
    """Return the one layer of a file.

    Raises
    ------
    SourceSyntaxError
        There are several or none; lists them.
    """
    import pyogrio

    layers = [str(name) for name, _ in pyogrio.list_layers(location)]
    if len(layers) != 1:
        raise SourceSyntaxError(path, f"found layers {', '.join(layers) or 'none'}, expected one", hint="pass --layer NAME")
    return layers[0]


def _part(path: Path, location: str, suffix: str) -> bytes | None:
    if path.suffix.lower() == ".shp":
        sibling = path.with_suffix(suffix)
        return sibling.read_bytes() if sibling.exists() else None
    member = location.rpartition(".zip/")[2][:-4] + suffix
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.lower() == member.lower():
                return archive.read(name)
    return None


def shapefile_encoding(path: Path, location: str, given: str | None) -> str:
    """Find the encoding from evidence: the given or declared (.cpg) one, checked against the bytes; else UTF-8 if it fits, else GB18030."""
    table = _part(path, location, ".dbf") or b""
    # dBASE III: bytes 4-7 number of records, 8-9 length of the header, 10-11 length of a record, little-endian.
    n, header, width = (int.from_bytes(table[start:end], "little") for start, end in ((4, 8), (8, 10), (10, 12)))
    if len(table) < max(header + n * width, 32):
        raise SourceSyntaxError(
            path, f"cut off: found {len(table)} bytes, expected {max(header + n * width, 32)}", where=".dbf", hint="copy the file again"
        )
    declared = (_part(path, location, ".cpg") or b"").decode("ascii", errors="replace").strip().lower()
    named = given or _CODE_PAGES.get(declared, declared)
    fault = ""
    for candidate in [named] if named else ["utf-8", "gb18030"]:
        try:
            fault = _undecodable(table[:header], table[header:], width, candidate)
        except LookupError:
            fault = "unknown encoding"
        if not fault:
            return candidate
    said = f"--encoding {given}" if given else f"declared {declared}" if declared else "tried UTF-8 and GB18030"
    raise EncodingError(
        path, f"the text of the attribute table cannot be decoded ({said}): {fault}", where=".dbf", hint="pass --encoding GB18030 or UTF-8"
    )


def _undecodable(header: bytes, rows: bytes, width: int, encoding: str) -> str:
    """Return the place of the first text that is not in the encoding, empty where all is.

    Fields are cut at a byte count, so half a character at the end of a field is the fault of the format: GDAL drops it.
    """
    fields, offset = [], 1
    for start in range(32, len(header) - 1, 32):
        if header[start] == 0x0D:
            break
        if header[start + 11 : start + 12] == b"C":
            fields.append((header[start : start + 11].split(b"\0")[0], offset, offset + header[start + 16]))
        offset += header[start + 16]
    decoder = codecs.getincrementaldecoder(encoding)
    for n, start in enumerate(range(0, len(rows) - width + 1, max(width, 1)), 1):
        for name, first, last in fields:
            try:
                decoder().decode(rows[start + first : start + last].rstrip(b" \0"), final=False)
            except UnicodeDecodeError as error:
                return f"row {n}, field {name.decode('ascii', errors='replace')}, byte {error.start + 1}"
    return ""
