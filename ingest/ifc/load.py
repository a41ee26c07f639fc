"""``cim bim upload``: a file through all stages; what comes of it is loaded in one transaction."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cim.access import RowScope
from cim.db import bim, bim_versions, divisions, engine, migrate, profiles, row_security
from cim.db.bim_stages import StageLog
from cim.db.engine import Connection
from cim.errors import CimError, ConflictError, ForbiddenError, GeometryError
from cim.settings import Settings
from ingest.ifc.conversion import Box
from ingest.ifc.fit_target import FitTarget, fetch_target, lay_onto
from ingest.ifc.georef import HINT
from ingest.ifc.inspection import ModelReport, place, read_model
from ingest.ifc.meshing import Mesher
from ingest.ifc.options import UploadOptions
from ingest.ifc.placement import Placement
from ingest.ifc.sandbox import document_file
from ingest.ifc.shape_store import known_shapes
from ingest.ifc.shapes import Mesh
from ingest.ifc.source import IfcText, open_intake
from ingest.ifc.store import Load, load_model
from ingest.ifc.vertical import to_city_datum
from ingest.ifc.work_folder import work_folder

__all__ = ["UploadOptions", "upload_model"]
_NEAR_DEG = 0.2
_COLUMNS = ("stage", "building_code", "project_code")


def upload_model(
    settings: Settings, path: Path, options: UploadOptions, *, dry_run: bool, progress: Callable[[int, int], None],
    scope: RowScope | None = None,
) -> dict[str, Any]:  # fmt: skip
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
    scope
        Row filter of the one who uploads: nothing outside of it is seen, found or replaced, and a model that would be outside is refused.

    Returns
    -------
    dict
        The report, with ``code``, ``version``, ``unchanged``, ``status``, link and geometry counts. A model whose place is not known is
        loaded without one: status ``quarantined``, with the reason and the command that places it.

    Raises
    ------
    SourceError
        The model is refused; nothing is written but the stage that failed.
    ConflictError
        ``building_code`` is not in the register.
    ForbiddenError
        The model does not belong into ``scope``.
    NotFoundError
        ``version_of`` is no model.
    """
    migrate.require_current(settings)
    with tempfile.TemporaryDirectory(prefix="cim-bim-") as folder:
        text = open_intake(path, Path(folder))
        with work_folder(settings, text.sha256, dry_run=dry_run) as work:
            return _Upload(settings, path, text, options, Path(folder), work, scope, dry_run=dry_run).run(progress)


@dataclass(frozen=True)
class _City:
    """What the store says before the model is read."""

    near: Box | None
    datum: str | None
    target: FitTarget | None
    loaded: dict[str, Any] | None


