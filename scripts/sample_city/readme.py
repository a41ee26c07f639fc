"""README of the sample city: origin, licence, checksum, CRS and units of every file; and the licence notes beside it."""

import hashlib
from pathlib import Path
from typing import Final

from sample_city.writers import write_text

LICENCES: Final = Path(__file__).parent / "licences"
TABLE_HEAD: Final = "| file | bytes | sha256 |\n|---|---|---|\n"

TEXT: Final = """\
# Sample city: Wuhan Optics Valley 武汉光谷示例片区

A small city for the demo and for tests: 2.4 x 1.8 km around Optics Valley Square, Hongshan District, Wuhan
(114.382-114.407 E, 30.500-30.516 N). Every file is made by one command from public data:

    python scripts/make_sample_city.py --data DIR --out sample_data

All draws are seeded per record and no file carries the date of the run, so the same input and library versions give the same
bytes.

**Read this first.** The pipe and cable networks, the terrain, the division boundaries and nearly all census attributes are
**synthetic**: made up by rule, no survey of anything. The three BIM models are real models of other places, **moved** here; those
buildings do not stand here. Real are the footprints, names and heights that OpenStreetMap has, the roads, the water, the division
codes and names, and the texts of the addresses that are not marked synthetic.

**请先阅读。** 管线、地形、区划边界及绝大部分普查属性均为**合成数据**，并非实测；三个 BIM 模型取自他处并**移至**此地，实际并不
位于此处。真实数据包括：OpenStreetMap 的建筑轮廓、名称、高度、道路、水体，区划代码与名称，以及未标记合成的地址文本。

Attribution: **© OpenStreetMap contributors, ODbL 1.0**; BIM models and addresses as listed below. Texts and notes: `LICENSES/`.

## Files

| file | content | origin | licence | CRS, units | synthetic or changed |
|---|---|---|---|---|---|
| city.yaml | city profile | made for this sample | project licence | names EPSG:4547, 4490, 5737 | the geoid separation of -13.0 m is an approximate constant (EGM96 near 30.5 N 114.4 E), for demonstration only |
| divisions/divisions.csv | 12-digit codes of Hubei, Wuhan, its districts, the towns of 420111 and 420115, the villages/communities of 关山, 卓刀泉, 关东 | modood/Administrative-divisions-of-China 2.7.0 (npm): dist/{provinces,cities,areas,streets,villages}.csv; codes of the National Bureau of Statistics, 2023 | WTFPL | - | padded to 12 digits; `urban_rural_class` is empty, the source does not have it |
| divisions/boundaries.gpkg | layer `divisions`: 14 communities, 3 towns, 1 county | made for this sample | project licence | EPSG:4490, lon/lat [deg] | **synthetic**: a Voronoi partition of the sample area under real codes. No real boundary; parents are the unions of their children |
| census/guanggu_census.zip | shapefile, 237 building footprints, fields of the national building survey (first 10 characters, DBF in GB18030) | liuyanchen1994/vue-maptalks.three.demo @ 7b47305029: public/data/buildSet.js | ODbL 1.0 (OSM) | EPSG:4490, lon/lat [deg]; gd [m], dcmj [m2] | geometry, jzmc and 77 of the heights gd are OSM (a height of 0 counts as missing); everything else is **synthetic**, named in `bz`. None of the 237 was dropped, all are valid; five pairs overlap as they do in OSM |
| census/guanggu_census_bad.zip | 8 records to be refused and 1 good one | as above | ODbL 1.0 (OSM) | as above | faults put in on purpose, named in `bz` |
| census/profile.yaml | mapping of fields, codes and units | made for this sample | project licence | - | the numeric codes of jzytQg, fwlb and bxdcyy are those of this file only |
| addresses/addresses.csv | address list | OSM; DQinYuan/chinese_province_city_area_mapper @ 9bdfd6e869: tests/addr.csv | ODbL 1.0; MIT | EPSG:4490, lon/lat [deg] | 88 named OSM buildings and 12 company addresses are real texts (`synthetic` = 0, company positions = 1); door numbers above 2000 are **synthetic** |
| networks/XXPOINT.csv, XXLINE.csv | CJJ 61 survey tables: water JS, rainwater YS, sewage WS, gas RQ, power GD, lighting LD | made along the OSM roads | ODbL 1.0 (OSM road geometry) | EPSG:4547, **X = northing, Y = easting** [m]; HIGH, S_HIGH, E_HIGH [m, EPSG:5737]; depths [m] down to the crown, for YS and WS to the invert; PSIZE [mm] | **synthetic throughout** (NOTE = 合成) |
| networks/profile.yaml | mapping of tables, columns and vocabulary | made for this sample | project licence | - | FLOWDIR: + from start to end, - from end to start |
| terrain/guanggu_dem.tif | ground elevation, 5 m cells, float32, nodata -9999 | made for this sample | project licence | EPSG:4547; heights [m, EPSG:5737] | **synthetic**, a smooth surface of 20-45 m |
| roads/roads.gpkg | layers `roads` (216 OSM ways, also paths and rails) and `water` | liuyanchen1994/vue-maptalks.three.demo @ 7b47305029: public/data/buildSet.js | ODbL 1.0 (OSM) | EPSG:4490, lon/lat [deg] | fewer columns; WGS 84 taken as CGCS2000 (null transformation) |
| ifc/fzk_haus.ifc | FZK-Haus, IFC4 | ThatOpen/engine_web-ifc @ 233e3aa711: tests/ifcfiles/public/AC20-FZK-Haus.ifc (original KIT/IAI) | MPL-2.0 | metres; EPSG:4547 by IfcMapConversion, heights EPSG:5737 | **moved** onto OSM way 109359155; IfcMapConversion and IfcProjectedCRS added |
| ifc/duplex.ifc | Duplex Apartment, IFC2X3 | stijngoedertier/georeference-ifc @ 3cf8976c44: Duplex_A_20110907.ifc | CC BY 4.0 | metres; EPSG:4547 by ePSet_MapConversion and ePSet_ProjectedCRS of the project | **moved** onto OSM way 110403200; the two property sets added |
| ifc/drainage.ifc | storm water drain, 7 manholes and 6 pipes, IFC4X3_ADD2 | bSI-InfraRoom/IFC-infra-unit-test @ bc13603cc4: DrainageSystem-1/DrainageSystem-1-2.ifc | CC BY 4.0 | metres; EPSG:4547 by IfcMapConversion | **moved** into 光谷街 (OSM way 104107458), a street and no footprint; schema was IFC4X3_RC3; site placement moved by (-24525646.5, -6876908.5, -126.9) m so that coordinates are small |
| ifc/placement.csv | where each model was put: position of its local origin, rotation counter-clockwise from east [deg] | made for this sample | project licence | EPSG:4547 [m], EPSG:5737 [m], EPSG:4490 [deg] | - |

The IfcSite latitude and longitude of the models are still those of their authors and contradict the map conversion on purpose:
a reader has to prefer the map conversion.

Each network is one connected graph along the drivable roads (bridges, tunnels, rails and paths carry nothing). Rainwater and
sewage fall to one outfall each. Crossings between kinds are not deconflicted: a clash check finds some.

## Checksums

"""


def table(out: Path) -> str:
    """Return the checksum table of all files below `out` but the README."""
    rows = []
    for path in sorted(p for p in out.rglob("*") if p.is_file() and p != out / "README.md"):
        content = path.read_bytes()
        rows.append(f"| {path.relative_to(out).as_posix()} | {len(content)} | {hashlib.sha256(content).hexdigest()} |\n")
    return TABLE_HEAD + "".join(rows)


def write_readme(out: Path) -> None:
    """Copy the licence notes and write ``README.md``; to be called last."""
    for note in sorted(LICENCES.glob("*.txt")):
        write_text(out / "LICENSES" / note.name, note.read_text(encoding="utf-8"))
    write_text(out / "README.md", TEXT + table(out))
