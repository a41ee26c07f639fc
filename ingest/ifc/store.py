"""A model that is read, meshed and placed → the store, in one transaction: a new model, or the next version of one."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import shapely
from psycopg.types.json import Jsonb

from cim.access import RowScope
from cim.clock import utc_now
from cim.db import bim, bim_shapes, bim_versions, changes, datasets, divisions, engine, rasters, row_security
from cim.db.codes import reserve_sequences
from cim.db.datasets import Counts, DatasetInfo
from cim.db.engine import Connection
from cim.errors import ForbiddenError
from cim.settings import Settings
from ingest.ifc.georef import HINT
from ingest.ifc.inspection import ModelReport, georeference_finding
from ingest.ifc.links import Link, against_register, find_building
from ingest.ifc.mapping import ModelRows, build_rows
from ingest.ifc.meshing import Meshes
from ingest.ifc.options import UploadOptions
from ingest.ifc.shape_store import save_shapes


@dataclass(frozen=True)
class Load:
    """Everything a load needs.

    Parameters
    ----------
    path
        File of the operator.
    report
        What is known of the model.
    options
        Of the operator.
    meshed
        Shapes of the elements.
    hint
        How a model without a place gets one.
    code
        Model whose next version it is, None for a new model.
    scope
        Row filter of the one who uploads, None = all rows.
    """

    path: Path
    report: ModelReport
    options: UploadOptions
    meshed: Meshes
    hint: str
    code: str | None
    scope: RowScope | None = None


def load_model(settings: Settings, load: Load, *, dry_run: bool) -> dict[str, Any]:
    """Write a model; return the report of the upload."""
    kept = settings.models_dir / f"{load.report.text.sha256}.ifc"
    is_new = not dry_run and _keep_file(load.report.text.path, kept)
    try:
        with engine.connect(settings) as connection:
            summary = _write(connection, load)
            _write_ground(connection, settings, summary["code"])
            if dry_run:
                connection.rollback()
    except ForbiddenError:
        if is_new:
            kept.unlink(missing_ok=True)
        raise
    return summary


def _write_ground(connection: Connection, settings: Settings, code: str) -> None:
    if not rasters.fetch_files(connection, "terrain"):
        return
    # Loads compiled code, which a city without terrain need not wait for.
    from ingest.raster import ground

    ground.of_new_model(connection, settings, code)


def _keep_file(source: Path, target: Path) -> bool:
    """Copy the file to where models are kept; tell whether it was not there."""
    if target.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    shutil.copyfile(source, part)
    part.replace(target)
    return True


def _write(connection: Connection, load: Load) -> dict[str, Any]:
    document, options = load.report.document, load.options
    before = None if load.code is None else bim_versions.fetch_current(connection, load.code)
    name = options.name or (before["name"] if before else load.path.stem)
    text = load.report.text
    # The file kept in the store has its hash for a name; people know it by the name it came with.
    file_name = before["source"] if before and load.path.name == f"{before['sha256']}.ifc" else load.path.name
    crs = None if load.report.placement is None else load.report.placement.crs
    dataset_id = datasets.reserve_dataset(connection, DatasetInfo("bim", name, file_name, text.sha256, crs=crs))
    change_set = changes.open_change_set(
        connection, author="cim bim", operation="ingest", reason=f"BIM model {file_name}", dataset_id=dataset_id,
        project_code=options.project_code,
    )  # fmt: skip
    code = load.code or _new_code(connection)
    rows, link, report, hint = _placed_rows(connection, load, code, before)
    save_shapes(connection, load.meshed)
    if before is not None:
        bim_versions.archive_parts(connection, code, before["version"])
        bim.emit_event(connection, change_set, code, "update")
        bim.remove_parts(connection, code)
    values = _model_values(connection, load, report, rows, link, before, name)
    values |= {"dataset_id": dataset_id, "change_set_id": change_set, "fix_hint": hint or None}
    if before is None:
        bim.save_model(connection, {"code": code, **values})
    else:
        bim.update_model(connection, code, values)
    _require_inside(connection, load, code, report.unplaced)
    _copy(connection, rows)
    bim.emit_event(connection, change_set, code, "create" if before is None else "update")
    version = 1 if before is None else before["version"] + 1
    summary = _summary(load, report, rows, link, code, version, hint)
    n_parts = len(document["elements"]) + len(document["spaces"]) + len(document["storeys"])
    datasets.finish_dataset(connection, dataset_id, Counts(n_parts, n_parts, 0, 0), [], summary)
    bim_versions.save_version(connection, code, version, text.sha256, file_name, dataset_id, change_set, options.as_dict(), summary)
    if before is not None:
        bim_shapes.remove_orphans(connection)
        summary["difference"] = _difference(connection, code, version)
    return summary


def _difference(connection: Connection, code: str, version: int) -> dict[str, int]:
    found = bim_versions.compare(connection, f"{code}@{version - 1}", f"{code}@{version}")
    return {key: len(found[key]) if isinstance(found[key], list) else found[key] for key in ("added", "removed", "changed", "unchanged")}


def _require_inside(connection: Connection, load: Load, code: str, unplaced: str) -> None:
    """Refuse a model that the one who uploads it would not see: by the same policies as everything he reads."""
    with row_security.seen_by(connection, load.scope):
        if load.scope is None or bim.model_exists(connection, code):
            return
    why = f"it has no place ({unplaced})" if unplaced else "it stands outside of them"
    raise ForbiddenError(
        f"{load.path}: the model would not be in the divisions of this token: {why}, and no building in them is named",
        hint="--building-code CODE or --fit-to CODE of a building in the divisions, or a token without row filter",
    )


def _new_code(connection: Connection) -> str:
    year = utc_now().year
    return f"BIM-{year}-{reserve_sequences(connection, 'CIM-BIM-v1', ['bim'], year)[0]:06d}"


def _placed_rows(connection: Connection, load: Load, code: str, before: dict[str, Any] | None) -> tuple[ModelRows, Link, ModelReport, str]:
    """Return rows, link, report and the command that gives a place, empty where there is one."""
    document, report = load.report.document, load.report
    kept = before["building_code"] if before and before["link_method"] == "option" else None
    rows = build_rows(code, document, load.meshed.found, load.meshed.faults, report.placement, load.meshed.outlines)
    with row_security.seen_by(connection, load.scope):
        link = find_building(connection, document, rows.outline_hex, load.options, kept)
    if report.placement is not None:
        with row_security.seen_by(connection, load.scope):
            placement, doubt = against_register(connection, report.placement, rows.outline_hex, link)
        if not doubt:
            return rows, link, replace(report, placement=placement), ""
        report = replace(report, placement=None, unplaced=doubt)
        rows = build_rows(code, document, load.meshed.found, load.meshed.faults, None, load.meshed.outlines)
        link = Link(words=link.words, candidates=link.candidates)
    fix = f"cim bim place {code} --fit-to <building code>"
    return rows, link, report, f"{fix}   or: cim bim place {code} --crs EPSG:<projected> --origin E,N,H [--rotation DEG]"


def _model_values(
    connection: Connection, load: Load, report: ModelReport, rows: ModelRows, link: Link, before: dict[str, Any] | None, name: str
) -> dict[str, Any]:
    place, options, text = report.placement, load.options, report.text
    was = before or {"stage": "completion", "note": None, "project_code": None}
    evidence = {} if place is None else {"georeference": {"confidence": place.confidence, "evidence": list(place.evidence)}}
    return {
        "name": name, "county_code": _county(connection, rows, link), "building_code": link.building, "link_method": link.method,
        "link_score": link.score, "stage": options.stage or was["stage"], "project_code": options.project_code or was["project_code"],
        "project_global_id": report.document["project_global_id"], "ifc_schema": text.schema, "authoring_tool": report.document["tool"],
        "sha256": text.sha256, "file_size_bytes": text.size_bytes, "n_elements": len(rows.elements),
        "georef_method": None if place is None else place.method, "georef_note": report.unplaced if place is None else place.note,
        "projected_crs": None if place is None else place.crs, "placement": None if place is None else place.matrix.ravel().tolist(),
        "base_elevation_m": None if place is None or rows.base_m is None else rows.base_m + float(place.matrix[2, 3]),
        "height_m": None if rows.top_m is None or rows.base_m is None else rows.top_m - rows.base_m,
        "status": "quarantined" if place is None else "loaded", "note": options.note or was["note"],
        "attributes": Jsonb({**evidence, "link_candidates": [list(one) for one in link.candidates]}),
        "geom": rows.outline_hex, "source_dataset": name,
    }  # fmt: skip


def _county(connection: Connection, rows: ModelRows, link: Link) -> str | None:
    if rows.outline_hex is None:
        return None if link.building is None else bim.county_of(connection, link.building)
    centre = shapely.from_wkb(rows.outline_hex).centroid
    found = divisions.fetch_areas(connection, 3).codes_at(shapely.points([centre.coords[0]]))[0]
    return None if found is None else str(found)


def _copy(connection: Connection, rows: ModelRows) -> None:
    bim.copy_parts(connection, "bim_storey", bim.STOREY, rows.storeys)
    bim.copy_parts(connection, "bim_space", bim.SPACE, rows.spaces)
    bim.copy_parts(connection, "bim_element", bim.ELEMENT, rows.elements)
    bim.copy_parts(connection, "bim_node", bim.NODE, rows.nodes)
    bim.copy_parts(connection, "bim_member", bim.MEMBER, rows.members)
    bim_shapes.copy_meshes(connection, rows.meshes)


def _summary(load: Load, report: ModelReport, rows: ModelRows, link: Link, code: str, version: int, hint: str) -> dict[str, Any]:
    verdict = georeference_finding(report.placement, report.unplaced, hint or HINT)
    return {
        "code": code,
        "version": version,
        "unchanged": False,
        "status": "loaded" if report.placement is not None else "quarantined",
        "file": load.path.name,
        **replace(report, findings=[verdict, *report.findings]).as_dict(),
        "fix": hint or None,
        "geometry_failed": {str(number): fault for number, fault in load.meshed.faults.items()},
        "geometry": rows.statuses,
        "meshed": len(rows.meshes),
        "shapes": len({mesh.shape.hash for mesh in load.meshed.found.values()}),
        "meshed_now": load.meshed.made,
        "building_code": link.building,
        "link_method": link.method,
        "link_score": link.score,
        "link_candidates": [{"building_code": one, "overlap": round(score, 3)} for one, score in link.candidates],
        "link_words": list(link.words),
    }