class _Upload:
    def __init__(
        self, settings: Settings, path: Path, text: IfcText, options: UploadOptions, scratch: Path, work: Path,
        scope: RowScope | None, *, dry_run: bool,
    ) -> None:  # fmt: skip
        self.settings, self.path, self.text, self.options = settings, path, text, options
        self.scratch, self.work, self.scope, self.dry_run = scratch, work, scope, dry_run
        self.log = StageLog(settings, text.sha256, dry_run=dry_run)

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Note the begin and the end of a stage; what is put into the dictionary is kept with it."""
        detail: dict[str, Any] = {}
        self.log.note(name, "running")
        try:
            yield detail
        except CimError as error:
            self.log.note(name, "failed", error.as_dict())
            raise
        self.log.note(name, "done", detail)

    def run(self, progress: Callable[[int, int], None]) -> dict[str, Any]:
        with engine.connect(self.settings) as connection:
            with row_security.seen_by(connection, self.scope):
                city = self._ask_store(connection)
            if city.loaded is None and self.scope is not None and bim.find_model(connection, self.text.sha256) is not None:
                raise ForbiddenError(
                    f"{self.path}: the file is loaded as a model outside the divisions of this token",
                    hint="ask for a token without row filter",
                )
        if city.loaded is not None and self._says_nothing_new(city.loaded):
            known = {key: city.loaded[key] for key in ("code", "status", "unplaced", "fix")}
            return {**known, "unchanged": True, "file": self.path.name}
        with self.stage("received") as detail:
            detail |= {"file": self.path.name, "size_bytes": self.text.size_bytes, "schema": self.text.schema}
        # The kernel works while the semantics are read.
        with Mesher(self.path, self.text.path, self.text.size_bytes, self.scratch, document=document_file(self.work)) as mesher:
            stored = known_shapes(self.settings)
            mesher.begin(progress, stored)
            with self.stage("parsed") as detail:
                mesher.wait_for_document()
                document, findings = read_model(self.path, self.text, self.work)
                detail |= {"elements": len(document["elements"]), "instances": document["n_instances"]}
            with engine.connect(self.settings) as connection, row_security.seen_by(connection, self.scope):
                code = self._which_model(connection, document, city.loaded)
            with self.stage("geometry") as detail:
                ids = [part["id"] for part in (*document["elements"], *document["spaces"])]
                meshed = mesher.finish(ids, progress, stored)
                detail |= {"meshed": len(meshed.found), "failed": len(meshed.faults), "meshed_now": meshed.made}
        meshes = meshed.found
        with self.stage("georeferenced") as detail:
            placement, unplaced, hint = self._place(document, meshes, city)
            detail |= {"placed": placement is not None, "words": unplaced or (placement.note if placement else "")}
        report = ModelReport(self.text, document, placement, findings, unplaced)
        load = Load(self.path, report, self.options, meshed, hint, code, self.scope)
        with self.stage("semantics"):
            summary = load_model(self.settings, load, dry_run=self.dry_run)
        self.log.note("linked", "done", {"building_code": summary["building_code"], "method": summary["link_method"]})
        if placement is None:
            self.log.note("tiles", "skipped", {"reason": "not placed"})
        else:
            self.log.note("tiles", "skipped", {"next": f"cim tiles build bim/{summary['code']}"})
        self.log.note("reported", "done", {"code": summary["code"], "version": summary["version"]})
        return summary

    def _ask_store(self, connection: Connection) -> _City:
        loaded = bim_versions.find_loaded(connection, self.text.sha256)
        wanted = self.options.building_code
        if wanted is not None and not bim.building_exists(connection, wanted):
            raise ConflictError(f"--building-code {wanted}: the register has no such building", hint="cim codes check CODE")
        extent = divisions.fetch_extent(connection)
        near = None if extent is None else (extent[0] - _NEAR_DEG, extent[1] - _NEAR_DEG, extent[2] + _NEAR_DEG, extent[3] + _NEAR_DEG)
        return _City(near, profiles.fetch_vertical_datum(connection), fetch_target(connection, self.options), loaded)

    def _says_nothing_new(self, loaded: dict[str, Any]) -> bool:
        if self.options.version_of not in (None, loaded["code"]):
            return False
        said = self.options.as_dict()
        return all((loaded[key] if key in _COLUMNS else loaded["options"].get(key)) == value for key, value in said.items())

    def _which_model(self, connection: Connection, document: dict[str, Any], loaded: dict[str, Any] | None) -> str | None:
        """Return the model that the file is a version of, and take over what the operator said of it before."""
        code = self.options.version_of or (loaded["code"] if loaded else None)
        if loaded is not None and code != loaded["code"]:
            raise ConflictError(f"the file is loaded as {loaded['code']}, --version-of says {code}", hint=f"cim bim show {loaded['code']}")
        if code is None:
            code = bim_versions.find_predecessor(connection, document["project_global_id"], self.options.name or self.path.stem)
        if code is None:
            return None
        before = bim_versions.fetch_current(connection, code)["options"]
        if not self.options.says_place and any(before.get(key) is not None for key in ("crs", "origin")):
            origin = before.get("origin")
            self.options = replace(
                self.options, crs=before.get("crs"), origin=tuple(origin) if origin else None, rotation_deg=before.get("rotation_deg")
            )
        return code

    def _place(self, document: dict[str, Any], meshes: dict[int, Mesh], city: _City) -> tuple[Placement | None, str, str]:
        """Return the placement, or None with the reason and the options that give it one."""
        if city.target is not None:
            placement = lay_onto(self.path, document["elements"], meshes, city.target)
            unplaced, hint = "", ""
        else:
            found, unplaced, hint = place(self.path, document, self.options, city.near)
            if found is None:
                return None, unplaced, hint
            placement = found if city.datum is None else to_city_datum(found, _datum_of(document, found), city.datum)
        centre = np.array(document["georef"]["centre"] or [0.0, 0.0, 0.0])
        solid = [meshes[element["id"]].vertices for element in document["elements"] if element["id"] in meshes]
        if solid:
            # Only the shapes say where the model really is: placements may be zero and the coordinates far, or the reverse.
            centre = np.median(np.array([vertices.mean(axis=0) for vertices in solid]), axis=0)
        far = _outside(placement, centre, city.near)
        if far and self.options.says_place:
            raise GeometryError(self.path, far, hint=f"correct the georeference, or {HINT}")
        return (None, far, HINT) if far else (placement, "", "")


def _datum_of(document: dict[str, Any], placement: Placement) -> str | None:
    """Return the vertical datum of the conversion that placed a model, None where none did."""
    for conversion in document["georef"]["conversions"]:
        if conversion["source"] == placement.method:
            return str(conversion["vertical_datum"]) if conversion.get("vertical_datum") else None
    return None


def _outside(placement: Placement, centre: Any, near: Box | None) -> str:  # noqa: ANN401 - array
    """Return in words that a model would stand outside the city, empty where it does not."""
    if near is None:
        return ""
    lon, lat = placement.lon_lat(centre)
    if near[0] <= lon <= near[2] and near[1] <= lat <= near[3]:
        return ""
    return (
        f"the model would stand at {lon:.4f} E {lat:.4f} N, outside the city ({near[0]:.2f} to {near[2]:.2f} E, {near[1]:.2f} to "
        f"{near[3]:.2f} N); {placement.note}"
    )
