"""Every content of the sample city under the Khronos glTF validator: no error, no warning."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from cim.db import tile_reads
from cim.db.arrow_read import ArrowReader
from cim.geoid import Geoid
from cim.settings import TilesSettings
from tiles import city, grid
from tiles.layers.buildings import Heights

VIEWER = Path(__file__).resolve().parent.parent.parent / "viewer"
SCRIPT = """
const { validateBytes } = require("gltf-validator"), { readFileSync } = require("node:fs");
(async () => {
  const bad = [];
  for (const path of JSON.parse(readFileSync(0, "utf8"))) {
    const { issues } = await validateBytes(new Uint8Array(readFileSync(path)), { maxIssues: 20 });
    if (issues.numErrors || issues.numWarnings) bad.push([path, issues.messages.filter(one => one.severity < 2)]);
  }
  console.log(JSON.stringify(bad));
})();
"""


def validated(paths):
    node = shutil.which("node")
    tools = VIEWER.parent / ".tools/node-bin"
    if node is None and tools.exists():
        node = str(Path(tools.read_text().strip()) / "node")
    if node is None or not (VIEWER / "node_modules/gltf-validator").exists():
        pytest.fail("node or gltf-validator is missing; run scripts/bootstrap.sh")
    done = subprocess.run(
        [node, "-e", SCRIPT], input=json.dumps(list(map(str, paths))), cwd=VIEWER, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_every_content_of_the_sample_city_is_valid_gltf(demo_city):
    settings, _ = demo_city
    paths = sorted(Path(settings.tiles_url).rglob("*.glb"))
    layers = {path.relative_to(settings.tiles_url).parts[0] for path in paths}
    assert {"buildings", "bim", "networks"} <= layers
    assert validated(paths) == []


def test_unpacked_buildings_are_valid_gltf_too(demo_city, tmp_path):
    # The validator does not unpack EXT_meshopt_compression: the numbers are seen only in plain files.
    settings = demo_city[0].model_copy(update={"tile_store": str(tmp_path), "tiles": TilesSettings(meshopt=False)})
    with ArrowReader(settings) as reader:
        counts, _ = tile_reads.fetch_building_cells(reader, grid.BASE_LEVEL, tile_reads.STANDING)
        for key in city.plan_cells(counts):
            city.make_cell(settings, reader, city.CellJob(key, Heights(Geoid(-13.0), 25.0), {}))
    paths = sorted(tmp_path.rglob("*.glb"))
    assert len(paths) > 1
    assert validated(paths) == []
