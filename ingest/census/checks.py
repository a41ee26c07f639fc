"""The attribute rules of the building census over whole columns; ids after `ingest.census.rules`."""

import numpy as np
from numpy.typing import NDArray

from cim.clock import utc_now
from ingest.census.columns import Coded, Mask
from ingest.census.mapping import Batch, Words, field_value
from ingest.census.profile import CensusProfile

_LOW_RISE_ONLY = ("MAS", "ETH", "CAV", "MIX")
_MAX_STOREYS: dict[object, float] = {"MAS": 7, "ETH": 3, "CAV": 2, "TMB": 6}
_DWELLINGS = ("urban_dwelling", "rural_single_dwelling", "rural_collective_dwelling")
_DATED = {"retrofit_year": "A08", "renovation_year": "A09", "extension_year": "A09", "appraisal_year": "A09"}
_FLAG_OF = {
    "retrofit_year": "seismic_retrofit",
    "renovation_year": "renovated",
    "extension_year": "self_extended",
    "appraisal_year": "appraised",
}


def check_batch(batch: Batch, profile: CensusProfile) -> None:
    """Apply every rule whose fields the profile maps.

    Parameters
    ----------
    batch
        As mapped; refused rows and warnings are noted in it.
    profile
        Names the sheet.
    """
    _check_storeys(batch, profile)
    _check_height(batch, profile)
    _check_years(batch)
    _check_structure(batch)
    _check_pairs(batch)
    _check_people(batch)


def _value(batch: Batch, name: str) -> Words:
    return lambda row: str(field_value(batch, name, row))


def _is_dwelling(batch: Batch, profile: CensusProfile) -> Mask:
    if profile.sheet is not None:
        return np.full(batch.n, profile.sheet in ("UR", "RI", "RC"))
    if "class_code" in batch.coded:
        return batch.coded["class_code"].is_in(*_DWELLINGS)
    return batch.coded["use"].is_in("residential") if "use" in batch.coded else np.zeros(batch.n, np.bool_)


def _check_storeys(batch: Batch, profile: CensusProfile) -> None:
    for name, low, high, where, where_zh in (("storeys_above", 1, 150, "above", "地上"), ("storeys_below", 0, 10, "below", "地下")):
        storeys, value = batch.numbers(name), _value(batch, name)
        bad = (storeys < low) | (storeys > high)
        batch.refuse(
            bad,
            "A04",
            lambda row, value=value, low=low, high=high, where=where: (  # type: ignore[misc]
                f"storeys {where} ground = {value(row)}, expected {low} to {high}"
            ),
            lambda row, value=value, low=low, high=high, where=where_zh: (  # type: ignore[misc]
                f"{where}层数为 {value(row)},应为 {low} 至 {high}"
            ),
        )
    single = batch.coded["class_code"].is_in("rural_single_dwelling") if "class_code" in batch.coded else np.zeros(batch.n, np.bool_)
    if profile.sheet == "RI":
        single = np.ones(batch.n, np.bool_)
    batch.warn(single & (batch.numbers("storeys_above") > 6), "A04")


