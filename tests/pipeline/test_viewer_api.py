"""The file the viewer's types are made of is what the server says of itself."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_viewers_part_of_the_openapi_document_is_current(demo_server):
    argv = [sys.executable, str(ROOT / "scripts/make_viewer_api.py"), demo_server, "--check"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}: run scripts/make_viewer_api.py with a server's address, then npm run types in viewer"
