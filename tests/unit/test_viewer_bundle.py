"""What the viewer weighs without the 3D engine: ADR 0018 allows 600 kB gzip, and a quarter of it before the first view."""

import gzip
from pathlib import Path

import pytest

DIST = Path(__file__).resolve().parent.parent.parent / "viewer" / "dist"
MOST_BYTES = 600_000
MOST_BYTES_AT_FIRST = 150_000


def test_the_viewer_without_the_3d_engine_is_at_most_600_kb_gzip():
    if not (DIST / "index.html").is_file():
        pytest.fail("viewer/dist is missing; run scripts/bootstrap.sh")
    files = [one for one in (DIST / "assets").rglob("*") if one.suffix in (".js", ".mjs", ".css")]
    engine = [one for one in files if one.name.startswith("cesium-")]
    assert engine, "the 3D engine has no chunk of its own"
    sizes = {one.name: len(gzip.compress(one.read_bytes(), 6)) for one in files if one not in engine}
    assert sum(sizes.values()) <= MOST_BYTES, sizes
    # The page itself; the flat map and the charts come when they are wanted.
    first = {name: size for name, size in sizes.items() if name.startswith(("index-", "app-", "rolldown-runtime-"))}
    assert len(first) == 4, sizes
    assert sum(first.values()) <= MOST_BYTES_AT_FIRST, first
