"""Hashes of STEP instances: what is written in another way hashes the same, what says something else does not."""

import random
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ingest.ifc.definitions import definitions
from ingest.ifc.step_hash import StepHashes, hash_file

DUPLEX = Path(__file__).resolve().parents[3] / "sample_data" / "ifc" / "duplex.ifc"
_INSTANCE = re.compile(r"^#(\d+)\s*=", re.MULTILINE)
_REFERENCE = re.compile(r"'[^']*'|#(\d+)")
HEAD = "ISO-10303-21;\nHEADER;\nENDSEC;\nDATA;\n"
TAIL = "ENDSEC;\nEND-ISO-10303-21;\n"


@pytest.fixture(scope="module")
def duplex():
    return DUPLEX.read_text(encoding="utf-8")


def hashed(tmp_path, text):
    path = tmp_path / "model.ifc"
    path.write_text(text, encoding="utf-8")
    return hash_file(path)


def one(tmp_path, body, number):
    return hashed(tmp_path, HEAD + body + TAIL).of(np.array([number], np.int64))[0]


def renumbered(text, seed):
    """Give every instance another number and every line another place; return the text and the numbers, old to new."""
    chance = random.Random(seed)  # noqa: S311 - no secret, the same every time
    start, end = text.index("DATA;") + 5, text.rindex("ENDSEC;")
    old = [int(number) for number in _INSTANCE.findall(text[start:end])]
    new = dict(zip(old, chance.sample(range(1, 40 * len(old)), len(old)), strict=True))
    moved = _REFERENCE.sub(lambda found: found[0] if found[1] is None else f"#{new[int(found[1])]}", text[start:end])
    lines = [line for line in moved.splitlines() if line.strip()]
    chance.shuffle(lines)
    return text[:start] + "\n" + "\n".join(lines) + "\n" + text[end:], new


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_renumbered_file_hashes_the_same(tmp_path, duplex, seed):
    first = hashed(tmp_path, duplex)
    text, new = renumbered(duplex, seed)
    second = hashed(tmp_path, text)
    old = np.array(sorted(new), np.int64)
    np.testing.assert_array_equal(first.of(old), second.of(np.array([new[number] for number in old.tolist()], np.int64)))
    assert (first.looks, first.units) == (second.looks, second.units)
    # Not by being all alike.
    assert len(np.unique(first.words)) > len(first.words) / 2


def test_a_changed_coordinate_changes_what_refers_to_it_and_nothing_else(tmp_path, duplex):
    before = hashed(tmp_path, duplex)
    # Who refers to a point, and who to those, is found by plain search.
    point = re.search(r"^#(\d+)=\s*IFCCARTESIANPOINT\(\((-?\d+\.\d*),(-?\d+\.\d*)\)\);", duplex, re.MULTILINE)
    changed = duplex[: point.start(2)] + f"{float(point[2]) + 0.001!r}" + duplex[point.end(2) :]
    after = hashed(tmp_path, changed)
    refers = {}
    for number, body in re.findall(r"^#(\d+)=(.*);\s*$", duplex, re.MULTILINE):
        targets = [target for target in _REFERENCE.findall(body) if target]
        # A style says nothing of what it colours.
        for target in targets[1:] if body.startswith(("IFCSTYLEDITEM", "IFCINDEXEDCOLOURMAP")) else targets:
            refers.setdefault(int(target), set()).add(int(number))
    touched, due = set(), [int(point[1])]
    while due:
        number = due.pop()
        if number not in touched:
            touched.add(number)
            due += refers.get(number, ())
    differing = set(before.ids[before.words != after.words].tolist())
    assert touched == differing
    assert len(touched) > 2


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("#1=IFCX('a b',1.);\n", "#1 = IFCX ( 'a b' , 1. ) ;\n", True),
        ("#1=IFCX('a b',1.);\n", "#1=IFCX('ab',1.);\n", False),
        ("#1=IFCX(/* said */1.);\n", "#1=IFCX(1.);\n", True),
        # A comment does not begin in a string.
        ("#1=IFCX('/*',1.);\n#2=IFCX('*/');\n", "#1=IFCX('/*',2.);\n#2=IFCX('*/');\n", False),
        ("#1=IFCX('#5');\n#5=IFCY(1.);\n", "#1=IFCX('#5');\n#5=IFCY(2.);\n", True),
        ("#1=IFCX(#5);\n#5=IFCY(1.);\n", "#1=IFCX(#5);\n#5=IFCY(2.);\n", False),
        ("#1=IFCX(#5,#6);\n#5=IFCY(1.);\n#6=IFCY(2.);\n", "#1=IFCX(#6,#5);\n#5=IFCY(1.);\n#6=IFCY(2.);\n", False),
        ("#1=IFCX('it''s;\n',#5);\n#5=IFCY(1.);\n", "#1=IFCX('it''s;\n',#9);\n#9=IFCY(1.);\n", True),
    ],
)
def test_what_counts(tmp_path, first, second, same):
    assert bool(one(tmp_path, first, 1) == one(tmp_path, second, 1)) is same


