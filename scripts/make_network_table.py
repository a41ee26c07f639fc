"""Load every network file of a folder into an empty store of its own and write what became of each as a table.

``python scripts/make_network_table.py FOLDER [--out docs/sources/network-files.md]``. What each file needs and the
counts it must give are in ``network_files.yaml``; the script ends with 1 where a file is missing there or gives other counts.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from psycopg import conninfo as libpq
from rich.console import Console

from cim.db import engine, profiles
from cim.db.cluster import Cluster
from cim.db.migrate import migrate
from cim.errors import CimError
from cim.profile import CityProfile
from cim.settings import DatabaseSettings, Settings
from ingest.network.inp import positions, read_inp
from ingest.network.load import NetworkOptions, ingest_network

ROOT = Path(__file__).parent.parent
LIST = Path(__file__).parent / "network_files.yaml"
OUT = ROOT / "docs" / "sources" / "network-files.md"
MAPPINGS = ROOT / "schemas" / "mappings" / "networks"
_FORMATS = {".gpkg": "GeoPackage", ".geojson": "GeoJSON", ".csv": "CSV", ".tif": "GeoTIFF", ".sql": "SQL dump"}


def control_points(path: Path, scale: float) -> str:
    """Return two control points that put a local plan near 9° E, 50° N in EPSG:25832, at the scale of its units."""
    x, y = zip(*positions(read_inp(path)).values(), strict=True)
    return "x,y,X,Y\n" + "".join(f"{x[0] + d},{y[0] + d},{500000 + d * scale},{5600000 + d * scale}\n" for d in (0, 1000))


def _format(path: Path) -> str:
    if path.suffix == ".inp":
        return "SWMM" if "[SUBCATCHMENTS]" in path.read_text(encoding="latin-1").upper() or "[CONDUITS]" in path.read_text(
            encoding="latin-1"
        ).upper() else "EPANET"  # fmt: skip
    if path.suffix == ".json":
        return "pandapower" if "pandapower" in path.read_text(encoding="utf-8")[:4000] else "pandapipes"
    return _FORMATS.get(path.suffix, path.suffix)


def _load(settings: Settings, path: Path, partner: Path | None, told: dict[str, Any], folder: Path) -> tuple[str, int, int, str]:
    """Return kinds, points, lines and what became of a file."""
    names = {"en": "Table", "zh": "表"}
    city = CityProfile(name=names, division_codes=["420111"], projected_crs=told["city"], vertical_datum="EPSG:5737", geoid_separation_m=0)
    with engine.connect(settings) as connection:
        profiles.save_profile(connection, city)
    georef = None
    if "scale" in told:
        georef = folder / "control.csv"
        georef.write_text(control_points(path, told["scale"]), encoding="utf-8")
    profile = MAPPINGS / f"{told['profile']}.yaml" if "profile" in told else None
    options = NetworkOptions(name=told["name"], kind=told.get("kind"), crs=told.get("crs"), georef=georef)
    files = [partner, path] if partner else [path]
    outcomes = ingest_network(settings, files, profile, options, dry_run=False)
    with engine.connect(settings) as connection:
        row = connection.execute(
            """SELECT string_agg(DISTINCT kind, ', '), (SELECT count(*) FROM network_node WHERE source_dataset LIKE %(n)s),
               (SELECT count(*) FROM network_edge WHERE source_dataset LIKE %(n)s) FROM network_node WHERE source_dataset LIKE %(n)s""",
            {"n": f"{told['name']}%"},
        ).fetchone()
    refused = {rule: n for one in outcomes for rule, n in one.report.get("rejected_by_rule", {}).items()}
    words = "loaded" + ("" if not refused else "; refused " + ", ".join(f"{n} × {rule}" for rule, n in sorted(refused.items())))
    kinds, points, lines = row or (None, 0, 0)
    return str(kinds or ""), int(points), int(lines), words


def rows_of(folder: Path, settings: Settings, scratch: Path, say: Console) -> Iterator[tuple[list[str], bool]]:
    """Load one file after the other; yield its cells, and whether it did what is expected."""
    told_of: dict[str, dict[str, Any]] = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    for name in sorted(there | set(told_of)):
        told = told_of.get(name)
        if name not in there or told is None:
            yield [name, "", "", "", "", "not in the folder" if told else "not in network_files.yaml"], False
            continue
        if "with" in told:
            yield [name, _format(folder / name), "", "", "", f"loaded with {told['with']}"], True
            continue
        say.print(f"{name} …", end=" ")
        partner = next((folder / other for other, one in told_of.items() if one.get("with") == name), None)
        try:
            kinds, points, lines, words = _load(settings, folder / name, partner, {**told, "name": name.replace("/", "-")}, scratch)
            is_right = "refused" not in told and all(
                want is None or want == got for want, got in ((told["points"], points), (told["lines"], lines))
            )
            cells = [name, _format(folder / name), kinds, str(lines), str(points), words]
        except CimError as error:
            is_right = told.get("refused", "\0") in error.message
            why = error.message.removeprefix(str(folder / name)).strip(": ,")
            cells = [name, _format(folder / name), "", "", "", f"refused: {why}"]
        say.print(cells[-1])
        yield cells, is_right


def _page(rows: list[tuple[list[str], bool]]) -> str:
    lines = [
        "# Network files of the test collection", "",
        "<!-- generated by scripts/make_network_table.py, do not edit -->", "",
        "Every file was loaded into an empty store. Plans in local coordinates were put near 9° E, 50° N by two control points. Where a",
        "count is published with the file, or `ogrinfo` gives one, the counts are those.",
        "What a rule refuses: [network files](network.md).", "",
        "| file | format | kind | lines | points | verdict |", "|---|---|---|---|---|---|",
        *("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |" for cells, _ in rows),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> int:
    """Load, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    say = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="cim-network-table-") as temporary:
        root = Path(temporary)
        root.chmod(0o755)
        cluster = Cluster(root, durable=False)
        cluster.start()
        try:
            parts = libpq.conninfo_to_dict(cluster.conninfo("postgres"))
            url = f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/postgres"
            settings = Settings(data_dir=root, database=DatabaseSettings(url=url))
            migrate(settings)
            rows = list(rows_of(chosen.folder, settings, root, say))
        finally:
            cluster.stop()
    chosen.out.write_text(_page(rows), encoding="utf-8")
    wrong = [cells for cells, is_right in rows if not is_right]
    for cells in wrong:
        say.print(f"not as expected: {cells}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
