"""``cim ingest citymodel``: city models into the store, matched to the register by footprint."""

import contextlib
import gc
import hashlib
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from cim.crs import parse_crs
from cim.db import citymodels as rows
from cim.db import profiles
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.errors import ConfigError, GeometryError, SourceSyntaxError, UnsupportedFormatError
from cim.geometry.boundary import FAULTS
from cim.profile import CityProfile
from cim.settings import Settings
from ingest import pipeline
from ingest.citymodel import read_citygml, read_cityjson
from ingest.citymodel.build import Batch, Made, build_batch
from ingest.citymodel.match import Matched, match
from ingest.citymodel.place import Place, horizontal_and_vertical, is_swapped
from ingest.citymodel.records import CityObject, Head
from ingest.rejects import RejectLog
from ingest.report import write_report
from ingest.source import require_file, sha256_of

_BATCH_OBJECTS = 2000
_VERSION = "citymodel-1"
_PLACES = 200
"""Faults that the report names; the store has all."""


@dataclass(frozen=True)
class CityModelOptions:
    """What the command line says about a city model.

    Parameters
    ----------
    crs
        CRS, where the file names none or a wrong one.
    vertical_datum
        Vertical CRS of the elevations, where the file names none.
    shift_m
        Added to the elevations to reach the city's vertical datum [m].
    county
        County of objects outside of buildings; None = the one county of the city.
    name, synthetic, licence, provider
        Of the dataset.
    """

    crs: str | None = None
    vertical_datum: str | None = None
    shift_m: float = 0.0
    county: str | None = None
    name: str | None = None
    synthetic: bool = False
    licence: str | None = None
    provider: str | None = None


def _reader(path: Path) -> tuple[Callable[[Path], Head], Callable[[Path], Iterator[CityObject]]]:
    name = path.name.lower()
    if name.endswith((".json", ".jsonl")):
        return read_cityjson.read_head, read_cityjson.read_objects
    if name.endswith((".gml", ".xml", ".citygml")):
        return read_citygml.read_head, read_citygml.read_objects
    raise UnsupportedFormatError(path, "expected CityJSON (.json, .jsonl) or CityGML (.gml, .xml)", hint="give a city model")


def ingest_citymodel(
    settings: Settings, path: Path, options: CityModelOptions, *, dry_run: bool, report: Path | None = None
) -> pipeline.Outcome:  # fmt: skip
    """Store a city model: city objects, geometries per level of detail, links to the buildings of the register.

    Parameters
    ----------
    settings
        Names the store.
    path
        CityJSON 1.0 to 2.0, CityJSON text sequence, CityGML 2.0 or 3.0.
    options
        See `CityModelOptions`.
    dry_run
        Check and match, write nothing.
    report
        Folder for the report of faults (HTML, JSON).

    Raises
    ------
    SourceError
        The file cannot be used; nothing is written.
    """
    require_file(path)
    read_head, read_objects = _reader(path)
    head = read_head(path)
    horizontal, vertical = horizontal_and_vertical(path, head.crs, options.crs)
    given = tuple(str(v) for v in (options.crs, options.vertical_datum, options.shift_m, options.county) if v)
    stem = path.name.split(".")[0]
    info = DatasetInfo(
        "citymodel", options.name or stem, path.name, sha256_of(path, given=(*given, _VERSION)), crs=horizontal.to_string()[:200],
        is_synthetic=options.synthetic, licence=options.licence, provider=options.provider,
    )  # fmt: skip
    earlier = None if report is not None else pipeline.already_loaded(settings, info)
    if earlier is not None:
        return earlier
    log = RejectLog()

    def load(connection: Connection, dataset_id: UUID, change_set: UUID, log: RejectLog) -> tuple[Counts, dict[str, Any]]:
        city = profiles.fetch_profile(connection)
        _check_datum(path, options, vertical.to_string() if vertical is not None else "", city)
        swapped = is_swapped(path, horizontal, _first_vertices(path, read_objects))
        place = Place(horizontal.to_wkt(), city.projected_crs, options.shift_m, swapped)
        run = _Run(connection, info.name, dataset_id, change_set, _county(options, city), log)
        with pipeline.stages() as stages, _no_cycles():
            step = stages.stage("city objects", "城市对象")
            for batch in _ahead(build_batch(group, place) for group in _groups(read_objects(path))):
                run.take(batch)
                step(len(batch.objects))
        return run.finish(head)

    outcome = pipeline.run(settings, info, load, reason=f"city model from {info.source}", dry_run=dry_run, log=log)
    if report is not None:
        write_report(report, outcome, log.rejects, None, language=settings.language)
    return outcome


