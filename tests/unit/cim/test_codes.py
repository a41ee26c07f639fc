"""Codes: expected values are published or hand-computed vectors, see each source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.codes import building, registry
from cim.codes.beidou import grid_code
from cim.errors import CodeError

# ISO 7064 MOD 11-2 examples in the layout CIM-BC27-v1, computed by hand with the weights 2^(i+1) mod 11.
BUILDING_VECTORS = [
    ("330109001001", 2021, 1, 0, "01", "330109001001202100000100015"),
    ("330109001001", 2021, 2, 0, "01", "330109001001202100000200016"),
    ("330109001001", 2021, 9, 0, "01", "330109001001202100000900012"),
    ("330109001001", 2021, 6, 0, "01", "33010900100120210000060001X"),
    ("440305001002", 2024, 123, 1, "02", "440305001002202400012301026"),
]


@pytest.mark.parametrize(("area", "year", "sequence", "sub", "origin", "code"), BUILDING_VECTORS)
def test_a_building_code_is_assembled_as_the_vectors_say(area, year, sequence, sub, origin, code):
    assert building.building_code(area, year, sequence, sub=sub, origin=origin) == code
    registry.scheme("CIM-BC27-v1").verify(code)


@pytest.mark.parametrize(
    ("unit", "floor", "room", "code"),
    [(2, 11, 1103, "330109001001202100000100010201111033"), (0, -2, 15, "330109001001202100000100010090200155")],
)
def test_a_unit_code_is_assembled_as_the_vectors_say(unit, floor, room, code):
    assert building.unit_code("330109001001202100000100015", unit=unit, floor=floor, room=room) == code


# JGJ/T 246-2012 examples with their check digits (one with an unknown year, "*" counting 10).
@pytest.mark.parametrize("code", ["11010101020200009000003", "11010101020200009100012", "330109001****0012000009"])
def test_the_withdrawn_house_codes_check(code):
    registry.scheme("JGJT246-23").verify(code)


def test_the_check_digit_of_the_citizen_id_example_is_x():
    # GB 11643-1999, annex: 11010519491231002X.
    assert building.check_digit("11010519491231002") == "X"


def test_a_wrong_check_digit_names_the_right_one():
    with pytest.raises(CodeError, match="check digit is 4, expected 5"):
        registry.scheme("CIM-BC27-v1").verify("330109001001202100000100014")


def test_a_code_of_unknown_length_lists_what_is_known():
    with pytest.raises(CodeError, match=r"no scheme has 3 characters, expected 27 \(CIM-BC27-v1\)"):
        registry.recognise("123")


@given(st.text("0123456789", min_size=26, max_size=26), st.integers(0, 25), st.integers(1, 9))
def test_a_single_wrong_digit_never_passes(body, place, shift):
    changed = body[:place] + str((int(body[place]) + shift) % 10) + body[place + 1 :]
    assert building.check_digit(body) != building.check_digit(changed)


@pytest.mark.parametrize(
    ("lon", "lat", "level", "code"),
    [
        # GB/T 39409-2020 worked example: 116 deg 18' 45.37" E, 39 deg 59' 35.38" N.
        (116 + 18 / 60 + 45.37 / 3600, 39 + 59 / 60 + 35.38 / 3600, 10, "N50J47539B8255346152"),
        (120.3, 30.2, 8, "N51H043320000000"),
    ],
)
def test_the_beidou_grid_code_matches_the_published_vector(lon, lat, level, code):
    assert grid_code(lon, lat, level=level) == code


def test_the_beidou_grid_code_refuses_the_polar_caps():
    with pytest.raises(CodeError, match="±88"):
        grid_code(0.0, 89.0)
