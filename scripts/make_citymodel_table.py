"""Load every city model of a folder into an empty store, export it again, and write what became of each as a table.

``python scripts/make_citymodel_table.py FOLDER [--out docs/sources/citymodels.md]``. Objects are counted by a reader of JSON or XML alone;
the script ends with 1 where a file that loads has other counts.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree
from psycopg import conninfo as libpq
from rich.console import Console

from cim.commands.export import run_export
from cim.db import engine, profiles
from cim.db.cluster import Cluster
from cim.db.export_reads import ExportQuery, export_collections
from cim.db.migrate import migrate
from cim.errors import CimError
from cim.profile import CityProfile, Names
from cim.settings import DatabaseSettings, Settings
from ingest.citymodel.load import CityModelOptions, ingest_citymodel
from ingest.rule_texts import rule_text

OUT = Path(__file__).parent.parent / "docs" / "sources" / "citymodels.md"
BEGIN, END = "<!-- table: scripts/make_citymodel_table.py -->\n", "<!-- end of table -->\n"
SUFFIXES = (".city.json", ".jsonl", ".gml", ".json", ".texture")
CITY = CityProfile(
    name=Names(en="Table", zh="表"), division_codes=["420111"], projected_crs="EPSG:28992", vertical_datum="EPSG:5709",
    geoid_separation_m=43.0, notices=[],
)  # fmt: skip
# What these files leave out, after their README: CRS, elevations. The shift only says that the difference of the datums is known.
OPTIONS: dict[str, dict[str, Any]] = {
    "denhaag_subset.city.json": {"crs": "EPSG:7415"},
    "rotterdam_textured/rotterdam_subset.json": {"crs": "EPSG:7415"},
    "rotterdam_textured/rotterdam_subset_cjio_test.json": {"crs": "EPSG:7415"},
    "vienna.city.jsonl": {"crs": "EPSG:31256", "shift_m": 156.68},
    "zurich_subset_lod2.city.json": {"vertical_datum": "EPSG:5709"},
    "ingolstadt_lod3_4018204a.gml": {"crs": "EPSG:25832", "shift_m": 0.001},
    "lod2_buildings_citygml3.gml": {"shift_m": 0.001},
    "lod4_building_citygml2.gml": {"shift_m": 0.001},
    "plateau_yokosuka_bldg.gml": {"shift_m": 0.001},
    "plateau_yokosuka_dem.gml": {"shift_m": 0.001},
}
EXPORT_CRS = {"vienna": "EPSG:31256", "zurich": "EPSG:2056", "ingolstadt": "EPSG:25832", "lod4": "EPSG:25832", "lod2": "EPSG:25833",
              "plateau": "EPSG:6677"}  # fmt: skip
_GML_OBJECTS = re.compile(
    r"^(Building|BuildingPart|BuildingInstallation|IntBuildingInstallation|Room|BuildingRoom|BuildingFurniture|BuildingConstructiveElement|"
    r"Storey|BuildingUnit|TINRelief)$"
)


def independent(path: Path) -> int:
    """Return the city objects of a file, counted by a reader of JSON or XML alone."""
    if path.suffix == ".gml":
        names = (etree.QName(one).localname for one in etree.parse(path).iter("{*}*"))
        return sum(bool(_GML_OBJECTS.match(name)) for name in names)
    if path.suffix == ".jsonl":
        return sum(len(json.loads(line)["CityObjects"]) for line in path.read_text(encoding="utf-8").splitlines()[1:])
    return len(json.loads(path.read_text(encoding="utf-8"))["CityObjects"])


def _facts(settings: Settings, dataset: str) -> tuple[str, int]:
    with engine.connect(settings) as connection:
        rows = connection.execute(
            """SELECT r.lod, count(*) FROM representation r JOIN city_object o ON o.code = r.object_code
               WHERE o.source_dataset = %s AND r.valid_to IS NULL GROUP BY 1 ORDER BY 1""",
            [dataset],
        ).fetchall()
    return ", ".join(f"{lod} ({n})" for lod, n in rows), sum(n for _, n in rows)


def _way_out(settings: Settings, name: str, folder: Path) -> str:
    crs = next((crs for word, crs in EXPORT_CRS.items() if name.startswith(word)), CITY.projected_crs)
    query = ExportQuery(export_collections()["city-objects"])
    report = run_export(settings, query, folder / "out.city.json", crs=crs, on_rows=lambda *_: None)
    return f"{report['rows']} objects in {crs}"


def rows_of(folder: Path, cluster: Cluster, say: Console) -> Iterator[tuple[list[str], bool]]:
    """Yield the cells of each file, and whether its count is that of the independent count."""
    files = sorted(path for path in folder.rglob("*") if path.name.endswith(SUFFIXES))
    for number, path in enumerate(files):
        name = path.relative_to(folder).as_posix()
        say.print(name)
        with tempfile.TemporaryDirectory() as scratch:
            settings = _store(cluster, f"model_{number}", Path(scratch))
            options = OPTIONS.get(name, {})
            given = " ".join(
                f"{word} {options[key]:g}" if key == "shift_m" else f"{word} {options[key]}"
                for key, word in (("crs", "--crs"), ("vertical_datum", "--vertical-datum"), ("shift_m", "--shift")) if key in options
            )  # fmt: skip
            try:
                outcome = ingest_citymodel(settings, path, CityModelOptions(**options, name="m"), dry_run=False)
            except CimError as error:
                words = error.message.removeprefix(f"{path}").lstrip(":, ")
                yield [name, "", given, "", "", "", f"refused: {words} ({error.hint})"], True
                continue
            report, counted = outcome.report, independent(path)
            levels, _ = _facts(settings, "m")
            warned = ", ".join(f"{rule} × {n}" for rule, n in report["warnings_by_rule"].items())
            verdict = "loads" if outcome.counts.accepted == counted else f"loads, but the file has {counted} objects"
            way = _way_out(settings, path.name, Path(scratch))
            cells = [name, report["format"], given, str(outcome.counts.accepted), levels, warned, f"{verdict}; out again: {way}"]
            yield cells, outcome.counts.accepted == counted


def _store(cluster: Cluster, name: str, folder: Path) -> Settings:
    import psycopg

    with psycopg.connect(cluster.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    parts = libpq.conninfo_to_dict(cluster.conninfo(name))
    url = f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/{name}"
    settings = Settings(data_dir=folder, database=DatabaseSettings.model_validate({"url": url}))
    migrate(settings)
    with engine.connect(settings) as connection:
        profiles.save_profile(connection, CITY)
    return settings


def main() -> int:
    """Write the table; return 1 where a count differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="city models")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    say = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="cim-table-") as scratch:
        Path(scratch).chmod(0o755)
        cluster = Cluster(Path(scratch) / "cluster", durable=False)
        cluster.start()
        try:
            made = list(rows_of(arguments.folder, cluster, say))
        finally:
            cluster.stop()
    head = ["file", "format", "needs", "objects", "geometries by level", "warnings", "verdict"]
    lines = [" | ".join(cells) for cells in (head, ["---"] * len(head), *(cells for cells, _ in made))]
    used = sorted({rule for cells, _ in made for rule in re.findall(r"C[0-9]+", cells[5])})
    words = "; ".join(f"{rule}: {rule_text(rule, 'en')}" for rule in used)
    table = BEGIN + "".join(f"| {line} |\n" for line in lines) + f"\nRules warned of: {words}.\n" + END
    text = arguments.out.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    arguments.out.write_text(before + table + after, encoding="utf-8")
    return 0 if all(same for _, same in made) else 1


if __name__ == "__main__":
    sys.exit(main())
