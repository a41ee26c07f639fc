"""Issue of codes by the store: concurrency, gaps after a restore; codes in words with what the register knows."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.clock import utc_now
from cim.codes import building, bulk, registry, repair
from cim.db import changes, codes, engine
from cim.errors import CodeError, StoreError
from tests.support.cli import run_cim

VILLAGE = "420111006011"
GOOD = "330109001001202100000100015"  # published test vector of the layout


def test_eight_writers_in_one_village_get_400_000_distinct_codes_without_gap(settings):
    got: list[list[str]] = [[] for _ in range(8)]

    def write(i):
        for part in range(5):
            with engine.connect(settings) as connection:
                issued = codes.issue_building_codes(connection, [VILLAGE] * 10_000, 2026)
                if part == 2:
                    connection.rollback()  # a failed load: its numbers go to the next writer
                    issued = codes.issue_building_codes(connection, [VILLAGE] * 10_000, 2026)
                got[i].extend(issued)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 120
    everything = [code for part in got for code in part]
    assert len(everything) == len(set(everything)) == 400_000
    assert bulk.passes(everything, building.BUILDING).all()
    # No sequence is missing: the counter is part of each writer's transaction.
    assert {int(code[16:22]) for code in everything} == set(range(1, 400_001))
    with engine.connect(settings) as connection:
        assert codes.fetch_counters(connection) == [("CIM-BC27-v1", VILLAGE, 2026, 400_000)]


def test_a_village_that_is_full_says_so_and_issues_nothing(settings):
    with engine.connect(settings) as connection:
        connection.execute("INSERT INTO code_counter VALUES ('CIM-BC27-v1', %s, 2026, 999998)", [VILLAGE])
    with engine.connect(settings) as connection, pytest.raises(CodeError, match="sequence 1000000 exceeds 999999"):
        codes.issue_building_codes(connection, [VILLAGE] * 2, 2026)


def issue(settings, n):
    with engine.connect(settings) as connection:
        return codes.issue_building_codes(connection, [VILLAGE] * n, 2026)


def test_codes_issued_after_a_backup_are_not_issued_again_after_its_restore(settings, tmp_path):
    issue(settings, 5)
    archive = tmp_path / "city.cimbak"
    assert run_cim(settings, "db", "backup", archive).code == 0
    lost = issue(settings, 7)
    restored = run_cim(settings, "db", "restore", archive, "--force")
    assert restored.code == 0, restored.err
    assert "1 code counters were raised" in restored.err
    assert not set(issue(settings, 20)) & set(lost)
    with engine.connect(settings) as connection:
        gaps = connection.execute("SELECT area, year, first_sequence, last_sequence FROM code_gap").fetchall()
    assert gaps == [(VILLAGE, 2026, 6, 12)]


def test_a_restore_on_a_new_machine_leaves_a_documented_safety_gap(settings, store, tmp_path):
    issue(settings, 5)
    archive = tmp_path / "city.cimbak"
    assert run_cim(settings, "db", "backup", archive).code == 0
    lost = issue(settings, 7)
    name = store.create()
    other = store.settings(name, tmp_path / "other")
    other.data_dir.mkdir()
    assert run_cim(other, "db", "restore", archive).code == 0
    assert not set(issue(other, 100)) & set(lost)
    with engine.connect(other) as connection:
        assert connection.execute("SELECT first_sequence, last_sequence FROM code_gap WHERE area <> '*'").fetchall() == [(6, 10_005)]
    store.drop(name)


def explain(settings, code):
    return run_cim(settings, "codes", "explain", code, "--json")


def test_a_slip_is_traced_to_the_registered_code_first(settings):
    held = issue(settings, 300)
    with engine.connect(settings) as connection:
        change = changes.open_change_set(connection, author="t", operation="edit", reason="t")
        for code in held:
            connection.execute(
                """INSERT INTO building (code, code_scheme, county_code, division_code, geom, change_set_id)
                   VALUES (%s, 'CIM-BC27-v1', '420111', %s, ST_Multi(ST_MakeEnvelope(114, 30, 114.1, 30.1, 4490)), %s)""",
                [code, VILLAGE, change],
            )
        connection.execute(
            "INSERT INTO division (code, name, level, change_set_id) VALUES ('420111', '洪山区', 3, %s), (%s, '测试社区', 5, %s)",
            [change, VILLAGE, change],
        )
    code = next(code for code in held if code[20] != code[21])
    swapped = code[:20] + code[21] + code[20] + code[22:]
    result = explain(settings, swapped)
    assert result.code == 1
    found = result.json()
    assert found["likely"][0]["code"] == code
    assert found["likely"][0]["what"] == "characters 21 and 22 swapped"
    assert found["likely"][0]["known_as"] == "building"
    assert [row["name"] for row in found["divisions"]] == ["洪山区", "测试社区"]


def test_explain_works_without_a_store_and_says_so(tmp_path):
    from cim.settings import Settings

    result = run_cim(Settings(data_dir=tmp_path / "none"), "codes", "explain", GOOD)
    assert result.code == 0
    assert "division names need the store" in result.out
    assert "census base map" in result.out


@given(st.text("0123456789", min_size=12, max_size=12), st.integers(2000, 2099), st.integers(1, 999_999), st.integers(0, 99))
def test_a_code_survives_assembly_check_and_splitting(area, year, sequence, sub):
    code = building.building_code(area, year, sequence, sub=sub)
    building.BUILDING.verify(code)
    parts = building.BUILDING.split(code)
    assert (parts["area12"], parts["assign_year"], parts["sequence"], parts["sub"]) == (area, f"{year}", f"{sequence:06d}", f"{sub:02d}")
    assert building.building_codes([area], year, [sequence], sub=sub) == [code]
    unit = building.unit_code(code, unit=2, floor=-3, room=1103)
    building.UNIT.verify(unit)
    assert unit[:26] == code[:26]


@given(st.integers(0, 26), st.integers(0, 25), st.sampled_from([GOOD, "440305001002202400012301026", "33010900100120210000060001X"]))
def test_every_swap_of_neighbours_and_every_wrong_digit_is_caught_and_repaired(place, other, code):
    wrong = [code[:place] + digit + code[place + 1 :] for digit in "0123456789" if digit != code[place]]
    if code[other] != code[other + 1] and "X" not in code[other : other + 2]:
        wrong.append(code[:other] + code[other + 1] + code[other] + code[other + 2 :])
    for one in wrong:
        with pytest.raises(CodeError):
            building.BUILDING.verify(one)
        assert code in {slip.code for slip in repair.slips(one, building.BUILDING)}


@pytest.mark.parametrize("scheme", [building.BUILDING, building.UNIT])
def test_checking_many_equals_checking_each(scheme):
    right = GOOD if scheme is building.BUILDING else "330109001001202100000100010201111033"
    codes_ = [right, right[:-1] + "X", right[:-2], right[:5] + "A" + right[6:], right[:-1] + "０", "", right.replace("2021", "1821")]
    expected = []
    for code in codes_:
        try:
            scheme.verify(code)
            expected.append(True)
        except CodeError:
            expected.append(False)
    assert bulk.passes(codes_, scheme).tolist() == expected


def test_a_file_of_codes_is_checked_and_the_wrong_ones_are_shown(settings, tmp_path):
    held = issue(settings, 5_000)
    held[4_000] = held[4_000][:-1] + ("0" if held[4_000][-1] != "0" else "1")
    (tmp_path / "codes.txt").write_text("\n".join(held), encoding="utf-8")
    result = run_cim(settings, "codes", "check", "--file", tmp_path / "codes.txt")
    assert result.code == 1
    assert "5000 checked" in result.out
    assert "1 wrong" in result.out
    listed = run_cim(settings, "codes", "check", "--file", tmp_path / "codes.txt", "--json").json()
    assert [row["code"] for row in listed if not row["valid"]] == [held[4_000]]


def test_every_scheme_of_the_registry_names_its_source():
    assert {"CIM-BC27-v1", "CIM-BC27-v1-unit", "JGJT246-23", "CN-REU28", "CN-DIV12", "CN-MC16", "SZ-25"} <= set(registry.SCHEMES)
    assert all(scheme.source for scheme in registry.SCHEMES.values())


def move(settings, store, tmp_path, archive, *, before=lambda _: None):
    """Restore on a machine of its own; return the settings and the name of its database."""
    name = store.create()
    other = store.settings(name, tmp_path / "other")
    other.data_dir.mkdir()
    before(other)
    restored = run_cim(other, "db", "restore", archive, "--force")
    assert restored.code == 0, restored.err
    return other, name


def issue_in(settings, area, n):
    with engine.connect(settings) as connection:
        return codes.issue_building_codes(connection, [area] * n, utc_now().year)


def test_a_new_machine_that_issued_codes_of_its_own_is_not_taken_for_the_lost_one(settings, store, tmp_path):
    issue_in(settings, VILLAGE, 5)
    archive = tmp_path / "city.cimbak"
    assert run_cim(settings, "db", "backup", archive).code == 0
    lost = issue_in(settings, VILLAGE, 7)
    other, name = move(settings, store, tmp_path, archive, before=lambda machine: issue_in(machine, VILLAGE, 2))
    assert not set(issue_in(other, VILLAGE, 100)) & set(lost)
    store.drop(name)


def test_villages_that_got_their_first_codes_after_the_backup_are_safe_too_even_when_restored_twice(settings, store, tmp_path):
    other_village = "420111006012"
    issue_in(settings, VILLAGE, 5)
    archive = tmp_path / "city.cimbak"
    assert run_cim(settings, "db", "backup", archive).code == 0
    lost = issue_in(settings, other_village, 7)
    other, name = move(settings, store, tmp_path, archive)
    # The same archive once more, over the store that has left the gap: the gap stays.
    issue_in(other, VILLAGE, 1)
    assert run_cim(other, "db", "restore", archive, "--force").code == 0
    issued = issue_in(other, other_village, 100)
    assert not set(issued) & set(lost)
    assert issued == building.building_codes([other_village] * 100, utc_now().year, range(10_001, 10_101))
    # The next numbers follow without another gap.
    assert issue_in(other, other_village, 1) == building.building_codes([other_village], utc_now().year, [10_101])
    store.drop(name)


def test_a_store_whose_counters_cannot_be_read_is_replaced_with_a_safety_gap(settings, tmp_path):
    issue_in(settings, VILLAGE, 5)
    archive = tmp_path / "city.cimbak"
    assert run_cim(settings, "db", "backup", archive).code == 0
    lost = issue_in(settings, VILLAGE, 7)
    with engine.connect(settings) as connection:
        connection.execute("DROP TABLE code_counter")
    restored = run_cim(settings, "db", "restore", archive, "--force")
    assert restored.code == 0, restored.err
    assert not set(issue_in(settings, VILLAGE, 100)) & set(lost)


def test_a_writer_at_work_during_a_restore_issues_nothing_that_comes_again(settings, tmp_path):
    issue_in(settings, VILLAGE, 5)
    archive = tmp_path / "city.cimbak"
    assert run_cim(settings, "db", "backup", archive).code == 0
    done, kept = threading.Event(), []

    def write():
        while not done.is_set():
            try:
                kept.extend(issue_in(settings, VILLAGE, 3))
            except StoreError:
                time.sleep(0.01)  # the exchange ended the session, or the new store is not there yet

    writer = threading.Thread(target=write)
    writer.start()
    try:
        restored = run_cim(settings, "db", "restore", archive, "--force")
    finally:
        done.set()
        writer.join()
    assert restored.code == 0, restored.err
    kept.extend(issue_in(settings, VILLAGE, 100))
    assert len(kept) == len(set(kept)) > 100


def test_a_division_is_named_as_it_was_when_the_code_was_assigned(settings):
    with engine.connect(settings) as connection:
        change = changes.open_change_set(connection, author="t", operation="edit", reason="t")
        connection.execute(
            "INSERT INTO division (code, name, level, change_set_id, valid_from) VALUES ('330109001', '旧街道', 4, %s, '2020-01-01Z')",
            [change],
        )
        connection.execute(
            """UPDATE division SET name = '新街道', effective_to = '2024-06-30', successor_code = '330109008', version = 2,
                      valid_from = '2024-01-01Z', recorded_at = now(), change_set_id = %s""",
            [change],
        )
    [found] = explain(settings, GOOD).json()["divisions"]  # assigned in 2021
    assert (found["name"], found["name_then"]) == ("新街道", "旧街道")
    assert (found["withdrawn_on"], found["successor_code"]) == ("2024-06-30", "330109008")
    assert "新街道 (then 当时 旧街道" in run_cim(settings, "codes", "explain", GOOD).out


def test_a_scheme_is_shown_with_its_segments(settings):
    shown = run_cim(settings, "codes", "scheme", "show", "CIM-BC27-v1", "--json").json()
    assert (shown["length"], shown["check_characters"]) == (27, 1)
    assert [(s["id"], s["first"], s["last"]) for s in shown["segments"]][:3] == [
        ("area12", 1, 12), ("assign_year", 13, 16), ("sequence", 17, 22),
    ]  # fmt: skip
    assert run_cim(settings, "codes", "scheme", "show", "nothing").code == 1
    assert "ISO/IEC 7064" in run_cim(settings, "codes", "scheme", "show", "CIM-BC27-v1").out
