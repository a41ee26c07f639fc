"""Text columns of surveys against Python's own idea of blanks, numbers and JSON."""

import json
import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from ingest.census.columns import json_objects, numbers_of, text_of

_BLANKS = [chr(x) for x in range(0x3001) if unicodedata.category(chr(x)) in ("Zs", "Zl", "Zp")] + list(" \t\n\r\v\f")


def test_blanks_of_unicode_are_trimmed_and_nothing_else():
    cells = [form.format(blank) for blank in _BLANKS for form in ("{}中a", "中{}", "a{}", "{}", "é{}", "{}x", "a{}c")]
    tidy = ["中国", "é", "〇", "、号", "a", "ẞß", "…x…"]
    expected = [cell.strip("".join(_BLANKS)) or None for cell in cells]
    # One column per cell: a column is looked at as a whole before its cells are.
    assert [text_of(pa.array(["ok", cell, None])).to_pylist()[1] for cell in cells] == expected
    assert text_of(pa.array([*tidy, None])).to_pylist() == [*tidy, None]
    assert text_of(pa.array(["x", *tidy, None]).slice(1)).to_pylist() == [*tidy, None]


def test_empty_cells_and_nul_do_not_pass():
    assert text_of(pa.array(["", "a", None])).to_pylist() == [None, "a", None]
    assert text_of(pa.array(["a\0b", "c"])).to_pylist() == ["ab", "c"]
    assert text_of(pa.array([], pa.string())).to_pylist() == []


def test_numbers_are_read_and_faults_told():
    cells = pa.array(["1", "x", None, "1e400", "-2.5", "+3", "1", "1 2"])
    values, wrong = numbers_of(cells, text_of(cells))
    np.testing.assert_array_equal(values, [1, np.nan, np.nan, np.nan, -2.5, 3, 1, np.nan])
    assert wrong.tolist() == [False, True, False, True, False, False, False, True]


@pytest.mark.parametrize("n", [1, 50, 4_000])
@pytest.mark.parametrize("kinds", [3, 1_000_000])
def test_json_objects_hold_the_cells_that_are_filled(n, kinds):
    random = np.random.default_rng(n)
    words = ["plain", 'quote"', "back\\slash", "中\n", "", None]
    rows = [
        {
            "名": words[random.integers(len(words))],
            "n": None if i % 7 == 0 else int(random.integers(kinds)),
            "t": f"v{random.integers(kinds)}",
        }
        for i in range(n)
    ]
    numbers = [None if row["n"] is None else str(row["n"]) for row in rows]
    columns = {"名": pa.array([row["名"] for row in rows], pa.string()), "#n": pa.array(numbers, pa.string())}
    found = json_objects(columns | {"t": pa.array([row["t"] for row in rows])}, n)
    assert [json.loads(text) for text in found.to_pylist()] == [
        {name: value for name, value in row.items() if value is not None} for row in rows
    ]
    assert json_objects({}, 2).to_pylist() == ["{}", "{}"]
