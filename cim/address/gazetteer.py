"""Division names for the parser: full and short names, with their place in the tree."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from cim.address.fold import fold

LEVELS = ("province", "city", "county", "town", "village")
_SUFFIXES = (
    ("特别行政区", "壮族自治区", "回族自治区", "维吾尔自治区", "自治区", "省", "市"), ("地区", "自治州", "盟", "市"),
    ("自治县", "自治旗", "新区", "林区", "矿区", "市", "县", "区", "旗"), ("街道办事处", "街道", "镇", "乡", "民族乡"),
    ("社区居委会", "居民委员会", "村民委员会", "居委会", "村委会", "社区", "村"),
)  # fmt: skip
_LENGTHS = (2, 4, 6, 9, 12)
_NOT_A_NAME = {"市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"}
_MUNICIPALITIES = ("11", "12", "31", "50")


@dataclass(frozen=True)
class Division:
    """A division.

    Parameters
    ----------
    code
        2, 4, 6, 9 or 12 digits.
    name
        Full name, folded.
    level
        0 province … 4 village or community.
    """

    code: str
    name: str
    level: int


@dataclass
class Gazetteer:
    """Names → divisions.

    Parameters
    ----------
    names
        Full and short names, folded.
    by_code
        Code → division.
    longest
        Characters of the longest name.
    """

    names: dict[str, list[tuple[Division, bool]]] = field(default_factory=lambda: defaultdict(list))
    by_code: dict[str, Division] = field(default_factory=dict)
    longest: int = 0

    def at(self, text: str, start: int) -> list[tuple[int, Division, bool]]:
        """Return the divisions named at a position, the longest name first: end, division, whether the name is whole."""
        found = []
        for end in range(min(len(text), start + self.longest), start + 1, -1):
            found += [(end, division, whole) for division, whole in self.names.get(text[start:end], ())]
        return found

    def parents(self, division: Division) -> list[Division]:
        """Return the divisions above one, the highest first."""
        codes = [division.code[:length] for length in _LENGTHS if length < len(division.code)]
        return [self.by_code[code] for code in codes if code in self.by_code]


def short_name(name: str, level: int) -> str:
    """Return a name without the word for its level; the name itself where less than two characters would stay."""
    for suffix in _SUFFIXES[level]:
        if name.endswith(suffix) and len(name) - len(suffix) >= 2:
            return name[: -len(suffix)]
    return name


def build_gazetteer(rows: Iterable[tuple[str, str]]) -> Gazetteer:
    """Return a gazetteer.

    Parameters
    ----------
    rows
        Code (2 to 12 digits) and name. A municipality (直辖市) is a city too.
    """
    made = Gazetteer()
    for code, name in rows:
        if len(code) not in _LENGTHS or not name:
            continue
        level, folded = _LENGTHS.index(len(code)), fold(name)
        if folded in _NOT_A_NAME:
            continue
        if level == 0 and code in _MUNICIPALITIES:
            level = 1
        division = Division(code, folded, level)
        made.by_code[code] = division
        made.names[folded].append((division, True))
        short = short_name(folded, level)
        if short != folded and level < 4:
            made.names[short].append((division, False))
        if level == 4 and short != folded:
            made.names[f"{short}社区"].append((division, True))
            made.names[f"{short}村"].append((division, True))
    made.longest = max((len(name) for name in made.names), default=0)
    return made
