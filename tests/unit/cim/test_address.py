"""Folding and parsing of Chinese addresses."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from cim.address.fold import fold, likeness, number_of
from cim.address.gazetteer import build_gazetteer
from cim.address.parse import parse

LABELLED = Path(__file__).resolve().parents[2] / "data" / "addresses" / "labelled.csv"
CITY = build_gazetteer(
    [("42", "湖北省"), ("4201", "武汉市"), ("420111", "洪山区"), ("420111006", "关山街道"), ("420111006011", "测试社区居委会"),
     ("4212", "咸宁市"), ("31", "上海市"), ("3101", "市辖区"), ("310104", "徐汇区")]
)  # fmt: skip


@pytest.fixture(scope="session")
def china(real_data):
    rows = []
    for name in ("provinces", "cities", "areas", "streets"):
        with (real_data / "admin" / f"cn_{name}.csv").open(encoding="utf-8") as handle:
            rows += [(row["code"], row["name"]) for row in csv.DictReader(handle)]
    return build_gazetteer(rows)


def test_folding_makes_spellings_equal():
    assert fold("光谷資本大廈　Ａ座") == "光谷资本大厦A座"
    assert fold("民族大道 1 号") == "民族大道1号"


@pytest.mark.parametrize(("text", "number"), [("726号", 726), ("十二号", 12), ("二十", 20), ("三十五弄", 35), ("无", None)])
def test_numbers_are_read_in_digits_and_characters(text, number):
    assert number_of(text) == number


def test_roads_that_sound_alike_are_alike():
    assert likeness("珞喻路", "珞瑜路") == 0.95  # both luò yù lù
    assert likeness("珞喻路", "民族大道") < 0.2


def test_upper_divisions_are_filled_where_the_name_is_unambiguous():
    found = parse("洪山区关山街道珞喻路726号", CITY)
    assert (found.county, found.town, found.road, found.house_number) == ("洪山区", "关山街道", "珞喻路", "726号")
    assert found.filled == {"province": "湖北省", "city": "武汉市"}
    assert found.division_code == "420111006"


def test_a_repeated_division_is_read_once():
    found = parse("武汉市武汉市洪山区民族大道1号光谷資本大廈", CITY)
    assert (found.city, found.county, found.road, found.house_number, found.estate) == (
        "武汉市",
        "洪山区",
        "民族大道",
        "1号",
        "光谷资本大厦",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3栋2单元11层1103室", {"building_no": "3栋", "unit_no": "2单元", "floor_no": "11层", "room_no": "1103室"}),
        ("幸福小区12-3-502", {"estate": "幸福小区", "building_no": "12", "unit_no": "3", "room_no": "502"}),
        ("光谷软件园B1层", {"estate": "光谷软件园", "floor_no": "B1层"}),
        ("珞喻路726号附1号", {"road": "珞喻路", "house_number": "726号附1号"}),
    ],
)
def test_what_stands_inside_is_told_apart(text, expected):
    assert parse(text).as_dict() == expected


@pytest.mark.parametrize(
    "text", ["", "   ", "???", "1", "Alphaalpine solutions inc", "号号号", "路" * 400, "武汉市" * 100, "\ud7ff\U0001f600"]
)
def test_any_text_is_parsed_without_a_fault(text):
    parse(text, CITY)


def test_the_labelled_addresses_are_split_as_people_split_them(china):
    right, wrong, missed = Counter(), Counter(), Counter()
    with LABELLED.open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            gold = {name: fold(value) for name, value in row.items() if name != "text" and value}
            found = {name: value for name, value in parse(row["text"], china).as_dict().items() if name in row and name != "text"}
            for name in gold.keys() | found.keys():
                target = right if gold.get(name) == found.get(name) else missed if name in gold else wrong
                target[name] += 1
                wrong[name] += name in gold and name in found and gold[name] != found[name]
    f1 = 2 * right.total() / (2 * right.total() + wrong.total() + missed.total())
    assert f1 >= 0.95, (missed, wrong)
