"""Proposing a mapping profile from field names and values, and saying how sure each line is.

Numbers of an enumeration are never guessed: a code whose meaning is not known is left out and listed as a question to decide.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from stdnum.cn import ric

from ingest.census.columns import is_filled, numbers_of, text_of
from ingest.census.profile import ENUMERATIONS, read_census_profile, shipped_profiles

_SURE, _LIKELY = 0.9, 0.6
NAMES: dict[str, tuple[str, ...]] = {
    "name": ("jzmc", "name", "mc", "建筑名称", "楼名", "名称", "building_name"),
    "address": ("address", "dz", "地址", "addr", "建筑地址", "location"),
    "division_code": ("village", "cun", "行政区划", "区划代码", "xzqdm", "village_code", "division"),
    "height_m": ("gd", "height", "jzgd", "建筑高度", "高度", "h", "bldg_height"),
    "storeys_above": ("dscs", "cs", "floor", "floors", "storeys", "levels", "building:levels", "地上层数", "层数", "layer", "stories"),
    "storeys_below": ("dxcs", "地下层数", "basement", "levels_underground", "building:levels:underground"),
    "year_built": ("build_time", "jcsj", "year", "year_built", "建成时间", "建成年份", "nd", "start_date"),
    "floor_area_m2": ("dcmj", "jzmj", "建筑面积", "floor_area", "gfa", "调查面积"),
    "use": ("jzytqg", "fwyt", "用途", "房屋用途", "use", "usage", "building_use"),
    "structure": ("jglxqg", "jglx", "结构类型", "结构", "structure"),
    "era": ("jzndqg", "jznd", "建造年代", "era"),
    "class_code": ("fwlb", "fwlx", "房屋类别", "class"),
    "safety_grade": ("aqjdjl", "鉴定等级", "grade"),
    "remark": ("bz", "备注", "remark", "note", "comment"),
}  # fmt: skip
_KEYS = ("fwbh", "房屋编号", "osm_id", "objectid", "fid", "gid", "id", "uid", "wybs", "bh", "编号", "code")
_PERSONAL = ("hzxm", "sfz", "lxdh", "dcr", "户主姓名", "身份证", "联系电话", "电话", "owner", "phone", "idcard", "产权人", "姓名")
_TYPES = {"height_m": "number", "floor_area_m2": "number", "storeys_above": "integer", "storeys_below": "integer", "year_built": "integer"}
_RANGES = {
    "height_m": (1, 700), "floor_area_m2": (1, 1e6), "storeys_above": (0, 150), "storeys_below": (0, 10), "year_built": (1700, 2100),
}  # fmt: skip
_SURNAMES = set(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严武戴莫孔向汤"
)


@dataclass(frozen=True)
class Suggestion:
    """A proposed profile.

    Parameters
    ----------
    profile_yaml
        The profile, with the confidence of each line as a comment.
    confidence
        Register field → 0-1.
    reasons
        Register field → why.
    open_questions
        What a person has to decide before the profile is used.
    """

    profile_yaml: str
    confidence: dict[str, float]
    reasons: dict[str, str]
    open_questions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Column:
    """What the values of a field look like."""

    name: str
    text: Any
    filled: float
    distinct: int
    numeric: float
    whole: float
    low: float
    high: float

    @property
    def is_unique(self) -> bool:
        return self.filled == 1.0 and self.distinct == len(self.text)


def suggest_profile(columns: Mapping[str, Any], geometry_type: str, layer: str, crs: str) -> Suggestion:
    """Propose a profile for a layer.

    Parameters
    ----------
    columns
        Field → Arrow array of its values (a sample will do).
    geometry_type, layer, crs
        As the source has them.
    """
    looks = {name: _look(name, array) for name, array in columns.items()}
    personal = {name: why for name, look in looks.items() if (why := _is_personal(look))}
    free = {name: look for name, look in looks.items() if name not in personal}
    chosen: dict[str, tuple[_Column, float, str]] = {}
    for score, register_field, look, why in sorted(_scores(free), key=lambda s: (-s[0], s[1], s[2].name)):
        if register_field not in chosen and look.name not in {c.name for c, _, _ in chosen.values()} and score >= _LIKELY:
            chosen[register_field] = (look, score, why)
    taken = {c.name for c, _, _ in chosen.values()}
    key, key_sure, key_why = _natural_key({n: c for n, c in free.items() if n not in taken} or free)
    questions = [] if key else ["natural_key: no field is filled and unique in every record; give the fields that together are"]
    fields: dict[str, dict[str, Any]] = {}
    for register_field in NAMES:
        if register_field in chosen:
            fields[register_field] = _mapping(register_field, chosen[register_field][0], questions)
    confidence = {name: round(score, 2) for name, (_, score, _) in chosen.items()} | {"natural_key": key_sure}
    reasons = {name: why for name, (_, _, why) in chosen.items()} | {"natural_key": key_why}
    used = {m["source"] for m in fields.values()} | set(key) | set(personal)
    document = {
        "profile": re.sub(r"[^0-9a-z]+", "-", layer.lower()).strip("-") or "survey",
        "title": {"en": layer, "zh": layer}, "natural_key": key or ["?"], "crs": "from-file", "fields": fields,
        "keep": [name for name in columns if name not in used and looks[name].filled > 0], "drop_personal": sorted(personal),
    }  # fmt: skip
    questions += [f"drop_personal {name}: {why}; move it to keep if it is not personal" for name, why in personal.items()]
    return Suggestion(_yaml(document, confidence, reasons, questions, geometry_type, crs), confidence, reasons, questions)


def _look(name: str, array: Any) -> _Column:  # noqa: ANN401 - pyarrow ships no types
    values = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    text = text_of(values)
    numbers, wrong = numbers_of(values, text)
    filled = is_filled(text)
    n = max(int(filled.sum()), 1)
    good = numbers[filled & ~wrong & ~np.isnan(numbers)]
    return _Column(
        name, text, float(filled.mean()) if len(text) else 0.0, len(text.drop_null().unique()), len(good) / n,
        float((good == np.floor(good)).mean()) if len(good) else 0.0, float(np.quantile(good, 0.02)) if len(good) else np.nan,
        float(np.quantile(good, 0.98)) if len(good) else np.nan,
    )  # fmt: skip


def _name_score(name: str, aliases: tuple[str, ...]) -> tuple[float, str]:
    """Return how well a field name fits the names a register field goes by, and which one."""
    folded = name.lower().strip()
    best, which = 0.0, ""
    for alias in aliases:
        if folded == alias:
            return 1.0, alias
        # A DBF cuts names to ten characters.
        score = 0.95 if len(folded) == 10 and alias.startswith(folded) else difflib.SequenceMatcher(None, folded, alias).ratio()
        if len(alias) >= 4 and len(folded) >= 4 and (alias in folded or folded in alias):
            score = max(score, 0.8)
        if score > best:
            best, which = score, alias
    return (best, which) if best >= 0.75 else (0.0, "")


def _scores(looks: Mapping[str, _Column]) -> list[tuple[float, str, _Column, str]]:
    out = []
    for look in looks.values():
        if look.filled == 0:
            continue
        for register_field, aliases in NAMES.items():
            named, alias = _name_score(look.name, aliases)
            if named == 0:
                continue
            # Earlier aliases are the more telling ones: jzytQg before fwyt.
            named -= 0.01 * aliases.index(alias)
            fits, why = _value_score(register_field, look)
            score = named * fits
            out.append((score, register_field, look, f"field {look.name} is called like {alias}; {why}"))
    return out


def _value_score(register_field: str, look: _Column) -> tuple[float, str]:
    if register_field in _RANGES:
        low, high = _RANGES[register_field]
        if look.numeric < 0.9:
            return 0.3, f"only {look.numeric:.0%} of its values are numbers"
        if not (low <= look.low and look.high <= high) and not (look.low == 0 and look.high <= high):
            return 0.4, f"values {look.low:g} to {look.high:g} lie outside {low:g} to {high:g}"
        if _TYPES[register_field] == "integer" and look.whole < 1:
            return 0.5, "some values are no whole numbers"
        return 1.0, f"values {look.low:g} to {look.high:g}"
    if register_field == "division_code":
        twelve = _share(look, r"\d{12}")
        return (1.0, "12 digits") if twelve > 0.9 else (0.3, f"{twelve:.0%} have 12 digits")
    if register_field in ("use", "structure", "era", "class_code", "safety_grade"):
        return (1.0, f"{look.distinct} different values") if look.distinct <= 40 else (0.4, f"{look.distinct} different values")
    return 1.0, f"{look.distinct} different values"


def _share(look: _Column, pattern: str) -> float:
    words = look.text.drop_null().to_pylist()[:2000]
    return sum(bool(re.fullmatch(pattern, word)) for word in words) / len(words) if words else 0.0


def _is_personal(look: _Column) -> str:
    """Return why a field looks personal, empty where it does not."""
    if look.name.lower() in _PERSONAL:
        return "its name is that of a personal field"
    words = look.text.drop_null().to_pylist()[:2000]
    if not words:
        return ""
    if sum(len(word) == 18 and ric.is_valid(word) for word in words) / len(words) > 0.5:
        return "its values are identity numbers"
    if _share(look, r"1[3-9]\d{9}") > 0.5:
        return "its values are mobile telephone numbers"
    named = [word for word in words if re.fullmatch(r"[一-龥]{2,4}", word) and word[0] in _SURNAMES]
    if len(named) / len(words) > 0.8 and look.distinct > 5 and sum(len(word) <= 3 for word in named) / len(words) > 0.75:
        return "its values look like names of persons"
    return ""


def _natural_key(looks: Mapping[str, _Column]) -> tuple[list[str], float, str]:
    unique = [look for look in looks.values() if look.is_unique]
    known = [look for look in unique if look.name.lower() in _KEYS]
    if known:
        best = min(known, key=lambda look: _KEYS.index(look.name.lower()))
        district = [look.name for look in looks.values() if look.name.lower() in ("district", "xzqdm", "county") and look.filled == 1]
        if best.name.lower() == "fwbh" and district:
            return [district[0], best.name], 0.95, f"{best.name} is unique; census numbers are unique inside the county"
        return [best.name], 0.95, f"{best.name} is filled and unique in {len(best.text)} records"
    if unique:
        best = min(unique, key=lambda look: (look.whole < 1 and look.numeric > 0.5, look.name))
        return [best.name], 0.6, f"{best.name} is filled and unique in {len(best.text)} records, though its name does not tell"
    return [], 0.0, "no field is filled and unique"


def _known_values(register_field: str) -> dict[str, Any]:
    """Return the words (never the numbers) that the shipped profiles know for a field."""
    known: dict[str, Any] = {}
    for path in shipped_profiles().values():
        mapping = read_census_profile(path).fields.get(register_field)
        known |= {word: value for word, value in (mapping.values if mapping else {}).items() if not word.isdigit()}
    return known | {value: value for value in ENUMERATIONS.get(register_field, ())}


def _national_values(register_field: str, name: str) -> dict[str, Any]:
    """Return the numbers of the national list, for a field that carries its name (suffix Qg)."""
    if not name.lower().endswith("qg"):
        return {}
    mapping = read_census_profile(shipped_profiles()["rural-non-dwelling"]).fields.get(register_field)
    return dict(mapping.values) if mapping is not None else {}


def _mapping(register_field: str, look: _Column, questions: list[str]) -> dict[str, Any]:
    kind = _TYPES.get(register_field, "text")
    if register_field in ("use", "structure", "era", "class_code", "safety_grade"):
        known = {**_known_values(register_field), **_national_values(register_field, look.name)}
        found = look.text.drop_null().unique().to_pylist()
        unknown = sorted(word for word in found if word not in known)
        if unknown:
            shown = ", ".join(unknown[:20]) + (" …" if len(unknown) > 20 else "")
            questions.append(f"fields.{register_field}.values: what do these codes of {look.name} mean: {shown}?")
        return {"source": look.name, "type": "enum", "values": {word: known[word] for word in sorted(found) if word in known}}
    made: dict[str, Any] = {"source": look.name, "type": kind}
    if register_field in ("height_m", "floor_area_m2"):
        made["unit"] = "m" if register_field == "height_m" else "m2"
        questions.append(f"fields.{register_field}.unit: is {look.name} in {'metres' if made['unit'] == 'm' else 'square metres'}?")
    return made


def _yaml(
    document: dict[str, Any], confidence: dict[str, float], reasons: dict[str, str], questions: list[str], geometry_type: str, crs: str
) -> str:
    head = [f"# Proposed for a layer of {geometry_type} in {crs}. How sure each field is, and why:"]
    head += [f"#   {name}: {value:.0%}, {reasons[name]}" for name, value in sorted(confidence.items(), key=lambda item: -item[1])]
    if questions:
        head += ["# To decide before it is used:", *(f"#   {question}" for question in questions)]
    return "\n".join(head) + "\n" + yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=130)
