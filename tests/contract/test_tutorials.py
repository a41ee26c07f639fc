"""The commands of the how-to for the OGC API run as they are printed, against a real server."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/how-to/ogc-api.md").read_text(encoding="utf-8")
BLOCKS = [
    (language, text) for language, text in re.findall(r"```(bash|python|javascript)\n(.*?)```", PAGE, re.DOTALL) if "PATCH" not in text
]
"""Writes are tested on a city of their own (`tests/pipeline/test_edits.py`)."""


def program(language):
    if language == "bash":
        missing = [name for name in ("curl", "ogr2ogr") if shutil.which(name) is None]
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")
        return ["bash", "-euo", "pipefail", "-c"]
    if language == "python":
        return [sys.executable, "-c"]
    pointer = ROOT / ".tools/node-bin"
    node = shutil.which("node", path=pointer.read_text().strip() if pointer.exists() else None)
    if node is None:
        pytest.skip("node is not installed")
    return [node, "--input-type=module", "-e"]


def test_there_is_a_block_for_each_kind_of_client():
    assert {"bash", "python", "javascript"} == {language for language, _ in BLOCKS}
    assert {"curl", "ogrinfo", "ogr2ogr", "geopandas", "maplibregl"} <= set(re.findall(r"\w+", " ".join(text for _, text in BLOCKS)))


@pytest.mark.parametrize(("language", "text"), BLOCKS, ids=[f"{language}{n}" for n, (language, _) in enumerate(BLOCKS)])
def test_a_block_runs_as_printed(demo_server, tmp_path, language, text):
    made = text.replace("http://127.0.0.1:8000", demo_server)
    if language == "bash":
        # An answer that is an error must fail the block; printed commands leave that out.
        made = made.replace("curl ", "curl -sf ")
    if language == "javascript":
        made = "globalThis.maplibregl = { Map: class { on() {} } };\n" + made + "\nif (page.features.length !== 100) process.exit(1);"
    done = subprocess.run(
        [*program(language), made], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr[-1500:] + done.stdout[-500:]
    for name in re.findall(r"(?:-o|ogr2ogr) (\w+\.gpkg)", text):
        assert (tmp_path / name).stat().st_size > 10_000, name
