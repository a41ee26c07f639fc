"""Geocoding and linking on the sample city: measured against the building numbers that its addresses carry."""

import csv

import pytest

from cim.db import addresses, engine
from cim.db.geocode import fetch_gazetteer, geocode, reverse_geocode
from tests.support.cli import run_cim


@pytest.fixture(scope="module")
def truth(demo_city, sample_data):
    """Address code of the source → building code, by the number of the building that the source gives."""
    settings, _ = demo_city
    with (sample_data / "addresses" / "addresses.csv").open(encoding="utf-8-sig") as handle:
        rows = [row for row in csv.DictReader(handle) if row["建筑编号"]]
    with engine.connect(settings) as connection:
        codes = dict(connection.execute("SELECT value, code FROM external_code WHERE scheme = 'census_fwbh'").fetchall())
    return [(row, codes[row["建筑编号"]]) for row in rows if row["建筑编号"] in codes]


def test_links_without_the_number_reach_the_target(demo_city, truth):
    from cim.address.parse import parse
    from ingest.addresses.link import REACH_M, link

    settings, _ = demo_city
    with engine.connect(settings) as connection:
        gazetteer = fetch_gazetteer(connection)
        points = [(float(row["经度"]), float(row["纬度"])) for row, _ in truth]
        near = addresses.fetch_neighbours(connection, points, [None] * len(points), "census_fwbh", REACH_M)
    links = [link(parse(row["原始地址"], gazetteer), found) for (row, _), found in zip(truth, near, strict=True)]
    given = [one.building for one in links]
    right = sum(one == code for one, (_, code) in zip(given, truth, strict=True))
    assert right / sum(one is not None for one in given) >= 0.95
    assert right / len(truth) >= 0.80
    assert {one.method for one in links if one.building} <= {"contains", "name", "nearest"}


def test_a_position_that_was_shifted_is_linked_by_name_or_not_at_all(demo_city, truth):
    from cim.address.parse import parse
    from ingest.addresses.link import REACH_M, link

    settings, _ = demo_city
    named = [(row, code) for row, code in truth if row["来源"].startswith("OpenStreetMap")]
    with engine.connect(settings) as connection:
        gazetteer = fetch_gazetteer(connection)
        # 25 m to the east (30.5 N: 95,900 m per degree).
        points = [(float(row["经度"]) + 25 / 95_900, float(row["纬度"])) for row, _ in named]
        near = addresses.fetch_neighbours(connection, points, [None] * len(points), "census_fwbh", REACH_M)
    links = [link(parse(row["原始地址"], gazetteer), found) for (row, _), found in zip(named, near, strict=True)]
    by_name = [(one, code) for one, (_, code) in zip(links, named, strict=True) if one.method == "name"]
    assert len(by_name) >= 10
    assert sum(one.building == code for one, code in by_name) / len(by_name) >= 0.95
    assert all(one.score is not None and one.evidence for one in links if one.building)


def test_texts_without_a_position_are_found_by_name(demo_city, truth):
    settings, _ = demo_city
    named = [(row, code) for row, code in truth if row["来源"].startswith("OpenStreetMap")]
    with engine.connect(settings) as connection:
        gazetteer = fetch_gazetteer(connection)
        codes = dict(connection.execute("SELECT source_key, code FROM address").fetchall())
        best = []
        for row, code in named:
            found = geocode(connection, row["原始地址"], gazetteer=gazetteer, without=codes[row["地址编码"]], limit=1)
            best.append((found[0] if found else None, code))
    sure = [(place, code) for place, code in best if place is not None and place.score >= 0.9 and place.method == "name"]
    assert len(sure) / len(named) >= 0.8
    assert sum(place.building_code == code for place, code in sure) / len(sure) >= 0.95


def test_variants_of_one_name_are_found(demo_city):
    settings, _ = demo_city
    for text in ("光谷资本大厦", "光谷資本大廈", "武汉市洪山区光谷资本大厦"):
        found = run_cim(settings, "address", "geocode", text, "--json").json()
        assert found, text
        assert "光谷資本大廈" in str(found[0]["evidence"]) + str(found[0]["full_text"])


def test_a_number_that_nobody_stored_is_placed_between_its_neighbours(demo_city):
    settings, _ = demo_city
    with engine.connect(settings) as connection:
        rows = connection.execute(
            """SELECT road, (regexp_match(house_number, '[0-9]+'))[1]::int AS n, code FROM address
               WHERE road IS NOT NULL AND house_number ~ '^[0-9]+号$' ORDER BY road, n"""
        ).fetchall()
        by_side: dict[tuple[str, int], list[tuple[int, str]]] = {}
        for road, number, code in rows:
            by_side.setdefault((road, number % 2), []).append((number, code))
        (road, _), side = max(by_side.items(), key=lambda item: len(item[1]))
        number, code = side[len(side) // 2]
        found = geocode(connection, f"武汉市洪山区{road}{number}号", without=code)
    assert any(place.method == "interpolated" and place.score < 0.9 for place in found)


def test_reverse_gives_building_address_and_divisions(demo_city, truth):
    settings, _ = demo_city
    row, code = truth[0]
    with engine.connect(settings) as connection:
        found = reverse_geocode(connection, float(row["经度"]), float(row["纬度"]))
    assert (found["building_code"], found["distance_m"]) == (code, 0.0)
    assert found["divisions"][-1]["code"] == code[:12]
    assert found["address"]
    nothing = run_cim(settings, "address", "reverse", 0, 0, "--json").json()
    assert (nothing["building_code"], nothing["divisions"]) == (None, [])


def test_components_are_stored_with_the_addresses(demo_city):
    settings, _ = demo_city
    with engine.connect(settings) as connection:
        n, folded, parsed, scored = connection.execute(
            """SELECT count(*), count(norm_text), count(*) FILTER (WHERE components <> '{}'), count(match_score)
               FROM address WHERE building_code IS NOT NULL"""
        ).fetchone()
    assert n == folded == parsed == scored > 300
    listed = run_cim(settings, "address", "parse", "武汉市洪山区珞喻路726号3栋", "--json").json()
    assert listed[0]["road"] == "珞喻路"