@contextlib.contextmanager
def _no_cycles() -> Iterator[None]:
    # A document is millions of lists without a cycle: looking for one again and again takes half of the time.
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _check_datum(path: Path, options: CityModelOptions, found: str, city: CityProfile) -> None:
    named = options.vertical_datum or found
    if options.shift_m:
        return
    if not named:
        raise GeometryError(path, "found no vertical datum, expected one; it is never assumed", hint="pass --vertical-datum EPSG:5737")
    if not parse_crs(named).equals(parse_crs(city.vertical_datum), ignore_axis_order=True):
        raise GeometryError(
            path, f"elevations are in {parse_crs(named).name}, but the city keeps its elevations in {city.vertical_datum}",
            hint=f"pass --shift METRES, what has to be added to reach {city.vertical_datum}, or --vertical-datum where the file is wrong",
        )  # fmt: skip


def _county(options: CityModelOptions, city: CityProfile) -> str:
    if options.county:
        return options.county
    counties = sorted({code[:6] for code in city.division_codes if len(code) >= 6})
    if len(counties) != 1:
        raise ConfigError(
            f"the city has {len(counties)} counties, expected one for objects outside of buildings", hint="pass --county 420111"
        )
    return counties[0]


def _first_vertices(path: Path, read: Callable[[Path], Iterator[CityObject]]) -> Any:  # noqa: ANN401 - numpy array
    if read is read_cityjson.read_objects:
        found = read_cityjson.read_sample(path)
        if len(found):
            return found
    for one in read(path):
        for shape in one.shapes:
            if len(shape.xyz):
                return shape.xyz[:100]
    raise SourceSyntaxError(path, "found no geometry, expected at least one city object with one", hint="check the export")


