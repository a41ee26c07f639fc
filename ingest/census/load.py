"""``cim ingest census``: a survey layer into the register, with codes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from cim.db import buildings as register
from cim.db import deferred, divisions, profiles, reference
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.db.rasters import stored_rasters
from cim.errors import GeometryError
from cim.personal import cipher_from
from cim.settings import Settings
from ingest import pipeline
from ingest.census.columns import text_of
from ingest.census.datum import Reference, suspect_shift
from ingest.census.executor import Executor, executor_for
from ingest.census.geometry import PlaceContext, transformed
from ingest.census.prepare import KEY, ROW, Context, prepare
from ingest.census.profile import SHIPPED, read_census_profile, require_fields
from ingest.census.resolve import Resolution, find_overlaps, later_of_groups, match_new
from ingest.census.run import CensusRun
from ingest.census.scan import KeyIndex, Scan, repeated_keys
from ingest.census.write import SCHEME, Written, write
from ingest.layer import BATCH, GEOMETRY, SurveyLayer, open_layer
from ingest.profiles import find_profile
from ingest.rejects import RejectLog
from ingest.report import write_report
from ingest.report_map import ReportedFeatures
from ingest.rule_texts import rule_text
from ingest.source import sha256_of
from ingest.spool import Spool, SpoolFolder

__all__ = ["SCHEME", "CensusOptions", "ingest_census"]
_SAMPLE = 2_000


@dataclass(frozen=True)
class CensusOptions:
    """What the operator says about a survey.

    Parameters
    ----------
    crs, encoding, layer
        Where the file does not say.
    geometry, join
        Outlines of an attribute table, and the fields that belong together.
    datum
        cgcs2000, gcj02 or bd09; None = look for a shift and refuse a suspicious layer.
    name
        Dataset name, default: stem of the file.
    synthetic, licence, provider
        Noted with the dataset.
    scheduler
        Address of a Dask scheduler that shares the work, None = this machine.
    """

    crs: str | None = None
    encoding: str | None = None
    layer: str | None = None
    geometry: Path | None = None
    join: str | None = None
    datum: str | None = None
    name: str | None = None
    synthetic: bool = False
    licence: str | None = None
    provider: str | None = None
    scheduler: str | None = None


def ingest_census(
    settings: Settings, path: Path, profile_path: Path | str, options: CensusOptions = CensusOptions(), *, dry_run: bool = False,
    report: Path | None = None,
) -> pipeline.Outcome:  # fmt: skip
    """Load a building survey.

    Parameters
    ----------
    settings
        Names the store.
    path, profile_path
        The layer (or table) and its mapping profile, a file or the name of a shipped one.
    options
        What the file does not say.
    dry_run
        Check everything, write nothing.
    report
        Folder for the report (HTML, JSON) and the refused records (GeoPackage).

    Raises
    ------
    SourceError
        File or profile cannot be used; nothing is written.
    """
    profile_file = find_profile(str(profile_path), SHIPPED, "cim ingest census")
    profile = read_census_profile(profile_file)
    layer = open_layer(
        path, crs=options.crs or (None if profile.crs == "from-file" else profile.crs), encoding=options.encoding,
        layer=options.layer, geometry=options.geometry, join=options.join,
    )  # fmt: skip
    require_fields(profile, path, layer.fields)
    parts = [path, profile_file, *([options.geometry] if options.geometry else [])]
    sha256 = sha256_of(*parts, given=(options.crs, options.encoding, options.layer, options.join, options.datum))
    info = DatasetInfo(
        "census", options.name or path.stem, path.name, sha256, layer.crs[:60], layer.encoding, options.licence, options.provider,
        options.synthetic,
    )  # fmt: skip
    if report is None:
        earlier = pipeline.already_loaded(settings, info)
        if earlier is not None:
            deferred.build_missing(settings)
            return earlier
    cipher = cipher_from(settings) if profile.keep_encrypted else None
    log, kept, areas = RejectLog(), [], []
    with SpoolFolder(settings.data_dir) as folder, executor_for(options.scheduler) as executor, pipeline.stages() as stages:

        def load(connection: Connection, dataset_id: UUID, change_set: UUID, log: RejectLog) -> tuple[Counts, dict[str, Any]]:
            raw = folder.spool(compressed=True)
            kept.append(raw)
            run = CensusRun(connection, layer, profile, info, dataset_id, change_set, log, raw, stages)
            seed = f"{profile.model_dump_json()}|{options.datum}"
            scan = Scan(layer, profile, seed, raw, register.fetch_known(connection, info.name), cipher)
            context = _context(run, settings, options.datum or "cgcs2000")
            areas.append(context.place.areas.areas)
            return _load(run, scan, context, executor, folder, look_for_shift=options.datum is None), run.report

        outcome = pipeline.run(settings, info, load, reason=f"census from {info.source}", dry_run=dry_run, log=log)
        stages.stage("index", "索引")(len(deferred.build_missing(settings)))
        if report is not None:
            write_report(
                report, outcome, log.rejects, _refused_features(log, kept[0], layer), _warned_features(log, kept[0], layer),
                boundaries=areas[0], language=settings.language,
            )  # fmt: skip
    return outcome


def _refused_features(log: RejectLog, raw: Spool, layer: SurveyLayer) -> ReportedFeatures | None:
    """Return the refused records as read, so that they can be mended and loaded again."""
    at = [i for i, row in enumerate(log.rows) if row is not None]
    if not at:
        return None
    rejects = [log.rejects[i] for i in at]
    return _features(
        raw, layer, [log.rows[i] or 0 for i in at], [r.rule for r in rejects], [r.message for r in rejects],
        [r.message_zh for r in rejects], [r.place for r in rejects],
    )  # fmt: skip


def _warned_features(log: RejectLog, raw: Spool, layer: SurveyLayer) -> ReportedFeatures | None:
    """Return the accepted records with a warning as read, each once with all its rules."""
    refused = {row for row in log.rows if row is not None}
    rules: dict[int, list[str]] = {}
    for rule, parts in sorted(log.warned.items()):
        for row in np.concatenate(parts).tolist():
            rules.setdefault(row, []).append(rule)
    rows = sorted(rules.keys() - refused)
    if not rows:
        return None
    texts = {language: ["; ".join(rule_text(rule, language) for rule in rules[row]) for row in rows] for language in ("en", "zh")}
    return _features(
        raw,
        layer,
        rows,
        [", ".join(rules[row]) for row in rows],
        texts["en"],
        texts["zh"],
        [f"{layer.layer}, row {row + 1}" for row in rows],
    )


def _features(
    raw: Spool, layer: SurveyLayer, rows: list[int], rules: list[str], messages: list[str], messages_zh: list[str], places: list[str]
) -> ReportedFeatures:
    part = raw.take(rows).combine_chunks()
    return ReportedFeatures(
        columns=part.select([name for name in part.column_names if not name.startswith("__")]),
        wkb=part.column(GEOMETRY).combine_chunks(), crs=layer.crs, geometry_type=layer.geometry_type, rules=rules, messages=messages,
        messages_zh=messages_zh, places=places,
    )  # fmt: skip


def _context(run: CensusRun, settings: Settings, datum: str) -> Context:
    city = profiles.fetch_profile(run.connection)
    place = PlaceContext(
        run.layer.crs, city.projected_crs, divisions.fetch_extent(run.connection), divisions.fetch_areas(run.connection, 5),
        frozenset(divisions.fetch_codes(run.connection, 5)), datum,
    )  # fmt: skip
    return Context(run.profile, place, tuple(stored_rasters(run.connection, settings)))


def _refuse_shifted(run: CensusRun, batch: pa.RecordBatch, place: PlaceContext) -> None:
    """Refuse a layer that fits the city clearly better after GCJ-02 or BD-09 is taken back (G05)."""
    rows = np.unique(np.linspace(0, batch.num_rows - 1, min(batch.num_rows, _SAMPLE)).astype(np.int64))
    part = batch.take(pa.array(rows))
    shapes = np.asarray(shapely.from_wkb(part.column(GEOMETRY).to_numpy(zero_copy_only=False), on_invalid="ignore"), dtype=object)
    usable = np.isin(shapely.get_type_id(shapes), (3, 6)) & ~shapely.is_empty(shapes) & shapely.is_valid(shapes)
    mapping = run.profile.fields.get("division_code")
    declared: list[str | None] = [None] * len(rows)
    if mapping is not None and mapping.source in run.layer.fields:
        declared = text_of(part.column(mapping.source)).to_pylist()
    shapes = transformed(shapely.force_2d(shapes[usable]), place.crs, "EPSG:4490")
    roads, buildings = reference.fetch_reference(run.connection, run.info.name)
    given = [code for code, use in zip(declared, usable, strict=True) if use]
    found = suspect_shift(shapes, given, Reference(place.areas, roads, buildings))
    if found is not None:
        raise GeometryError(
            run.layer.path, f"the outlines look shifted as {found.datum.upper().replace('0', '-0')} does ({found.evidence})",
            where=f"{run.layer.layer}, rule G05",
            hint=f"--datum {found.datum} takes the shift back, --datum cgcs2000 loads the layer as it is",
        )  # fmt: skip


def _load(run: CensusRun, scan: Scan, context: Context, executor: Executor, folder: SpoolFolder, *, look_for_shift: bool) -> Counts:
    connection = run.connection
    owners = register.fetch_owners(connection, run.info.name)
    owned_keys = KeyIndex(owners.column("key").combine_chunks())
    read, checked = run.stages.stage("read", "读取"), run.stages.stage("check", "检查")
    faults: list[tuple[int, str, str, str]] = []

    def wanted() -> Iterator[pa.RecordBatch]:
        first, few = True, list[pa.RecordBatch]()
        for batch, mask in scan.batches():
            if first and look_for_shift:
                _refuse_shifted(run, batch, context.place)
            first = False
            faults.extend(_owned(batch, mask, scan.last_position, owners, owned_keys))
            read(batch.num_rows)
            if mask.any():
                few.append(batch if mask.all() else batch.filter(pa.array(mask)))
            # A batch costs its share whatever its size: the few rows of mostly unchanged batches are prepared together.
            if sum(part.num_rows for part in few) >= BATCH // 2:
                yield _joined(few)
        if few:
            yield _joined(few)

    spool = folder.spool()
    repaired = 0
    for done in executor.map(prepare, wanted(), context):
        spool.append(done.rows)
        faults.extend(done.faults)
        for rule, warned in done.warnings.items():
            run.log.flag(rule, warned)
        repaired += done.repaired
        checked(done.rows.num_rows + len(done.faults))
    if repaired:
        run.report["repaired_outlines"] = repaired
    run.refuse(sorted(faults))
    return _resolve(run, scan, spool.table())


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Return the parts as one batch and empty the list."""
    joined = parts[0] if len(parts) == 1 else pa.concat_batches(parts)
    parts.clear()
    return joined


