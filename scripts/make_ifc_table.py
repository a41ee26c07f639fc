"""Load every IFC file of a folder into an empty store of its own and write what became of each as a table.

``python scripts/make_ifc_table.py FOLDER [--out docs/sources/ifc-files.md]``. Counts and space areas are compared with an independent
count by ifcopenshell; the script ends with 1 where they differ.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ifcopenshell
import ifcopenshell.geom
import ifcopenshell.util.element
import ifcopenshell.util.shape
import ifcopenshell.util.unit
from psycopg import conninfo as libpq
from rich.console import Console

from cim.db import engine
from cim.db.cluster import Cluster
from cim.db.migrate import migrate
from cim.errors import CimError
from cim.settings import DatabaseSettings, Settings
from ingest.ifc.load import UploadOptions, upload_model

OUT = Path(__file__).parent.parent / "docs" / "sources" / "ifc-files.md"
_AREAS = ("NetFloorArea", "GrossFloorArea", "Area", "GSA BIM Area")
_SKIPPED = ("IfcFeatureElement", "IfcVirtualElement")


def _said_area(space: Any, scale: float) -> float | None:  # noqa: ANN401 - IFC entity
    sets = ifcopenshell.util.element.get_psets(space)
    quantities = {name: values for name, values in sets.items() if "quantit" in name.lower() or name.startswith("Qto_")}
    for chosen in (quantities, {name: values for name, values in sets.items() if name not in quantities}):
        for key in _AREAS:
            for values in chosen.values():
                if isinstance(values.get(key), float) and values[key] > 0:
                    return float(values[key] * scale)
    return None


def independent(path: Path) -> tuple[int, int, int, float]:
    """Return elements, storeys, spaces and the sum of their floor areas [m2], by ifcopenshell alone."""
    model: Any = ifcopenshell.open(str(path))
    elements = [e for e in model.by_type("IfcElement") if not any(e.is_a(name) for name in _SKIPPED)]
    storeys = [*model.by_type("IfcBuildingStorey")]
    if model.schema.startswith("IFC4X3"):
        storeys += model.by_type("IfcFacilityPart")
    unit = ifcopenshell.util.unit.get_project_unit(model, "AREAUNIT")
    scale = float(ifcopenshell.util.unit.get_unit_scale(unit)) if unit is not None else 1.0
    settings: Any = ifcopenshell.geom.settings()  # type: ignore[no-untyped-call]  # ifcopenshell leaves it untyped
    total = 0.0
    spaces = model.by_type("IfcSpace")
    for space in spaces:
        area = _said_area(space, scale)
        if area is None and space.Representation is not None:
            shape: Any = ifcopenshell.geom.create_shape(settings, space, geometry_library="hybrid-cgal-simple-opencascade")
            area = float(ifcopenshell.util.shape.get_footprint_area(shape.geometry))
        total += area or 0.0
    return len(elements), len(storeys), len(spaces), total


def rows_of(folder: Path, settings: Settings, say: Console) -> Iterator[tuple[list[str], bool]]:
    """Yield the cells of each file, and whether its counts are those of the independent count."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".ifc", ".ifczip", ".ifcxml"))
    for path in files:
        name = path.relative_to(folder).as_posix()
        say.print(name)
        begun = time.perf_counter()
        try:
            report = upload_model(settings, path, UploadOptions(name=name), dry_run=False, progress=lambda _done, _of: None)
        except CimError as error:
            words = error.message.removeprefix(f"{path}").lstrip(":, ")
            yield [name, "", "", "", f"{time.perf_counter() - begun:.1f}", f"refused: {words} ({error.hint})"], True
            continue
        took = time.perf_counter() - begun
        if report["unchanged"]:
            yield [name, "", "", "", f"{took:.1f}", f"the same content as {report['code']}"], True
            continue
        same, words = _compare(settings, report)
        placed = report["georeference_method"] or f"not placed: {report['unplaced'].partition(';')[0]}"
        failed = f", {len(report['geometry_failed'])} shapes failed" if report["geometry_failed"] else ""
        yield [name, report["schema"], str(report["products"]), placed, f"{took:.1f}", f"{report['status']}, {words}{failed}"], same


def _compare(settings: Settings, report: dict[str, Any]) -> tuple[bool, str]:
    with engine.connect(settings) as connection:
        found = connection.execute(
            """SELECT (SELECT count(*) FROM bim_element WHERE model_code = m.code),
                      (SELECT count(*) FROM bim_storey WHERE model_code = m.code),
                      (SELECT count(*) FROM bim_space WHERE model_code = m.code),
                      (SELECT coalesce(sum(floor_area_m2), 0) FROM bim_space WHERE model_code = m.code), sha256
               FROM bim_model m WHERE code = %s""",
            [report["code"]],
        ).fetchone()
    if found is None:
        return False, "not in the store"
    theirs = independent(settings.models_dir / f"{found[4]}.ifc")
    same = tuple(found[:3]) == theirs[:3] and abs(found[3] - theirs[3]) <= 0.005 * max(theirs[3], 1.0)
    words = f"{found[0]} elements, {found[1]} storeys, {found[2]} spaces"
    if found[2]:
        words += f" of {found[3]:.1f} m2"
    return same, words if same else f"{words}; ifcopenshell counts {theirs[0]}, {theirs[1]}, {theirs[2]} of {theirs[3]:.1f} m2"


def _page(rows: list[tuple[list[str], bool]]) -> str:
    lines = [
        "# IFC files of the test collection", "",
        "<!-- generated by scripts/make_ifc_table.py, do not edit -->", "",
        "Every file was loaded into an empty store: no city, so that a place is weighed by the file alone. Counts and the sum of the",
        "space areas are those of an independent count by ifcopenshell within 0.5 %, or the row says what they are. Time [s] from file",
        "to rows, on a busy two-core machine.", "",
        "| file | schema | products | placed by | time [s] | verdict |", "|---|---|---|---|---|---|",
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells, _ in rows),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> int:
    """Load, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    say, rows = Console(stderr=True), []
    with tempfile.TemporaryDirectory(prefix="cim-ifc-table-") as temporary:
        root = Path(temporary)
        root.chmod(0o755)
        cluster = Cluster(root, durable=False)
        cluster.start()
        try:
            parts = libpq.conninfo_to_dict(cluster.conninfo("postgres"))
            url = f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/postgres"
            settings = Settings(data_dir=root, database=DatabaseSettings(url=url))
            migrate(settings)
            for cells, same in rows_of(chosen.folder, settings, say):
                rows.append((cells, same))
                chosen.out.write_text(_page(rows), encoding="utf-8")
        finally:
            cluster.stop()
    return 0 if all(same for _, same in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
