"""Free-text Chinese addresses → components, by rules and a division gazetteer (component names after GA/T 2000.32).

The text is read from left to right: divisions first (each deeper than the one before, in the tree of the gazetteer where it is known), then
road and number, then what stands inside: building, staircase, floor, room. What no rule takes is the name of an estate or building.
"""

import re
from dataclasses import asdict, dataclass, field

from cim.address.fold import fold
from cim.address.gazetteer import LEVELS, Division, Gazetteer

_HAN = r"[一-龥]"
_NUMERAL = r"[一二三四五六七八九十百零〇]"
_DIVISION = (
    re.compile(rf"{_HAN}{{2,6}}?(?:省|自治区)"),
    re.compile(rf"{_HAN}{{2,5}}?(?:市|自治州|地区|盟)"),
    re.compile(rf"{_HAN}{{1,5}}?(?:区(?!间)|县|市|旗)"),
    re.compile(rf"{_HAN}{{1,6}}?(?:街道办事处|街道|镇(?!{_HAN}?路)|乡(?!{_HAN}?路))"),
    re.compile(rf"{_HAN}{{1,7}}?(?:社区|居委会|村委会|村)(?!{_HAN}{{0,2}}路)"),
)
_ROAD = re.compile(
    rf"(?:{_HAN}|[A-Z]|\d{{1,3}}(?=国道|省道|县道|道|路)){{1,9}}?"
    rf"(?:大道|大街|公路|国道|省道|县道|路|街|巷|弄堂|胡同|道)(?:[东西南北中]?(?:{_NUMERAL}|\d{{1,2}})?(?:路|街|巷|弄|支路))?"
    r"(?:[东西南北中](?:段|侧)|(?:东|西|南|北)?延伸段)?"
)
_ROAD_NUMBER = re.compile(
    r"(?:[甲乙丙丁]?\d+(?:[-/、,]\d+)*(?:弄|号(?!楼|库|厂房|门))(?:附\d+号)?(?:院)?(?:内)?|\d+(?=[一-龥]|$)(?!幢|栋|座|室|单元|楼|层|#|号楼|期|区|组|弄))"
)
_BUILDING = re.compile(rf"(?:(?:\d+|[A-Z]\d*|{_NUMERAL}+|[甲乙丙丁东西南北])(?:幢|栋|号楼|座|#楼|#|橦)(?:楼)?|[A-Z]\d{{0,2}}楼)")
_STAIRCASE = re.compile(rf"(?:\d+|[A-Z]|{_NUMERAL}+|[甲乙丙丁])(?:单元|门洞|梯)")
_FLOOR = re.compile(rf"(?<![东南西北主])(?:(?:负|地下)?(?:\d{{1,3}}|{_NUMERAL}+)|B\d)(?:层|楼|F)")
_ROOM = re.compile(
    r"(?:[A-Z]?-?\d{2,5}[A-Z]?(?:[-/、]\d{1,5}[A-Z]?)*(?:室|房|号房)?|\d{1,5}[A-Z]?(?:室|房))(?![\dA-Z]|[一-龥]{0,1}(?:路|弄|号|幢|栋|单元|楼|层|米|组|期|区|座))"
)
_CHAIN = re.compile(r"([A-Z]?\d+|[A-Z])-(?:(\d{1,2})-)?(\d{1,5}[A-Z]?)(?=$|室|房|[^-\d])(室|房)?")
_PLACE_NUMBER = re.compile(r"[甲乙丙丁]?\d+(?:-\d+)?号(?![楼库门馆厂线院])")
_BEFORE_ROAD = re.compile(
    r"^(.{2,}(?:工业园区|工业区|工业园|开发区|园区|产业园|新村|小区|市场|服饰|公司|广场|大厦|花园|工业|电区))(.{2,})$"
)
_EDGES = "-,.、() "
_SUFFIX = "省市区县旗州盟"
_JUNK = re.compile(r"^[-,,。.;;::、()()/]+")