def _groups(objects: Iterator[CityObject]) -> Iterator[list[CityObject]]:
    """Yield families together, some thousand objects at a time."""
    group: list[CityObject] = []
    for _, family in itertools.groupby(objects, key=lambda one: one.family):
        group += family
        if len(group) >= _BATCH_OBJECTS:
            yield group
            group = []
    if group:
        yield group


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches while a thread makes the next one: geometry is computed while the store writes."""
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = worker.submit(next, batches, None)
            yield batch


class _Run:
    """One load: what was read so far."""

    def __init__(self, connection: Connection, dataset: str, dataset_id: UUID, change_set: UUID, county: str, log: RejectLog) -> None:
        self._connection, self._dataset, self._dataset_id, self._change_set = connection, dataset, dataset_id, change_set
        self._county, self._log = county, log
        self._known = rows.fetch_known(connection, dataset)
        self._seen: set[str] = set()
        self._counts = {"read": 0, "accepted": 0, "unchanged": 0, "matched": 0, "buildings": 0, "geometries": 0, "invalid": 0}
        self._faults: dict[str, int] = {}
        self._types: dict[str, int] = {}
        self._left_out: dict[str, int] = {}
        self._places: list[dict[str, Any]] = []

    def take(self, batch: Batch) -> None:
        """Match, compare and write a batch."""
        matched = match(self._connection, batch)
        fresh: list[tuple[Made, str, Matched | None]] = []
        for made in batch.objects:
            self._counts["read"] += 1
            if made.key in self._seen:
                self._log.refuse(
                    f"object {made.key}", "C01", "the key occurs a second time in the file", "标识在文件中重复", {"key": made.key}
                )
                continue
            self._seen.add(made.key)
            found = matched.get(made.root)
            self._note(made, found)
            digest = hashlib.sha256(f"{_VERSION} {made.content_hash} {found.code if found else ''}".encode()).hexdigest()
            old = self._known.get(made.key)
            if old is not None and old.content_hash == digest and old.status == "existing":
                self._counts["unchanged"] += 1
                continue
            fresh.append((made, digest, found))
        self._write(fresh)

    def _note(self, made: Made, found: Matched | None) -> None:
        self._types[made.kind] = self._types.get(made.kind, 0) + 1
        if made.kind == "Building":
            self._counts["buildings"] += 1
            self._counts["matched"] += found is not None
        for kind in made.skipped:
            self._log.note("C02")
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
        for shape in made.shapes:
            self._counts["geometries"] += 1
            self._counts["invalid"] += bool(shape.faults)
            for code, surface in dict(reversed(shape.faults)).items():
                self._faults[code] = self._faults.get(code, 0) + 1
                self._log.note(f"C{code}")
                if len(self._places) < _PLACES:
                    self._places.append({"object": made.key, "lod": shape.lod, "rule": f"C{code}", "surface": surface})

    def _write(self, fresh: list[tuple[Made, str, Matched | None]]) -> None:
        if not fresh:
            return
        new = [made.key for made, _, _ in fresh if made.key not in self._known]
        counties = {made.key: found.county if found else self._county for made, _, found in fresh}
        codes = {key: old.code for key, old in self._known.items()}
        for county in sorted({counties[key] for key in new}):
            keys = [key for key in new if counties[key] == county]
            codes |= dict(zip(keys, rows.issue_codes(self._connection, county, len(keys)), strict=True))
        for key in new:
            self._known[key] = rows.KnownObject(codes[key], "", "new")
        rows.save_objects(self._connection, (self._object_row(one, codes, counties) for one in fresh))
        rows.save_representations(
            self._connection, [codes[made.key] for made, _, _ in fresh],
            (row for one in fresh for row in self._representation_rows(one, codes, counties)),
        )  # fmt: skip
        self._counts["accepted"] += len(fresh)

    def _object_row(self, one: tuple[Made, str, Matched | None], codes: dict[str, str], counties: dict[str, str]) -> dict[str, Any]:
        made, digest, found = one
        return {
            "code": codes[made.key], "county_code": counties[made.key], "type": made.kind, "name": made.name,
            "parent_code": codes.get(made.parent), "building_code": found.code if found else None,
            "match_method": found.method if found else None, "match_score": found.score if found else None,
            "highest_lod": max((shape.lod for shape in made.shapes), default=None), "base_m": made.base_m, "top_m": made.top_m,
            "geom": made.outline, "attributes": made.attributes, "change_set_id": self._change_set, "source_dataset": self._dataset,
            "source_key": made.key, "content_hash": digest,
        }  # fmt: skip

    def _representation_rows(
        self, one: tuple[Made, str, Matched | None], codes: dict[str, str], counties: dict[str, str]
    ) -> Iterator[dict[str, Any]]:  # fmt: skip
        made, _, found = one
        for shape in made.shapes:
            yield {
                "object_code": codes[made.key], "building_code": found.code if found else None, "county_code": counties[made.key],
                "lod": shape.lod, "cim_level": shape.cim_level, "geometry_type": shape.kind, "vertices": shape.lonlat.tobytes(),
                "boundaries": shape.boundaries, "semantics": shape.semantics, "appearance": shape.appearance,
                "faces": shape.faces.astype("<i4").tobytes(), "surfaces": shape.surfaces.tobytes(), "colours": shape.colours,
                "n_faces": len(shape.faces), "is_valid": not shape.faults,
                "faults": [{"rule": code, "surface": surface, "what": FAULTS[code]} for code, surface in shape.faults[:50]],
                "dataset_id": self._dataset_id, "content_hash": shape.content_hash,
            }  # fmt: skip

    def finish(self, head: Head) -> tuple[Counts, dict[str, Any]]:
        """Retire what is gone; return counts and report."""
        gone = [old.code for key, old in self._known.items() if key not in self._seen and old.status == "existing"]
        if gone:
            rows.retire_objects(self._connection, gone, self._change_set)
        n = self._counts
        counts = Counts(n["read"], n["accepted"], n["unchanged"], n["read"] - n["accepted"] - n["unchanged"])
        report = {
            "format": head.format, "objects_by_type": dict(sorted(self._types.items())), "buildings": n["buildings"],
            "matched_buildings": n["matched"], "geometries": n["geometries"], "invalid_geometries": n["invalid"],
            "faults": {f"{code} {FAULTS[code]}": found for code, found in sorted(self._faults.items())}, "retired": len(gone),
            "left_out": dict(sorted(self._left_out.items())), "faulty": self._places,
        }  # fmt: skip
        return counts, report


def digest_of(*parts: Any) -> str:  # noqa: ANN401 - JSON values and arrays
    """Return the hash of JSON values and arrays."""
    made = hashlib.sha256()
    for part in parts:
        made.update(part.tobytes() if isinstance(part, np.ndarray) else orjson.dumps(part, option=orjson.OPT_SORT_KEYS))
    return made.hexdigest()