def test_circles_end(tmp_path):
    assert one(tmp_path, "#1=IFCX(#2);\n#2=IFCX(#1);\n", 1) != 0


def test_a_colour_counts_for_what_it_is_put_on(tmp_path):
    body = "#1=IFCBOX(1.);\n#2=IFCSTYLEDITEM(#1,(#3),$);\n#3=IFCSURFACESTYLE('{}');\n"
    assert one(tmp_path, body.format("red"), 1) != one(tmp_path, body.format("blue"), 1)


def test_saved_hashes_come_back(tmp_path, duplex):
    made = hashed(tmp_path, duplex)
    made.save(tmp_path / "hashes.npz")
    read = StepHashes.load(tmp_path / "hashes.npz")
    np.testing.assert_array_equal(read.words, made.words)
    assert (read.looks, read.units) == (made.looks, made.units)


def test_definitions_tell_openings_places_and_versions_apart(tmp_path):
    body = "#1=IFCSHAPE(1.);\n#2=IFCPLACE(1.);\n#3=IFCPLACE(2.);\n#4=IFCSHAPE(3.);\n#5=IFCMATERIAL('a');\n"
    hashes = hashed(tmp_path, HEAD + body + TAIL)
    plain = {"id": 10, "shape": 1, "materials": [], "voids": [], "place": 2, "matrix": [0.0] * 12}

    def key(**more):
        return definitions([plain | more], hashes, more.pop("version", "v"))[10]

    # The place of an element without openings is not part of its shape (IFC 4.3.2, 4.1.7.2: representation in the object's own frame).
    assert key() == key(place=3)
    assert key() != key(shape=4)
    assert key() != key(materials=[5])
    assert key(voids=[[4, 2]]) != key(voids=[[4, 3]])
    assert key(voids=[[4, 2]]) != key(voids=[[4, 2]], place=3)
    assert definitions([plain | {"matrix": None}], hashes, "v") == {}
    assert definitions([plain], hashes, "v") != definitions([plain], hashes, "w")


def test_a_very_long_string_takes_little_more_memory_than_itself(tmp_path):
    path = tmp_path / "long.ifc"
    with path.open("w") as out:
        out.write(HEAD + "#1=IFCX('")
        for _ in range(60):
            out.write("a;\n" * 350_000)
        out.write("',#2);\n#2=IFCY(1.);\n" + TAIL)
    size = path.stat().st_size
    code = (
        "import sys; from pathlib import Path; from ingest.ifc.step_hash import hash_file; found = hash_file(Path(sys.argv[1])); "
        "peak = next(line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith('VmHWM')); "
        "print(len(found.ids), peak.split()[1])"
    )
    limit = 3 * size + (1 << 30)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    count, peak = map(int, done.stdout.split())
    assert count == 2
    # The string twice (mapped, and as a piece), the interpreter and its arrays; forty times its size where it is scanned like the rest.
    assert peak * 1024 < 3 * size + 150_000_000
