"""Live tiles over real HTTP: the bytes of the batch, any CQL2 filter, past dates, entity tags, refusals."""

import json
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest

from cim.db import engine, tilesets
from tiles.store import TileStore
from tiles.validate import Checker, Report, check_content


def ask(url, **headers):
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def live(server, **query):
    text = urllib.parse.urlencode(query)
    return f"{server}/3dtiles/buildings/live/tileset.json" + (f"?{text}" if text else "")


def contents(url):
    status, _, body = ask(url)
    assert status == 200, body
    found = {}
    waiting = [json.loads(body)["root"]]
    while waiting:
        tile = waiting.pop()
        waiting += tile.get("children", [])
        if "content" in tile:
            uri = tile["content"]["uri"]
            status, _, glb = ask(urllib.parse.urljoin(url, uri))
            assert status == 200, glb
            found[uri.partition(".glb")[0].rpartition("/")[2]] = glb
    return found


def codes(tiles):
    return sorted(code for glb in tiles.values() for code in check_content(glb)[0])


def test_live_tiles_have_the_bytes_of_the_batch(demo_city, demo_server):
    settings, _ = demo_city
    with engine.connect(settings) as connection:
        rows = {row.key: row for row in tilesets.fetch_input_hashes(connection, "buildings").values() if not row.is_far}
    store = TileStore(settings.tiles_url)
    made = contents(live(demo_server))
    assert set(made) == set(rows)
    assert all(glb == store.read(f"buildings/{rows[key].uri}") for key, glb in made.items())


def test_a_filter_shows_the_buildings_that_the_api_finds(demo_server):
    condition = "height_m > 40 AND use = 'residential'"
    query = urllib.parse.urlencode({"filter": condition, "limit": 10_000})
    _, _, body = ask(f"{demo_server}/collections/buildings/items?{query}")
    wanted = sorted(one["id"] for one in json.loads(body)["features"])
    assert 0 < len(wanted) < 10_000
    assert codes(contents(live(demo_server, filter=condition))) == wanted


def test_a_live_tileset_passes_the_checks_of_a_built_one(demo_server):
    report = Report("live")
    url = live(demo_server, filter="height_m > 30")

    def read(path):
        _, _, body = ask(urllib.parse.urljoin(url, path))
        return body

    Checker(read, report).document(url.rpartition("/")[2], np.eye(4), None, "root", None)
    assert report.tiles > 0
    assert report.faults == []


def test_an_unchanged_live_tile_is_not_sent_twice(demo_server):
    _, headers, _ = ask(live(demo_server))
    status, _, body = ask(live(demo_server), **{"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, b"")
    key = next(iter(contents(live(demo_server))))
    tile = f"{demo_server}/3dtiles/buildings/live/tile/{key}.glb"
    _, headers, _ = ask(tile)
    assert ask(tile, **{"If-None-Match": headers["ETag"]})[0] == 304


def test_before_the_first_load_there_was_nothing(demo_server):
    assert contents(live(demo_server, datetime="2001-01-01T00:00:00Z")) == {}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("castles/live/tileset.json", 404),
        ("buildings/live/tile/9.glb", 404),
        ("buildings/live/tile/0.glb", 404),
        ("buildings/live/tileset.json?filter=height_m%20%3E", 400),
        ("buildings/live/tileset.json?colour=red", 400),
    ],
)
def test_what_cannot_be_shown_is_refused(demo_server, path, status):
    assert ask(f"{demo_server}/3dtiles/{path}")[0] == status