@dataclass
class Components:
    """Parts of an address; empty text where the address does not say.

    Parameters
    ----------
    province, city, county, town, village
        Divisions, as written.
    road, house_number
        Street or lane with its number.
    estate
        Name of an estate, compound or building.
    building_no, unit_no, floor_no, room_no
        Inside the estate.
    rest
        What no rule takes.
    division_code
        Code of the deepest division that the gazetteer knows.
    filled
        Upper divisions that the gazetteer adds: level → name.
    tail
        Everything behind the divisions, folded.
    """

    province: str = ""
    city: str = ""
    county: str = ""
    town: str = ""
    village: str = ""
    road: str = ""
    house_number: str = ""
    estate: str = ""
    building_no: str = ""
    unit_no: str = ""
    floor_no: str = ""
    room_no: str = ""
    rest: str = ""
    division_code: str = ""
    filled: dict[str, str] = field(default_factory=dict)
    tail: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the parts that are not empty."""
        return {name: value for name, value in asdict(self).items() if value and name != "tail"}


def parse(text: str, gazetteer: Gazetteer | None = None) -> Components:
    """Parse an address.

    Parameters
    ----------
    text
        As given.
    gazetteer
        Names of divisions; None = by the words for their levels only.

    Examples
    --------
    >>> found = parse("武汉市洪山区珞喻路726号3栋2单元1103室")
    >>> found.road, found.house_number, found.building_no, found.unit_no, found.room_no
    ('珞喻路', '726号', '3栋', '2单元', '1103室')
    """
    folded = fold(text)
    made = Components()
    at, known = _divisions(folded, gazetteer, made)
    if gazetteer is not None and known is not None:
        made.division_code = known.code
        for parent in gazetteer.parents(known):
            if not getattr(made, LEVELS[parent.level]):
                made.filled[LEVELS[parent.level]] = parent.name
    made.tail = folded[at:]
    _inside(made.tail, made)
    return made


def _divisions(text: str, gazetteer: Gazetteer | None, made: Components) -> tuple[int, Division | None]:
    """Read divisions from the start; return where they end and the deepest known one."""
    at, level, known = 0, -1, None
    while at < len(text):
        at += len(match[0]) if (match := _JUNK.match(text[at:])) else 0
        repeated = _repeated(text, at, made)
        if repeated:
            at = repeated
            continue
        step: tuple[int, int, Division | None] | None = None
        if gazetteer is not None:
            step = _named(text, at, level, known, gazetteer)
        if step is None:
            step = _by_suffix(text, at, level)
        if step is None:
            break
        end, found_level, division = step
        setattr(made, LEVELS[found_level], text[at:end])
        at, level = end, found_level
        known = known if division is None else division
    return at, known


def _repeated(text: str, at: int, made: Components) -> int:
    """Return the end of a division that was named already, 0 where none is repeated."""
    for level in LEVELS[:3]:
        name = getattr(made, level)
        if len(name) > 1 and text.startswith(name, at):
            end = at + len(name)
            if name[-1] not in _SUFFIX and end < len(text) and text[end] in _SUFFIX[:4]:
                end += 1
                setattr(made, level, text[at:end])
            return end
        short = at + len(name) - 1
        again = len(name) > 2 and name[-1] in _SUFFIX and text.startswith(name[:-1], at)
        if again and text[short : short + 1] not in _SUFFIX[1:] and not _ROAD.match(text, at):
            return short
    return 0


def _named(text: str, at: int, level: int, known: Division | None, gazetteer: Gazetteer) -> tuple[int, int, Division] | None:
    options = []
    for end, division, whole in gazetteer.at(text, at):
        if division.level <= level or (known is not None and not division.code.startswith(known.code[: len(known.code)])):
            continue
        if not whole and division.level == 3 and (known is None or known.level != 2 or not division.code.startswith(known.code)):
            continue
        if not whole and (division.level == 4 or re.match(r"(?:大道|大街|路|街|巷|道|小区|花园|新村|大厦|广场|公路)", text[end:])):
            continue
        if not whole and known is None and division.level >= 2 and level < 0 and end - at < 3 and not _starts_division(text, end):
            continue
        options.append((division.level, -(end - at), end, division))
    if not options:
        return None
    # A longer name wins over a higher level, except where the tree says which one is meant.
    found_level, _, end, division = min(options, key=lambda o: (o[1], o[0], o[3].code))
    # 奉化市 is now 奉化区, 上望镇 is 上望街道: the word for the level changes, the name stays.
    if found_level == 3 and not text[:end].endswith(("街道", "镇", "乡")) and (word := re.match(r"街道|镇|乡", text[end:])):
        end += len(word[0])
    if end < len(text) and text[end] in _SUFFIX[:4] and text[end - 1] not in _SUFFIX and not _ROAD.match(text, end):
        end += 1
    return end, found_level, division


def _starts_division(text: str, at: int) -> bool:
    return any(pattern.match(text, at) for pattern in _DIVISION[2:4])


def _by_suffix(text: str, at: int, level: int) -> tuple[int, int, None] | None:
    for deeper in range(level + 1, 5):
        match = _DIVISION[deeper].match(text, at)
        if match is None:
            continue
        road = _ROAD.match(text, at)
        if road is not None and road.end() <= match.end() and deeper in (2, 4):
            return None
        if deeper == 2 and re.search(r"(?:小区|园区|开发区|工业区|校区|新区|院区|厂区|社区|景区|[一二三四五六七八九\d]区)$", match[0]):
            continue
        return match.end(), deeper, None
    return None


def _inside(text: str, made: Components) -> None:
    """Read road, number and what stands inside; the rest is the estate."""
    left = text
    road = _ROAD.match(left)
    before = ""
    if road is None:
        searched = _ROAD.search(left)
        if searched is not None and _ROAD_NUMBER.match(left[searched.end() :]):
            before, road = left[: searched.start()], searched
    if road is not None:
        made.road = road[0]
        if zone := _BEFORE_ROAD.match(road[0]):
            before, made.road = before + zone[1], zone[2]
        left = left[road.end() :]
        if number := _ROAD_NUMBER.match(left):
            made.house_number = number[0]
            left = left[number.end() :]
    elif (number := _ROAD_NUMBER.match(left)) and made.village:
        made.house_number = number[0]
        left = left[number.end() :]
    names = [before] if before else []
    names += _parts(left, made)
    made.estate = names[0] if names else ""
    made.rest = " ".join(names[1:])


def _parts(text: str, made: Components) -> list[str]:
    """Take building, staircase, floor and room out of a text; return the names between them."""
    names: list[str] = []
    name = ""
    at = 0
    while at < len(text):
        step = _part(text, at, made)
        if step is None:
            name += text[at]
            at += 1
            continue
        if cleaned := name.strip(_EDGES):
            names.append(cleaned)
        name, at = "", step
    if cleaned := name.strip(_EDGES):
        names.append(cleaned)
    return names


def _part(text: str, at: int, made: Components) -> int | None:
    chain = _CHAIN.match(text, at)
    if chain and not made.building_no and (at == 0 or not text[at - 1].isdigit()):
        made.building_no, made.unit_no, made.room_no = chain[1], chain[2] or made.unit_no, chain[3] + (chain[4] or "")
        return chain.end()
    numbered = _PLACE_NUMBER.match(text, at)
    if numbered and not (at and text[at - 1].isdigit()):
        inside = made.building_no or made.unit_no or made.floor_no
        target = "room_no" if inside else "house_number" if made.village and not made.house_number and not made.road else "building_no"
        if not getattr(made, target):
            setattr(made, target, numbered[0])
            return numbered.end()
    for field_name, pattern in (("building_no", _BUILDING), ("unit_no", _STAIRCASE), ("floor_no", _FLOOR), ("room_no", _ROOM)):
        if getattr(made, field_name) or (at and text[at - 1].isdigit() and text[at].isdigit()):
            continue
        match = pattern.match(text, at)
        if match is not None:
            setattr(made, field_name, match[0].lstrip("-"))
            return match.end()
    return None
