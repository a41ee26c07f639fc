"""What the documentation says is checked here."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cim import cli

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "sample_data" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    text = page.read_text(encoding="utf-8")
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", target)]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


def test_the_generated_reference_is_current():
    done = subprocess.run([sys.executable, str(ROOT / "scripts/make_reference.py"), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_command_of_the_readme_exists():
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "scripts/make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    known = set(re.findall(r"^### `(cim[^`]*)`", module.cli_page(), re.MULTILINE))
    readme = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    used = {" ".join(words.split()) for words in re.findall(r"(?:^|&& |`)(cim(?: [a-z]+){1,2})(?= |`|$)", readme, re.MULTILINE)}
    unknown = {command for command in used if command not in known and " ".join(command.split()[:2]) not in known}
    assert used
    assert unknown == set()


def test_every_command_has_an_example_and_json():
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "scripts/make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sections = re.split(r"^### ", module.cli_page(), flags=re.MULTILINE)[1:]
    assert len(sections) > 20
    assert [s.split("\n")[0] for s in sections if "Example:" not in s] == []
    without_json = {s.split("\n")[0].strip("`") for s in sections if "--json" not in s}
    # These hand the terminal over: to psql, or to a server that runs until it is stopped.
    assert without_json <= {"cim db psql", "cim up", "cim serve", "cim"}


def test_the_command_root_lists_every_entry_point():
    assert set(cli.commands()) >= {"db", "codes", "doctor", "up", "demo", "worker", "ingest", "bim", "tiles", "serve"}
