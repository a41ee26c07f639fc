"""CJJ 61 point and line tables (``XXPOINT``, ``XXLINE``) → survey columns. X is the northing where the profile says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from cim.errors import SourceSyntaxError
from ingest.layer import read_table
from ingest.network.profile import KindTables, NetworkProfile
from ingest.network.survey import (
    Floats,
    Mask,
    Survey,
    json_objects,
    line_table,
    map_words,
    parse_numbers,
    point_table,
    refuse_rows,
)
from ingest.rejects import RejectLog
from ingest.source import first_line, require_file

POINT_COLUMNS = ("EXP_NO", "X", "Y", "HIGH", "FEATURE", "SUBSID")
LINE_COLUMNS = ("LNO", "S_EXP", "S_X", "S_Y", "S_DEEP", "E_EXP", "E_X", "E_Y", "E_DEEP", "MATERIAL", "PSIZE", "FLOWDIR")
_ROUND, _BOX = r"(?i)^(?:DN)?(?P<d>\d+(?:\.\d+)?)$", r"(?i)^(?P<w>\d+(?:\.\d+)?)\s*[X×*]\s*(?P<h>\d+(?:\.\d+)?)$"
_STATUSES = ("planned", "in_use", "abandoned")
_MAX_CABLES = 10_000
END_TOLERANCE_M = 0.5
_SERVES = ("BLDG_CODE", "ADDR_CODE", "customers")


def read_cjj_table(path: Path, required: tuple[str, ...], *, encoding: str | None, layer: str | None = None) -> pa.Table:
    """Read a point or line table as text: .csv, .xlsx, .dbf, .shp or a layer of a GeoPackage.

    Raises
    ------
    SourceSyntaxError
        Missing, empty, damaged, or without the required columns.
    EncodingError
        The text is in another encoding.
    """
    require_file(path)
    if path.suffix.lower() in (".csv", ".xlsx"):
        table, _ = read_table(path, encoding=encoding)
    else:
        try:
            _, table = pyogrio.raw.read_arrow(path, layer=layer, read_geometry=False, encoding=encoding if path.suffix != ".gpkg" else None)
        except (DataSourceError, DataLayerError) as error:
            raise SourceSyntaxError(path, f"damaged or no table: {first_line(error)}", hint="export the table again") from error
        if table.num_rows == 0:
            raise SourceSyntaxError(path, "found no records, expected at least one", hint="export the table again")
    missing = [name for name in required if name not in table.column_names]
    if missing:
        raise SourceSyntaxError(path, f"found columns {', '.join(table.column_names)}, missing {', '.join(missing)}", where="line 1")
    return pa.table({name: _trimmed(table.column(name)) for name in table.column_names})


def _trimmed(column: Any) -> Any:  # noqa: ANN401 - pyarrow ships no types
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return pc.utf8_trim_whitespace(column.cast(pa.string())).combine_chunks()
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _text(table: pa.Table, name: str) -> Any:  # noqa: ANN401 - as above
    if name not in table.column_names:
        return pa.array([""] * table.num_rows, pa.string())
    return pc.fill_null(table.column(name).combine_chunks().cast(pa.string()), "")


def _numbers(table: pa.Table, name: str) -> tuple[Floats, Mask]:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan), np.zeros(table.num_rows, np.bool_)
    return parse_numbers(table.column(name))


def read_size(column: Any) -> tuple[Floats, Floats, Floats, Mask]:  # noqa: ANN401 - as above
    """Return diameter, width, height [mm] of ``DN300`` or ``800X600`` per row, and where another form stands.

    Examples
    --------
    >>> [v.tolist() for v in read_size(pa.array(["DN300", "800X600"]))][1]
    [nan, 800.0]
    """
    cells = pc.fill_null(column, "").dictionary_encode()
    words = cells.dictionary
    round_, box = pc.extract_regex(words, _ROUND), pc.extract_regex(words, _BOX)

    def part(found: Any, name: str) -> Any:  # noqa: ANN401 - as above
        return pc.struct_field(found, name).cast(pa.float64()).take(cells.indices).to_numpy(zero_copy_only=False)

    none = pc.and_(pc.and_(pc.is_null(round_), pc.is_null(box)), pc.not_equal(words, "")).take(cells.indices)
    return part(round_, "d"), part(box, "w"), part(box, "h"), np.asarray(none)


class _Rows:
    """Rows of a table that are still good; the first fault of a row refuses it."""

    def __init__(self, table: pa.Table, place: str, log: RejectLog) -> None:
        self.table, self.good, self._log, self._place = table, np.ones(table.num_rows, np.bool_), log, place

    def place(self, row: int) -> str:
        return f"{self._place}, line {row + 2}"

    def refuse(self, bad: Mask, rule: str, message: str | list[str], message_zh: str) -> None:
        fresh = bad & self.good
        if isinstance(message, list):
            keep = fresh[np.flatnonzero(bad)]
            message = [words for words, wanted in zip(message, keep, strict=True) if wanted]
        refuse_rows(self._log, self.table, fresh, rule, message, message_zh, self.place)
        self.good &= ~bad

    def need(self, names: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Floats]:
        found = {}
        for name in (*names, *optional):
            values, bad = _numbers(self.table, name)
            if bad.any():
                cells = _text(self.table, name)
                words = [f"{name}: found {cells[int(i)].as_py()!r}, expected a number" for i in np.flatnonzero(bad)]
                self.refuse(bad, "N02", words, "数值无效")
            if name in names:
                self.refuse(np.isnan(values) & ~bad, "N02", f"{name} is empty, expected a number", "数值无效")
            found[name] = values
        return found

    def words(self, name: str, words: dict[str, str], told: str) -> Any:  # noqa: ANN401 - as above
        mapped, bad, messages = map_words(_text(self.table, name), words, told)
        self.refuse(bad, "N03", messages, "不在词表中")
        return mapped


def duplicates(keys: Any) -> Mask:  # noqa: ANN401 - as above
    """Return where a key is empty or occurred before."""
    cells = pc.fill_null(keys, "").dictionary_encode()
    at = np.asarray(cells.indices)
    first = np.full(len(cells.dictionary), -1, np.int64)
    order = np.arange(len(at))[::-1]
    first[at[order]] = order
    empty = np.asarray(pc.equal(cells.dictionary, ""))[at] if len(at) else np.zeros(0, np.bool_)
    return np.asarray((first[at] != np.arange(len(at))) | empty)


def map_survey(
    points: pa.Table, lines: pa.Table, names: tuple[Path, Path], tables: KindTables, profile: NetworkProfile, log: RejectLog
) -> Survey:
    """Map point and line tables; refused records go to the log.

    Parameters
    ----------
    points, lines
        Tables as read.
    names
        Files of the two.
    tables
        Kind and depth reference.
    profile
        Axis order and vocabularies.
    log
        Takes what is refused.
    """
    p = _Rows(points, names[0].name, log)
    at = p.need(("X", "Y", "HIGH"), ("WELLDEEP",))
    feature = p.words("FEATURE", profile.words("points", "feature"), "feature")
    appendage = p.words("SUBSID", profile.words("points", "appendage"), "appendage")
    keys = _text(points, "EXP_NO")
    p.refuse(_repeated(keys, p.good), "N01", "the point number is empty or occurs twice", "管线点号为空或重复")
    swap = profile.axis == "northing-easting"
    east, north = (at["Y"], at["X"]) if swap else (at["X"], at["Y"])
    made = point_table(
        {
            "key": keys, "x": east, "y": north, "ground_elevation_m": at["HIGH"], "depth_m": at["WELLDEEP"], "feature": feature,
            "appendage": appendage, "type_code": _text(points, "CODE"), "owner": _text(points, "BELONG"),
            "attributes": _kept(points, ("SURFBLDG", "MDATE", "NOTE", *_SERVES)), "place": [p.place(i) for i in range(points.num_rows)],
        }
    ).filter(pa.array(p.good))  # fmt: skip
    mapped = _map_lines(lines, names[1], profile, made, log, swap=swap)
    n_read = points.num_rows + lines.num_rows
    return Survey(tables.kind, made, mapped, profile.crs, tables.depth_reference, n_read, names[0], is_northing_first=swap)


def _repeated(keys: Any, good: Mask) -> Mask:  # noqa: ANN401 - as above
    """Return where a key of the good rows is empty or occurred before."""
    bad = np.zeros(len(keys), np.bool_)
    rows = np.flatnonzero(good)
    bad[rows] = duplicates(keys.take(pa.array(rows)))
    return bad


def _kept(table: pa.Table, names: tuple[str, ...]) -> Any:  # noqa: ANN401 - as above
    return json_objects({name: table.column(name) for name in names if name in table.column_names}, table.num_rows)


def _map_lines(lines: pa.Table, name: Path, profile: NetworkProfile, points: pa.Table, log: RejectLog, *, swap: bool) -> pa.Table:
    rows = _Rows(lines, name.name, log)
    at = rows.need(("S_X", "S_Y", "S_DEEP", "E_X", "E_Y", "E_DEEP"), ("CABNUM",))
    diameter, width, height, bad = read_size(_text(lines, "PSIZE"))
    sizes = _text(lines, "PSIZE")
    rows.refuse(bad, "N02", [f"PSIZE: found {sizes[int(i)].as_py()!r}, expected DN300 or 800X600" for i in np.flatnonzero(bad)], "数值无效")
    material = rows.words("MATERIAL", profile.words("lines", "material"), "material")
    embedding = rows.words("EMBED", profile.words("lines", "embedding"), "embedding")
    flow = rows.words("FLOWDIR", profile.words("lines", "flow_direction"), "flow_direction")
    cables = at["CABNUM"]
    told = ~np.isnan(cables)
    odd = told & ((np.floor(cables) != cables) | (cables < 0) | (cables > _MAX_CABLES))
    rows.refuse(odd, "N02", f"CABNUM: expected a whole number from 0 to {_MAX_CABLES}", "数值无效")
    status = pc.fill_null(rows.words("USTATUS", profile.words("lines", "use_state"), "use_state"), "in_use")
    strange = ~np.asarray(pc.is_in(status, value_set=pa.array(_STATUSES)))
    rows.refuse(strange, "N03", f"use_state: expected one of {', '.join(_STATUSES)}", "不在词表中")
    rows.refuse(_repeated(_text(lines, "LNO"), rows.good), "N01", "the line number is empty or occurs twice", "线段编号为空或重复")
    _check_ends(rows, at, points, swap=swap)
    signs = np.zeros(lines.num_rows)
    signs[np.asarray(pc.fill_null(pc.equal(flow, "start-to-end"), fill_value=False))] = 1
    signs[np.asarray(pc.fill_null(pc.equal(flow, "end-to-start"), fill_value=False))] = -1
    year, no_year = parse_numbers(pc.utf8_slice_codeunits(_text(lines, "MDATE"), 0, 4))
    year[no_year] = np.nan
    return line_table(
        {
            "key": _text(lines, "LNO"), "start": _text(lines, "S_EXP"), "end": _text(lines, "E_EXP"), "type_code": _text(lines, "TYPE"),
            "diameter_mm": diameter, "width_mm": width, "height_mm": height, "material": material, "embedding": embedding,
            "start_depth_m": at["S_DEEP"], "end_depth_m": at["E_DEEP"], "flow_direction": signs, "pressure": _text(lines, "PRESSURE"),
            "voltage": _text(lines, "VOLTAGE"), "n_cables": cables, "year_laid": year, "owner": _text(lines, "BELONG"), "status": status,
            "attributes": _kept(lines, ("MDATE", "NOTE", *_SERVES)), "place": [rows.place(i) for i in range(lines.num_rows)],
        }
    ).filter(pa.array(rows.good))  # fmt: skip


def _check_ends(rows: _Rows, at: dict[str, Floats], points: pa.Table, *, swap: bool) -> None:
    """Refuse lines whose ends are no points, lie off their points, or are one point."""
    keys = points.column("key").combine_chunks()
    x, y = (points.column(name).to_numpy() for name in ("x", "y"))
    ends = {letter: _text(rows.table, f"{letter}_EXP") for letter in "SE"}
    for letter in "SE":
        found = pc.index_in(ends[letter], value_set=keys)
        missing = np.asarray(pc.is_null(found))
        names = ends[letter]
        words = [f"end point {names[int(i)].as_py()!r} is not in the point table" for i in np.flatnonzero(missing)]
        rows.refuse(missing, "N04", words, "端点不在点表中")
        index = np.asarray(pc.fill_null(found, 0))
        if not len(keys):
            continue
        east, north = (at[f"{letter}_Y"], at[f"{letter}_X"]) if swap else (at[f"{letter}_X"], at[f"{letter}_Y"])
        off = np.hypot(east - x[index], north - y[index])
        far = (off > END_TOLERANCE_M) & ~missing
        told = [
            f"end point {names[int(i)].as_py()!r} is {off[i]:.2f} m from its point, expected at most {END_TOLERANCE_M} m"
            for i in np.flatnonzero(far)
        ]
        rows.refuse(far, "N05", told, "端点与点表坐标不符")
    same = np.asarray(pc.equal(ends["S"], ends["E"]))
    rows.refuse(same, "N06", "the line starts and ends in the same point", "起点与终点相同")
