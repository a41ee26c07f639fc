"""Materials of CityGML, told behind the surfaces they are for, reach the tiles and the export."""

from pathlib import Path

import pytest

from cim.db import engine, profiles
from tests.pipeline.test_citymodel_tiles import one
from tests.support.cli import run_cim
from tests.support.many_buildings import PROFILE
from tiles.build import build_layers
from tiles.glb_read import Glb

X, Y = 540_000, 3_376_000
# A roof and a wall as surfaces of their own, and one polygon that no material names.
GML = f"""<?xml version="1.0" encoding="UTF-8"?>
<CityModel xmlns="http://www.opengis.net/citygml/2.0" xmlns:bldg="http://www.opengis.net/citygml/building/2.0"
  xmlns:app="http://www.opengis.net/citygml/appearance/2.0" xmlns:gml="http://www.opengis.net/gml">
 <gml:boundedBy><gml:Envelope srsName="EPSG:4547" srsDimension="3"><gml:lowerCorner>{X} {Y} 20</gml:lowerCorner>
  <gml:upperCorner>{X + 10} {Y + 10} 30</gml:upperCorner></gml:Envelope></gml:boundedBy>
 <cityObjectMember><bldg:Building gml:id="house">
  <bldg:boundedBy><bldg:RoofSurface gml:id="roof"><bldg:lod2MultiSurface><gml:MultiSurface><gml:surfaceMember>
   <gml:Polygon gml:id="top"><gml:exterior><gml:LinearRing><gml:posList>
    {X} {Y} 30 {X + 10} {Y} 30 {X + 10} {Y + 10} 30 {X} {Y + 10} 30 {X} {Y} 30</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon>
  </gml:surfaceMember></gml:MultiSurface></bldg:lod2MultiSurface></bldg:RoofSurface></bldg:boundedBy>
  <bldg:boundedBy><bldg:WallSurface gml:id="wall"><bldg:lod2MultiSurface><gml:MultiSurface gml:id="faces"><gml:surfaceMember>
   <gml:Polygon gml:id="side"><gml:exterior><gml:LinearRing><gml:posList>
    {X} {Y} 20 {X + 10} {Y} 20 {X + 10} {Y} 30 {X} {Y} 30 {X} {Y} 20</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon>
  </gml:surfaceMember></gml:MultiSurface></bldg:lod2MultiSurface></bldg:WallSurface></bldg:boundedBy>
 </bldg:Building></cityObjectMember>
 <app:appearanceMember><app:Appearance><app:theme>visual</app:theme>
  <app:surfaceDataMember><app:X3DMaterial><app:diffuseColor>0.2 0.4 0.6</app:diffuseColor><app:target>#top</app:target></app:X3DMaterial>
  </app:surfaceDataMember><app:surfaceDataMember><app:X3DMaterial><app:transparency>0.0</app:transparency>
  <app:diffuseColor>0.5 0.5 0.5</app:diffuseColor><app:target>#faces</app:target></app:X3DMaterial></app:surfaceDataMember>
 </app:Appearance></app:appearanceMember>
</CityModel>
"""


@pytest.fixture(scope="module")
def town(module_settings, tmp_path_factory):
    path = tmp_path_factory.mktemp("gml") / "house.gml"
    path.write_text(GML, encoding="utf-8")
    with engine.connect(module_settings) as connection:
        profiles.save_profile(connection, PROFILE)
    result = run_cim(module_settings, "ingest", "citymodel", path, "--vertical-datum", "EPSG:5737", "--json")
    assert result.code == 0, result.err
    build_layers(module_settings, ["citymodels"])
    return module_settings


def test_roof_and_wall_have_the_colours_of_their_materials(town):
    name = next(Path(town.tiles_url).rglob("*.glb"))
    (code,) = Glb(name.read_bytes()).column(0, "code")
    places, colours, _ = one(town, code)
    # IEC 61966-2-1 by hand: 0.2 → 0.0331 → 8, 0.4 → 0.1329 → 34, 0.6 → 0.3185 → 81; 0.5 → 128/255 → 0.2159 → 55.
    found = {tuple(colour) for colour in colours.tolist()}
    assert found == {(8, 34, 81, 255), (55, 55, 55, 255)}
    low = places[:, 2] < places[:, 2].mean()
    assert {tuple(colour) for colour in colours[low].tolist()} == {(55, 55, 55, 255)}


def test_the_export_names_them(town, tmp_path):
    target = tmp_path / "out.city.json"
    assert run_cim(town, "export", "city-objects", target).code == 0
    text = target.read_text(encoding="utf-8").replace(" ", "")
    assert '"diffuseColor":[0.2,0.4,0.6]' in text