def _owned(
    batch: pa.RecordBatch, mask: NDArray[np.bool_], position: NDArray[np.int64], owners: pa.Table, owned_keys: KeyIndex
) -> list[tuple[int, str, str, str]]:
    """Take the rows out of the mask whose natural key belongs to another dataset (A03), and say so."""
    if owners.num_rows == 0:
        return []
    keys, numbers, out = batch.column(KEY), batch.column(ROW), []
    owned = owned_keys.positions(keys)
    for row in np.flatnonzero(mask & (position < 0) & (owned >= 0)):
        key, owner = keys[int(row)].as_py(), owners.column("dataset")[int(owned[row])].as_py()
        message = f"natural key {key} belongs to dataset {owner!r}; a new version of it is loaded with --name {owner}"
        out.append((numbers[int(row)].as_py(), "A03", message, f"自然键 {key} 已属于数据集 {owner}"))
        mask[row] = False
    return out


def _resolve(run: CensusRun, scan: Scan, table: pa.Table) -> Counts:
    """Decide what each prepared row is, and write it."""
    position, unchanged, known = scan.position, scan.unchanged, scan.known
    rows = table.column(ROW).to_numpy() if table.num_rows else np.empty(0, np.int64)
    standing = unchanged.copy()
    standing[rows] = True
    repeated = later_of_groups(repeated_keys(scan.key_hash), standing)
    if repeated:
        keys = run.raw.take(repeated).column(KEY).to_pylist()
        run.refuse([
            (row, "A03", f"natural key {key} occurs twice, expected once", f"自然键 {key} 重复")
            for row, key in zip(repeated, keys, strict=True)
        ])  # fmt: skip
        unchanged[repeated] = False
        keep = ~np.isin(rows, repeated)
        table, rows = table.filter(pa.array(keep)), rows[keep]
    known_code = np.full(len(rows), None, dtype=object)
    at = np.flatnonzero(position[rows] >= 0)
    known_code[at] = known.column("code").take(pa.array(position[rows[at]])).to_numpy()
    found = Resolution()
    # From here on nobody else may change the register: what is decided now must still hold when it is written.
    register.lock_writers(run.connection)
    if table.num_rows:
        is_new = position[rows] < 0
        find_overlaps(table, is_new, found)
        if is_new.any() and not register.is_empty(run.connection):
            in_file = set(known.column("code").take(pa.array(np.unique(position[position >= 0]))).to_pylist())
            match_new(run.connection, table, np.flatnonzero(is_new), run.info.name, in_file, found)
    written = write(run, table, known_code, found)
    _report(run, scan, written)
    accepted = written.inserted + written.touched.updated
    return Counts(scan.n, accepted, int(unchanged.sum()) + written.touched.same, len(run.log.rejects))


def _report(run: CensusRun, scan: Scan, written: Written) -> None:
    seen = np.zeros(scan.known.num_rows, np.bool_)
    position = scan.position
    seen[position[position >= 0]] = True
    standing = np.asarray(scan.known.column("standing").to_numpy(), np.bool_) if scan.known.num_rows else seen
    run.report |= {
        "new": written.inserted, "changed": written.touched.updated, "matched": written.matched, "conflicts": written.touched.conflicts,
        "missing_from_source": int(np.count_nonzero(standing & ~seen)), "profile": run.profile.profile,
    }  # fmt: skip
    kept = set(run.profile.keep_encrypted)
    for title, names in (("personal_dropped", scan.personal.keys() - kept), ("personal_encrypted", scan.personal.keys() & kept)):
        if names:
            run.report[title] = {name: scan.personal[name] for name in sorted(names)}
    run.log.flag("P01", scan.bad_id_cards)
    if run.layer.unused_outlines:
        run.report["outlines_without_record"] = run.layer.unused_outlines[-1]
