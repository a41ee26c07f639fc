"""Opening source files: existence, completeness, format, encoding, CRS. Nothing is written before all of it is known."""

import codecs
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError

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


def sha256_of(*paths: Path) -> str:
    """Return the hash over the contents of files, in the given order, with shapefile siblings included."""
    digest = hashlib.sha256()
    for path in paths:
        siblings = [path.with_suffix(s) for s in (".dbf", ".shx", ".prj", ".cpg")] if path.suffix.lower() == ".shp" else []
        for part in [path, *(sibling for sibling in siblings if sibling.exists())]:
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
    location, is_shapefile = _locate(path)
    used = encoding or (_shapefile_encoding(path, location) if is_shapefile else "utf-8")
    try:
        name = layer or _only_layer(path, location)
        meta, _, wkb, values = pyogrio.raw.read(location, layer=name, encoding=used if is_shapefile else None)
    except (DataSourceError, DataLayerError) as error:
        raise SourceSyntaxError(
            path, f"damaged or not what its suffix says: {_first_line(error)}", hint="export or copy the file again"
        ) from error
    except UnicodeDecodeError as error:
        raise EncodingError(path, f"text is not {used}: byte {error.start}", hint="pass --encoding GB18030 or UTF-8") from error
    except LookupError as error:
        raise EncodingError(path, f"unknown encoding {used!r}", hint="pass --encoding GB18030 or UTF-8") from error
    if wkb is None:
        raise SourceSyntaxError(path, "the layer has no geometry column", where=name)
    found = meta["crs"]
    if found is None and crs is None:
        raise MissingCrsError(path, "found no coordinate reference system, expected one", where=name, hint="pass --crs EPSG:<number>")
    if found is not None and crs is not None and not parse_crs(found).equals(parse_crs(crs), ignore_axis_order=True):
        raise MissingCrsError(path, f"the file says {found}, --crs says {crs}", where=name, hint="drop --crs or correct the file")
    columns = dict(zip((str(field) for field in meta["fields"]), values, strict=True))
    return VectorTable(columns, np.asarray(shapely.from_wkb(wkb, on_invalid="ignore"), dtype=object), str(found or crs), used, name)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _locate(path: Path) -> tuple[str, bool]:
    suffix = path.suffix.lower()
    if suffix == ".shp":
        missing = [part for part in (".dbf", ".shx") if not path.with_suffix(part).exists()]
        if missing:
            raise SourceSyntaxError(path, f"the shapefile is incomplete, missing {', '.join(missing)}", hint="copy all its files")
        return str(path), True
    if suffix != ".zip":
        return str(path), False
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise SourceSyntaxError(path, f"not a zip archive or cut off: {_first_line(error)}", hint="copy the file again") from error
    if damaged:
        raise SourceSyntaxError(path, "damaged archive", where=damaged, hint="copy the file again")
    shapes = [name for name in names if name.lower().endswith(".shp")]
    if len(shapes) != 1:
        raise SourceSyntaxError(path, f"found {len(shapes)} shapefiles, expected one", hint="one layer per archive")
    stem = shapes[0][:-4]
    missing = [part for part in (".dbf", ".shx") if not any(name.lower() == (stem + part).lower() for name in names)]
    if missing:
        raise SourceSyntaxError(path, f"the shapefile is incomplete, missing {', '.join(missing)}", hint="zip all its files")
    return f"/vsizip/{path.resolve()}/{shapes[0]}", True


def _only_layer(path: Path, location: str) -> str:
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


def _shapefile_encoding(path: Path, location: str) -> str:
    """Find the encoding from evidence: the .cpg file, checked against the bytes; else UTF-8 if it decodes, else GB18030."""
    table = _part(path, location, ".dbf") or b""
    header = int.from_bytes(table[8:10], "little") if len(table) >= 10 else 0
    text = table[header:]
    declared = (_part(path, location, ".cpg") or b"").decode("ascii", errors="replace").strip().lower()
    candidates = [_CODE_PAGES.get(declared, declared)] if declared else ["utf-8", "gb18030"]
    for candidate in candidates:
        try:
            codecs.lookup(candidate)
            # DBF fields are cut at a byte count, so a character may be cut in half at the end of a field: decode field by field.
            _decode_fields(table[:header], text, candidate)
        except (UnicodeDecodeError, LookupError):
            continue
        return candidate
    said = f"declared {declared}" if declared else "tried UTF-8 and GB18030"
    raise EncodingError(path, f"the text of the attribute table cannot be decoded ({said})", where=".dbf", hint="pass --encoding NAME")


def _decode_fields(header: bytes, rows: bytes, encoding: str) -> None:
    sizes, kinds = [], []
    for start in range(32, len(header) - 1, 32):
        if header[start] == 0x0D:
            break
        sizes.append(header[start + 16])
        kinds.append(chr(header[start + 11]))
    width = 1 + sum(sizes)
    for start in range(0, len(rows) - width + 1, width):
        place = start + 1
        for size, kind in zip(sizes, kinds, strict=True):
            if kind == "C":
                codecs.getincrementaldecoder(encoding)().decode(rows[place : place + size].rstrip(b" \0"), final=False)
            place += size
