"""The report of a network: that of every ingest, with the refused points and lines where they lie."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from cim.db.datasets import Reject
from ingest.network.georef import Georeference
from ingest.network.rules import NETWORK_RULES
from ingest.network.survey import Survey, numbers_of
from ingest.pipeline import Outcome
from ingest.rejects import RejectLog
from ingest.report import write_report
from ingest.report_map import ReportedFeatures

_ENDS = (("start", "end"), ("S_EXP", "E_EXP"))
_HERE = (("x", "y"), ("X", "Y"))
Shape = Any


def report_network(
    folder: Path, outcome: Outcome, log: RejectLog, survey: Survey, georeference: Georeference | None, boundaries: NDArray[Any] | None,
    *, language: str,
) -> list[Path]:  # fmt: skip
    """Write report.json, report.html and, where records were refused, rejects.gpkg.

    Parameters
    ----------
    folder
        Made where it is missing.
    outcome
        Counts and facts of the run.
    log
        What was refused.
    survey
        As read; a refused line is drawn between the points of the survey it names.
    georeference
        Applied to the coordinates of the source.
    boundaries
        Divisions under the map, EPSG:4490 [deg].
    language
        en or zh.

    Returns
    -------
    list of Path
        Files written.
    """
    told = {name: value for name, value in outcome.report.items() if name != "service_links"}
    links = outcome.report.get("service_links") or {}
    told |= {f"links_{name}": len(value) if isinstance(value, list) else value for name, value in links.items()}
    return write_report(
        folder, replace(outcome, report=told), log.rejects, _features(log.rejects, survey, georeference),
        _features(_warned(survey), survey, georeference), boundaries=boundaries, language=language,
    )  # fmt: skip


def _features(rejects: list[Reject], survey: Survey, georeference: Georeference | None) -> ReportedFeatures | None:
    if not rejects:
        return None
    place = _placer(survey, georeference)
    names = list(dict.fromkeys(name for reject in rejects for name in reject.record))
    columns = pa.table({
        name: pa.array([None if reject.record.get(name) is None else str(reject.record[name]) for reject in rejects], pa.string())
        for name in names
    })  # fmt: skip
    shapes = np.array([place(reject.record) for reject in rejects], object)
    wkb = pa.array([None if one is None else shapely.to_wkb(one) for one in shapes], pa.binary())
    return ReportedFeatures(
        columns, wkb, survey.crs, "Unknown", [one.rule for one in rejects], [one.message for one in rejects],
        [one.message_zh for one in rejects], [one.place for one in rejects],
    )  # fmt: skip


def _warned(survey: Survey) -> list[Reject]:
    """Return the rows that were accepted with a warning, each once with all its rules."""
    rows: dict[tuple[str, str], tuple[list[str], dict[str, Any]]] = {}
    for words, table in survey.warned:
        part = "line" if "start" in table.column_names else "point"
        for i, record in enumerate(table.to_pylist()):
            place = record.get("place") or f"{part} {record['key'] or i + 1}"
            kept = {name: value for name, value in record.items() if not isinstance(value, bytes) and value is not None}
            rows.setdefault((part, place), ([], kept))[0].append(words.partition(" ")[0])
    found = []
    for (_, place), (rules, record) in rows.items():
        texts = ["; ".join(getattr(NETWORK_RULES[rule], language) for rule in rules) for language in ("en", "zh")]
        found.append(Reject(place, ", ".join(rules), texts[0], texts[1], record))
    return found


def _placer(survey: Survey, georeference: Georeference | None) -> Callable[[dict[str, Any]], Shape]:
    """Return what finds the place of a refused record in the CRS of the source: its own position, or its end points'."""
    x, y = numbers_of(survey.points, "x"), numbers_of(survey.points, "y")
    if georeference is not None:
        x, y = georeference.apply(x, y)
    at = {key: i for i, key in reversed(list(enumerate(survey.points.column("key").to_pylist())))}

    def point(record: dict[str, Any]) -> tuple[float, float] | None:
        for names in _HERE:
            try:
                one, other = (float(record[name]) for name in names)
            except (KeyError, TypeError, ValueError):
                continue
            if names == ("X", "Y") and survey.is_northing_first:
                one, other = other, one
            if georeference is not None:
                moved = georeference.apply(np.array([one]), np.array([other]))
                one, other = float(moved[0][0]), float(moved[1][0])
            return (one, other) if np.isfinite(one) and np.isfinite(other) else None
        return None

    def find(record: dict[str, Any]) -> Shape:
        here = point(record)
        if here is not None:
            return shapely.Point(here)
        for names in _ENDS:
            known = [at[record[name]] for name in names if record.get(name) in at]
            ends = [(float(x[i]), float(y[i])) for i in known if np.isfinite(x[i]) and np.isfinite(y[i])]
            if len(ends) == 2:
                return shapely.LineString(ends)
            if ends:
                return shapely.Point(ends[0])
        return None

    return find
