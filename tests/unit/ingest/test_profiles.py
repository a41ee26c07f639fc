"""Shipped mapping profiles and the proposal of new ones."""

import pyarrow as pa
import pytest
import yaml

from cim.errors import MappingError
from ingest.census.profile import SHIPPED, read_census_profile, shipped_profiles
from ingest.census.suggest import suggest_profile
from ingest.layer import open_layer
from ingest.profiles import find_profile

SHEETS = {"UR", "UN", "RI", "RC", "RA", "RN"}  # the six sheets of the census


def propose(path, layer=None, encoding=None):
    found = open_layer(path, layer=layer, encoding=encoding)
    batch = next(found.batches(20_000))
    return suggest_profile({name: batch.column(name) for name in found.fields}, found.geometry_type, found.layer, found.crs)


def test_every_sheet_of_the_census_has_a_profile():
    profiles = [read_census_profile(path) for path in shipped_profiles().values()]
    assert {profile.sheet for profile in profiles if profile.sheet} == SHEETS
    for profile in profiles:
        assert profile.profile in shipped_profiles()
        if profile.sheet:
            assert {"hzxm", "sfz", "lxdh"} <= profile.personal
            assert profile.natural_key == ["district", "fwbh"]


def test_the_national_structure_list_is_mapped_as_published():
    # Numbers and words of the national rural list: 1 砖石, 2 土木, 3 混杂, 4 窑洞, 5 钢筋混凝土, 6 钢, 99 其他.
    expected = {"1": "MAS", "2": "ETH", "3": "MIX", "4": "CAV", "5": "RC", "6": "STL", "99": "OTH"}
    for name in ("rural-single-dwelling", "rural-collective-dwelling", "rural-auxiliary", "rural-non-dwelling"):
        structure = read_census_profile(find_profile(name, SHIPPED, "cim ingest census")).fields["structure"]
        assert structure.source == "jglxQg"
        assert structure.fallback is None
        assert {key: structure.values[key] for key in expected} == expected


def test_an_unknown_profile_lists_the_known_ones():
    with pytest.raises(MappingError, match="rural-single-dwelling"):
        find_profile("no-such-sheet", SHIPPED, "cim ingest census")


@pytest.mark.parametrize(
    ("file", "layer", "expected"),
    [
        ("wuhan_guanggu_osm.gpkg", "buildings", {"natural_key": ["osm_id"], "name": "name", "height_m": "height"}),
        ("shanghai_lujiazui_osm.gpkg", "buildings", {"natural_key": ["osm_id"], "name": "name", "height_m": "height"}),
        ("suzhou_buildings_floor.geojson", None, {"height_m": "height", "storeys_above": "Floor"}),
        ("beijing_tsinghua_campus/buildings.geojson", None, {"natural_key": ["id"], "name": "name", "storeys_above": "building:levels"}),
        ("prague_bubenec.gpkg", "buildings", {"natural_key": ["uID"]}),
        ("same_in_4_formats/footprint.parquet", None, {"height_m": "height"}),
    ],
)
def test_a_profile_is_proposed_for_real_layers(real_data, tmp_path, file, layer, expected):
    found = propose(real_data / "footprints" / file, layer)
    document = yaml.safe_load(found.profile_yaml)
    got = {name: document["fields"].get(name, {}).get("source") for name in expected if name != "natural_key"}
    if "natural_key" in expected:
        got["natural_key"] = document["natural_key"]
    assert got == expected
    assert all(0 < value <= 1 for name, value in found.confidence.items() if name != "natural_key")
    (tmp_path / "p.yaml").write_text(found.profile_yaml, encoding="utf-8")
    read_census_profile(tmp_path / "p.yaml")


def test_the_proposal_for_a_census_agrees_with_the_hand_made_profile(sample_data):
    found = yaml.safe_load(propose(sample_data / "census" / "guanggu_census.zip").profile_yaml)
    made = yaml.safe_load((sample_data / "census" / "profile.yaml").read_text(encoding="utf-8"))
    shared = {name: mapping["source"] for name, mapping in made["fields"].items() if name not in ("status", "storeys_below")}
    right = [name for name, source in shared.items() if found["fields"].get(name, {}).get("source") == source]
    assert len(right) / len(shared) >= 0.9, sorted(set(shared) - set(right))
    assert found["natural_key"] == made["natural_key"]
    assert "dcr" in found["drop_personal"]


def test_codes_without_a_known_meaning_are_questions_and_never_guessed():
    columns = {
        "fwbh": pa.array(["1", "2", "3"]),
        "jglx": pa.array(["1", "7", "8"]),
        "结构": pa.array(["砖石结构", "钢结构", "砖石结构"]),
    }
    found = suggest_profile({name: columns[name] for name in ("fwbh", "jglx")}, "Polygon", "x", "EPSG:4490")
    assert yaml.safe_load(found.profile_yaml)["fields"]["structure"]["values"] == {}
    assert any("1, 7, 8" in question for question in found.open_questions)
    words = suggest_profile({name: columns[name] for name in ("fwbh", "结构")}, "Polygon", "x", "EPSG:4490")
    assert yaml.safe_load(words.profile_yaml)["fields"]["structure"]["values"] == {"砖石结构": "MAS", "钢结构": "STL"}


def test_personal_values_are_found_under_any_name():
    # 11010519491231002X is the example of GB 11643; the others were completed by its check digit (ISO 7064 MOD 11-2).
    columns = {
        "a": pa.array(["11010519491231002X", "440524188001010014", "11010519491231002X"]),
        "b": pa.array(["13800138000", "13912345678", "15012345678"]),
        "id": pa.array([1, 2, 3]),
    }
    found = yaml.safe_load(suggest_profile(columns, "Polygon", "x", "EPSG:4490").profile_yaml)
    assert found["drop_personal"] == ["a", "b"]