def _check_height(batch: Batch, profile: CensusProfile) -> None:
    height, storeys, value = batch.numbers("height_m"), batch.numbers("storeys_above"), _value(batch, "height_m")
    batch.refuse(
        (height <= 0) | (height >= 1000),
        "A05",
        lambda row: f"height = {value(row)} m, expected 0 to 1000 m",
        lambda row: f"建筑高度 {value(row)} 米超出范围",
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        per_storey = height / storeys
    highest = np.where(_is_dwelling(batch, profile), 6.0, 15.0)
    batch.warn((per_storey < 2.2) | (per_storey > highest), "A05")


def _check_years(batch: Batch) -> None:
    this_year = utc_now().year
    year, value = batch.numbers("year_built"), _value(batch, "year_built")
    batch.refuse(
        (year < 1800) | (year > this_year),
        "A07",
        lambda row: f"year built = {value(row)}, expected 1800 to {this_year}",
        lambda row: f"建成年份 {value(row)} 应在 1800 至 {this_year} 之间",
    )
    latest = year
    if "era" in batch.coded:
        era = batch.coded["era"]
        first, last = _bound(era, 0), _bound(era, 1)

        def span(row: int) -> str:
            low, high = field_value(batch, "era", row)
            return f"{low or ''}-{high or ''}"

        batch.refuse(
            (year < first) | (year > last),
            "A07",
            lambda row: f"year built = {value(row)} contradicts era {span(row)}",
            lambda row: f"建成年份 {value(row)} 与建造年代 {span(row)} 不符",
        )
        latest = np.where(np.isnan(year), first, year)
    for name, rule in _DATED.items():
        _check_dated(batch, name, rule, latest, this_year)


def _bound(era: Coded, side: int) -> NDArray[np.float64]:
    open_end = -np.inf if side == 0 else np.inf
    table = np.array([*(open_end if value[side] is None else float(value[side]) for value in era.values), np.nan])
    return np.asarray(table[era.index])


def _check_dated(batch: Batch, name: str, rule: str, built: NDArray[np.float64], this_year: int) -> None:
    if name not in batch.number:
        return
    year, value = batch.number[name], _value(batch, name)
    batch.refuse(
        (year < built) | (year > this_year) | (year < 1800),
        rule,
        lambda row: f"{name} = {value(row)}, expected the year built to {this_year}",
        lambda row: f"{name} = {value(row)},应在建成年份至 {this_year} 之间",
    )
    flag = _FLAG_OF[name]
    if flag not in batch.coded:
        return
    yes, no = batch.flags(flag)
    batch.refuse(
        yes & np.isnan(year),
        rule,
        lambda _: f"{flag} is set and {name} is empty, expected a year",
        lambda _: f"{flag} 为是但 {name} 为空",
    )
    batch.refuse(
        no & ~np.isnan(year), rule, lambda row: f"{name} = {value(row)} although {flag} is not set", lambda _: f"{flag} 为否但填写了 {name}"
    )


def _check_structure(batch: Batch) -> None:
    structure, storeys = batch.coded.get("structure"), batch.numbers("storeys_above")
    if structure is None:
        return
    kind, count = _value(batch, "structure"), _value(batch, "storeys_above")
    batch.refuse(
        structure.is_in(*_LOW_RISE_ONLY) & (storeys >= 10),
        "A12",
        lambda row: f"structure {kind(row)} with {count(row)} storeys, expected fewer than 10",
        lambda row: f"{kind(row)} 结构不应有 {count(row)} 层",
    )
    batch.warn(storeys > structure.take(_MAX_STOREYS), "A11")
    if "isolation" in batch.coded:
        some = (batch.coded["isolation"].index >= 0) & ~batch.coded["isolation"].is_in("none", False)
        batch.warn(some & (batch.numbers("year_built") < 1990), "A13")


def _check_pairs(batch: Batch) -> None:
    """Apply the rules about fields that go together: appraisal, 'other' texts, flags of a use, photos."""
    if "appraised" in batch.coded and (batch.has("safety_grade") or batch.has("appraisal_safe")):
        yes, no = batch.flags("appraised")
        verdict = batch.filled("safety_grade") | batch.filled("appraisal_safe")
        batch.refuse(yes & ~verdict, "A10", lambda _: "appraised, but neither grade nor verdict", lambda _: "已鉴定但无鉴定等级或结论")
        batch.refuse(
            no & verdict, "A10", lambda _: "not appraised, but a grade or verdict is given", lambda _: "未鉴定但填写了鉴定等级或结论"
        )
    for name, other, code in (("use", "other_use", "other"), ("structure", "other_structure", "OTH")):
        if name in batch.coded and batch.has(other):
            chosen, said = batch.coded[name].is_in(code), batch.filled(other)
            batch.refuse(
                chosen & ~said,
                "A14",
                lambda _, name=name, other=other: f"{name} is 'other' and {other} is empty, expected a text",  # type: ignore[misc]
                lambda _, other=other: f"选择“其他”但 {other} 为空",  # type: ignore[misc]
            )
            batch.refuse(
                ~chosen & said,
                "A14",
                lambda _, name=name, other=other: f"{other} is given although {name} is not 'other'",  # type: ignore[misc]
                lambda _, other=other: f"未选择“其他”但填写了 {other}",  # type: ignore[misc]
            )
    for flag, use in (("education_key", "education"), ("medical_key", "medical")):
        if flag in batch.coded and "use" in batch.coded:
            yes, _ = batch.flags(flag)
            batch.refuse(
                yes & ~batch.coded["use"].is_in(use),
                "A16",
                lambda _, flag=flag, use=use: f"{flag} is set, expected use {use}",  # type: ignore[misc]
                lambda _, flag=flag: f"{flag} 与房屋用途不符",  # type: ignore[misc]
            )
    if batch.has("photo_ids"):
        batch.warn(~batch.filled("photo_ids"), "A15")
    if batch.has("damage_photo_ids") and "visible_damage" in batch.coded:
        batch.warn(batch.flags("visible_damage")[0] & ~batch.filled("damage_photo_ids"), "A15")


def _check_people(batch: Batch) -> None:
    households, residents = batch.numbers("households"), batch.numbers("residents")
    for count in (households, residents):
        batch.warn((count < 0) | (count > 20_000), "A17")
    with np.errstate(divide="ignore", invalid="ignore"):
        batch.warn(residents / households > 12, "A17")
