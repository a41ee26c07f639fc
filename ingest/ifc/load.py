"""``cim bim upload`` and ``check``: a file through all stages, loaded in one transaction."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from cim.clock import utc_now
from cim.codes import registry
from cim.crs import transform_xy
from cim.db import bim, bim_shapes, changes, datasets, divisions, engine, migrate, profiles
from cim.db.codes import reserve_sequences
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.errors import CodeError, ConflictError, GeometryError, SourceSyntaxError
from cim.settings import Settings
from ingest.ifc.fit import MIN_FIT, fit_outline, fitted_placement, model_outline
from ingest.ifc.georef import HINT, Box, PlaceOptions, place_model
from ingest.ifc.mapping import ModelRows, build_rows, to_hex
from ingest.ifc.meshing import Mesher, Meshes
from ingest.ifc.placement import Placement
from ingest.ifc.sandbox import read_semantics
from ingest.ifc.shape_store import known_shapes, save_shapes
from ingest.ifc.shapes import Mesh
from ingest.ifc.source import IfcText, open_intake

MIN_OVERLAP = 0.3
_NEAR_DEG = 0.2


@dataclass(frozen=True)
class UploadOptions:
    """What the operator says about a model; everything may be left out.

    Parameters
    ----------
    name, stage, note
        For people.
    building_code
        The building it belongs to.
    crs, origin, rotation_deg
        Where it stands; they win over the file.
    fit_to
        Building whose footprint the model is laid onto; wins over the file.
    """

    name: str | None = None
    stage: str = "completion"
    note: str | None = None
    building_code: str | None = None
    crs: str | None = None
    origin: tuple[float, float, float] | None = None
    rotation_deg: float | None = None
    fit_to: str | None = None

    @property
    def place(self) -> PlaceOptions:
        """The options that say where the model stands."""
        return PlaceOptions(self.crs, self.origin, self.rotation_deg)


@dataclass(frozen=True)
class ModelReport:
    """What was learnt of a model before anything is written."""

    text: IfcText
    document: dict[str, Any]
    placement: Placement | None
    warnings: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        classes = Counter(element["class"] for element in self.document["elements"])
        return {
            "schema": self.text.schema,
            "tool": self.document["tool"],
            "instances": self.text.n_instances,
            "elements": len(self.document["elements"]),
            "storeys": len(self.document["storeys"]),
            "spaces": len(self.document["spaces"]),
            "unit_m": self.document["unit_m"],
            "classes": dict(classes.most_common()),
            "georeference": None if self.placement is None else self.placement.note,
            "georeference_method": None if self.placement is None else self.placement.method,
            "georeference_confidence": None if self.placement is None else self.placement.confidence,
            "georeference_evidence": [] if self.placement is None else list(self.placement.evidence),
            "warnings": self.warnings,
        }


def inspect(path: Path, scratch: Path, options: UploadOptions, *, need_place: bool, near: Box | None = None) -> ModelReport:
    """Read and check a model without touching the store.

    Parameters
    ----------
    path, scratch
        The file, and a folder for temporary files.
    options
        Of the operator.
    need_place
        Whether a model without a place is refused; else that is a warning.
    near
        Extent of the city [deg].

    Raises
    ------
    SourceError
        The file is refused; says what is wrong, where, and what to do.
    """
    text = open_intake(path, scratch)
    document = read_semantics(path, text.path, text.size_bytes, scratch)
    if document["n_instances"] != text.n_instances:
        raise SourceSyntaxError(
            path, f"the file has {text.n_instances} instances, the parser kept {document['n_instances']}", hint="export the model again"
        )
    if document["n_products"] == 0:
        raise SourceSyntaxError(path, "holds no products (elements, spaces, storeys)", hint="check the export filter")
    if document["unit_m"] is None:
        raise GeometryError(
            path, "IfcUnitAssignment has no LENGTHUNIT, expected one", where="IfcProject", hint="set the length unit and export again"
        )
    warnings = []
    guids = Counter(part["global_id"] for part in [*document["elements"], *document["spaces"], *document["storeys"]])
    twice = [guid for guid, n in guids.items() if n > 1]
    if twice:
        raise SourceSyntaxError(
            path, f"GlobalId {twice[0]} occurs {guids[twice[0]]} times, expected once", where=twice[0], hint="export the model again"
        )
    if not document["storeys"]:
        warnings.append("no storeys")
    unplaced = sum(element["storey"] is None for element in document["elements"])
    if document["storeys"] and unplaced:
        warnings.append(f"{unplaced} of {len(document['elements'])} elements are on no storey")
    placement = None
    try:
        placement = place_model(str(path), document, options.place, near=near)
    except GeometryError as error:
        if need_place:
            raise
        warnings.append(f"{error.message} ({error.hint})")
    return ModelReport(text, document, placement, warnings)


def check_model(path: Path, options: UploadOptions) -> ModelReport:
    """Check a model for ``cim bim check``.

    Raises
    ------
    SourceError
        The file is refused.
    """
    with tempfile.TemporaryDirectory(prefix="cim-bim-") as scratch:
        return inspect(path, Path(scratch), options, need_place=False)


def upload_model(
    settings: Settings, path: Path, options: UploadOptions, *, dry_run: bool, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """Take a model through all stages and load it in one transaction.

    Parameters
    ----------
    settings
        Names store and model folder.
    path
        .ifc or .ifczip.
    options
        See `UploadOptions`.
    dry_run
        Everything but writing.
    progress
        Called with elements meshed and all elements.

    Returns
    -------
    dict
        The report, with ``code``, ``unchanged``, link and geometry counts.

    Raises
    ------
    SourceError
        The model is refused; nothing is written.
    ConflictError
        ``building_code`` is not in the register.
    """
    migrate.require_current(settings)
    with tempfile.TemporaryDirectory(prefix="cim-bim-") as folder:
        scratch = Path(folder)
        text = open_intake(path, scratch)
        with engine.connect(settings) as connection:
            known = bim.find_model(connection, text.sha256)
            if options.building_code is not None and not bim.building_exists(connection, options.building_code):
                raise ConflictError(
                    f"--building-code {options.building_code}: the register has no such building", hint="cim codes check CODE"
                )
            extent = divisions.fetch_extent(connection)
            target = None if options.fit_to is None else _fit_target(connection, options)
        if known is not None:
            return {"code": known, "unchanged": True, "file": path.name}
        near = None if extent is None else (extent[0] - _NEAR_DEG, extent[1] - _NEAR_DEG, extent[2] + _NEAR_DEG, extent[3] + _NEAR_DEG)
        with Mesher(path, text.path, text.size_bytes, scratch) as mesher:
            report = inspect(path, scratch, options, need_place=target is None, near=near)
            placement = report.placement
            if placement is not None and target is None:
                _require_near(path, placement, np.array(report.document["georef"]["centre"] or [0.0, 0.0, 0.0]), near)
            ids = [part["id"] for part in (*report.document["elements"], *report.document["spaces"])]
            meshed = mesher.run_shared(ids, lambda done: progress(done, len(ids)), known_shapes(settings))
        meshes = meshed.found
        if target is not None:
            placement = _fit(path, report, meshes, target)
        if placement is None:
            raise GeometryError(path, "the model has no place", hint=HINT)
        solid = [meshes[element["id"]].vertices for element in report.document["elements"] if element["id"] in meshes]
        if solid:
            # Only the shapes say where the model really is: placements may be zero and the coordinates far, or the reverse.
            _require_near(path, placement, np.median(np.array([vertices.mean(axis=0) for vertices in solid]), axis=0), near)
        report = replace(report, placement=placement)
        return _load(settings, path, report, placement, meshed, options, dry_run=dry_run)


@dataclass(frozen=True)
class _FitTarget:
    code: str
    crs: str
    footprint: Any
    ground_m: float | None


def _fit_target(connection: Connection, options: UploadOptions) -> _FitTarget:
    code = str(options.fit_to)
    if options.place != PlaceOptions():
        raise ConflictError("--fit-to finds the place itself, found --crs, --origin or --rotation too", hint="leave them out")
    found = bim.fetch_footprint(connection, code)
    if found is None:
        raise ConflictError(f"--fit-to {code}: the register has no such building with a footprint", hint="cim codes check CODE")
    crs = profiles.fetch_profile(connection).projected_crs
    ring = shapely.transform(shapely.from_wkb(found[0]), lambda xy: np.column_stack(transform_xy("EPSG:4490", crs, xy[:, 0], xy[:, 1])))
    return _FitTarget(code, crs, ring, found[1])


def _fit(path: Path, report: ModelReport, meshes: dict[int, Mesh], target: _FitTarget) -> Placement:
    outline = model_outline(report.document["elements"], meshes)
    if outline is None or outline.is_empty:
        raise GeometryError(path, "no element has a shape with an outline, so that nothing can be fitted", hint="pass --crs and --origin")
    fit = fit_outline(outline, target.footprint)
    if fit.iou < MIN_FIT:
        raise GeometryError(
            path,
            f"fits the footprint of {target.code} with IoU {fit.iou:.2f}, expected at least {MIN_FIT} (outline of the model "
            f"{outline.area:.0f} m2, footprint {target.footprint.area:.0f} m2)",
            hint="check the code, or pass --crs, --origin and --rotation",
        )
    heights = [meshes[element["id"]].vertices[:, 2] for element in report.document["elements"] if element["id"] in meshes]
    base, top = min(float(z.min()) for z in heights), max(float(z.max()) for z in heights)
    return fitted_placement(fit, target.crs, target.code, target.ground_m, base, top)


def _require_near(path: Path, placement: Placement, centre: NDArray[np.float64], near: Box | None) -> None:
    if near is None:
        return
    lon, lat = placement.lon_lat(centre)
    if not (near[0] <= lon <= near[2] and near[1] <= lat <= near[3]):
        raise GeometryError(
            path,
            f"the model would stand at {lon:.4f} E {lat:.4f} N, outside the city "
            f"({near[0]:.2f} to {near[2]:.2f} E, {near[1]:.2f} to {near[3]:.2f} N); {placement.note}",
            hint=f"correct the georeference, or {HINT}",
        )


def _load(
    settings: Settings,
    path: Path,
    report: ModelReport,
    placement: Placement,
    meshed: Meshes,
    options: UploadOptions,
    *,
    dry_run: bool,
) -> dict[str, Any]:
    text, document = report.text, report.document
    name = options.name or path.stem
    n_parts = len(document["elements"]) + len(document["spaces"]) + len(document["storeys"])
    info = DatasetInfo("bim", name, path.name, text.sha256, crs=placement.crs)
    stored = settings.models_dir / f"{text.sha256}.ifc"
    if not dry_run:
        _keep_file(text.path, stored)
    with engine.connect(settings) as connection:
        dataset_id = datasets.reserve_dataset(connection, info)
        reason = f"BIM model {path.name}"
        change_set = changes.open_change_set(connection, author="cim bim", operation="ingest", reason=reason, dataset_id=dataset_id)
        year = utc_now().year
        code = f"BIM-{year}-{reserve_sequences(connection, 'CIM-BIM-v1', ['bim'], year)[0]:06d}"
        rows = build_rows(code, document, meshed.found, meshed.faults, placement)
        link = _link(connection, document, rows, options)
        placement = _against_register(connection, path, placement, rows, link)
        report = replace(report, placement=placement)
        save_shapes(connection, meshed)
        _write(connection, dataset_id, change_set, code, name, report, placement, rows, link, options)
        summary = {
            **report.as_dict(),
            "geometry_failed": {str(number): fault for number, fault in meshed.faults.items()},
            "meshed": len(rows.meshes),
            "shapes": len({mesh.shape.hash for mesh in meshed.found.values()}),
            "meshed_now": meshed.made,
        }
        datasets.finish_dataset(connection, dataset_id, Counts(n_parts, n_parts, 0, 0), [], summary)
        for stage in ("received", "parsed", "georeferenced", "semantics", "geometry", "linked"):
            bim.note_stage(connection, text.sha256, stage)
        if dry_run:
            connection.rollback()
    return {
        "code": code,
        "unchanged": False,
        "file": path.name,
        **summary,
        "building_code": link[0],
        "link_method": link[1],
        "link_score": link[2],
    }


def _against_register(
    connection: Connection, path: Path, placement: Placement, rows: ModelRows, link: tuple[str | None, str | None, float | None]
) -> Placement:
    """Compare the placed outline with the footprints of the register: evidence for the verdict, a gate for a weak place."""
    outline = to_hex(rows.outline)
    if outline is None:
        return placement
    best = bim.best_overlaps(connection, outline)
    if link[0] is not None:
        overlap = bim.overlap_with(connection, link[0], outline)
        words = f"IoU {overlap:.2f} with {link[0]}" + (
            "" if overlap >= MIN_OVERLAP else f": the outline does not lie on it (expected {MIN_OVERLAP})"
        )
        return placement.with_evidence(words)
    if placement.confidence == "low" and (not best or best[0][1] < MIN_OVERLAP):
        raise GeometryError(
            path, f"the model lies on no coded building (best overlap {best[0][1] if best else 0:.2f}, expected {MIN_OVERLAP}), and "
            f"its place is weak: {placement.note}", hint=HINT,
        )  # fmt: skip
    return placement.with_evidence("lies on no coded building" if not best else f"IoU {best[0][1]:.2f} with {best[0][0]}, not bound")


def _keep_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    shutil.copyfile(source, part)
    part.replace(target)


def _link(
    connection: Connection, document: dict[str, Any], rows: ModelRows, options: UploadOptions
) -> tuple[str | None, str | None, float | None]:
    """Find the building: said by the operator, written in the model, or the one clear overlap; never made up."""
    if options.building_code is not None:
        return options.building_code, "option", None
    if options.fit_to is not None:
        return options.fit_to, "fit", None
    for text in document["building_texts"]:
        candidate = text.strip()
        try:
            registry.scheme("CIM-BC27-v1").verify(candidate)
        except CodeError:
            continue
        if bim.building_exists(connection, candidate):
            return candidate, "property", None
    outline = to_hex(rows.outline)
    best = bim.best_overlaps(connection, outline) if outline else []
    if best and best[0][1] >= MIN_OVERLAP and (len(best) == 1 or best[1][1] < best[0][1] / 2):
        return best[0][0], "overlap", best[0][1]
    return None, None, None


def _write(
    connection: Connection,
    dataset_id: UUID,
    change_set: UUID,
    code: str,
    name: str,
    report: ModelReport,
    placement: Placement,
    rows: ModelRows,
    link: tuple[str | None, str | None, float | None],
    options: UploadOptions,
) -> None:
    base = None if rows.base_m is None else rows.base_m + float(placement.matrix[2, 3])
    areas = divisions.fetch_areas(connection, 3)
    county = areas.codes_at(shapely.points([rows.outline.centroid.coords[0]]))[0] if rows.outline is not None else None
    bim.save_model(
        connection,
        {
            "code": code, "name": name, "dataset_id": dataset_id, "county_code": county, "building_code": link[0],
            "link_method": link[1], "link_score": link[2], "stage": options.stage, "ifc_schema": report.text.schema,
            "authoring_tool": report.document["tool"], "sha256": report.text.sha256, "file_size_bytes": report.text.size_bytes,
            "n_elements": len(rows.elements), "georef_method": placement.method, "georef_note": placement.note,
            "projected_crs": placement.crs, "placement": placement.matrix.ravel().tolist(), "base_elevation_m": base,
            "height_m": None if rows.top_m is None or rows.base_m is None else rows.top_m - rows.base_m, "note": options.note,
            "attributes": Jsonb({"georeference": {"confidence": placement.confidence, "evidence": list(placement.evidence)}}),
            "geom": to_hex(rows.outline), "change_set_id": change_set, "source_dataset": name,
        },
    )  # fmt: skip
    bim.copy_parts(connection, "bim_storey", bim.STOREY, rows.storeys)
    bim.copy_parts(connection, "bim_space", bim.SPACE, rows.spaces)
    bim.copy_parts(connection, "bim_element", bim.ELEMENT, rows.elements)
    bim_shapes.copy_meshes(connection, rows.meshes)
    bim.emit_event(connection, change_set, code, "create")
