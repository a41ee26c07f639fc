"""OpenStreetMap extracts drawn by hand: ways are cut where they share a node, tags become kinds (meaning of the tags: OSM wiki)."""

import json

import pytest

from cim.errors import SourceSyntaxError
from ingest.network.osm import map_osm

# Node n lies at (114.4 + dx, 30.5 + dy), in 0.001°.
NODES = {1: (0, 0), 2: (1, 0), 3: (2, 0), 4: (1, -1), 5: (1, 1), 6: (3, 0), 7: (0, 2), 8: (2, 2), 9: (0, 3), 10: (1, 3)}
TAGS = {7: {"highway": "street_lamp"}, 8: {"emergency": "fire_hydrant", "fire_hydrant:type": "pillar"}, 9: {"manhole": "drain"}}
WAYS = {
    11: ([1, 2, 3], {"highway": "primary", "name": "珞喻路", "oneway": "yes"}),
    12: ([4, 2, 5], {"highway": "residential"}),
    13: ([3, 6], {"highway": "primary", "bridge": "yes", "oneway": "-1"}),
    14: ([7, 8], {"man_made": "pipeline", "substance": "water"}),
    15: ([9, 10], {"power": "cable", "voltage": "10000"}),
    16: ([1, 4], {"highway": "proposed"}),
    17: ([5, 8], {"man_made": "pipeline", "substance": "beer"}),
}


def tags(found):
    return "".join(f'<tag k="{k}" v="{v}"/>' for k, v in found.items())


@pytest.fixture
def extract(tmp_path):
    def write(ways=WAYS, spots=TAGS):
        nodes = "".join(
            f'<node id="{n}" version="1" lon="{114.4 + x / 1000:.7f}" lat="{30.5 + y / 1000:.7f}">{tags(spots.get(n, {}))}</node>'
            for n, (x, y) in NODES.items()
        )
        drawn = "".join(
            f'<way id="{n}" version="1">{"".join(f"""<nd ref="{i}"/>""" for i in refs)}{tags(told)}</way>'
            for n, (refs, told) in ways.items()
        )
        path = tmp_path / "town.osm"
        path.write_text(f'<?xml version="1.0"?><osm version="0.6" generator="hand">{nodes}{drawn}</osm>', encoding="utf-8")
        return {survey.kind: survey for survey in map_osm(path)}

    return write


def lines(survey):
    return {row["key"]: row for row in survey.lines.to_pylist()}


def test_ways_are_cut_where_they_share_a_node(extract):
    roads = lines(extract()["road"])
    assert set(roads) == {"way/11/1", "way/11/2", "way/12/1", "way/12/2", "way/13/1"}
    crossing = roads["way/11/1"]["end"]
    assert {roads["way/11/2"]["start"], roads["way/12/1"]["end"], roads["way/12/2"]["start"]} == {crossing}
    assert roads["way/13/1"]["start"] == roads["way/11/2"]["end"]


def test_tags_of_roads_become_features_and_direction(extract):
    roads = lines(extract()["road"])
    assert (roads["way/11/1"]["feature"], roads["way/11/1"]["flow_direction"]) == ("ROAD", 1.0)
    assert (roads["way/13/1"]["feature"], roads["way/13/1"]["flow_direction"]) == ("BRIDGE", -1.0)
    assert roads["way/12/1"]["flow_direction"] == 0.0
    assert json.loads(roads["way/11/2"]["attributes"]) == {"name": "珞喻路", "class": "primary"}


def test_other_tags_become_their_kind_of_network(extract):
    found = extract()
    assert set(found) == {"road", "lighting", "water", "rainwater", "power"}
    water = found["water"].points.to_pylist()
    assert [(row["key"], row["appendage"], row["type_code"]) for row in water if row["appendage"]] == [("node/8", "HYDRANT", "pillar")]
    # The pipeline ends in the hydrant: one point, not two.
    assert lines(found["water"])["way/14/1"]["end"] == "node/8"
    assert [row["appendage"] for row in found["lighting"].points.to_pylist()] == ["LAMP"]
    assert [row["appendage"] for row in found["rainwater"].points.to_pylist()] == ["GULLY"]
    cable = lines(found["power"])["way/15/1"]
    assert (cable["feature"], cable["voltage"]) == ("CABLE", "10000")


def test_an_extract_of_nothing_we_carry_is_refused(extract):
    with pytest.raises(SourceSyntaxError, match="no road, lamp, hydrant, manhole or pipeline"):
        extract(ways={17: WAYS[17]}, spots={})


def test_a_damaged_extract_is_refused(tmp_path):
    path = tmp_path / "broken.osm.pbf"
    path.write_bytes(b"\x00\x00\x00\x0d\x0a\x09OSMHeader\x18")
    with pytest.raises(SourceSyntaxError, match=r"broken\.osm\.pbf"):
        map_osm(path)
