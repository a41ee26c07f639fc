"""What plans say about a building: each zone it stands in, rule by rule (the ground for the review of designs)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["kept", "broken", "applies", "unknown"]

LINES = ("road_red_line", "green_line", "blue_line", "yellow_line", "ecological_red_line")
"""Zones in which nothing may be built that the plan does not name itself."""
NOTICES = ("purple_line", "protection_area")
"""Zones in which building is possible, by the consent of whoever guards them."""
HEIGHT_SLACK_M = 0.05
"""Accuracy of heights in a register: less is no breach."""
_USES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("A1", ("office",)), ("A2", ("culture",)), ("A3", ("education",)), ("A4", ("sports",)), ("A5", ("medical",)), ("A6", ("medical",)),
    ("A7", ("culture",)), ("A9", ("religious",)), ("A", ("office", "culture", "education", "sports", "medical", "religious")),
    ("B1", ("commercial", "hotel")), ("B2", ("office", "commercial")), ("B3", ("commercial", "culture", "sports")),
    ("B4", ("infrastructure", "commercial")), ("B", ("commercial", "office", "hotel", "culture", "sports")), ("R", ("residential",)),
    ("M", ("industrial",)), ("W", ("storage",)), ("S", ("transport",)), ("U", ("infrastructure",)),
    ("H14", ("residential", "agricultural")),
    ("07", ("residential",)), ("0801", ("office",)), ("0802", ("office",)), ("0803", ("culture",)), ("0804", ("education",)),
    ("0805", ("sports",)), ("0806", ("medical",)), ("0807", ("medical",)), ("08", ("office", "culture", "education", "sports", "medical")),
    ("0901", ("commercial", "hotel")), ("0902", ("office", "commercial")), ("09", ("commercial", "office", "hotel", "culture", "sports")),
    ("1001", ("industrial",)), ("11", ("storage",)), ("12", ("transport",)), ("13", ("infrastructure",)),
)  # fmt: skip
"""Land use (GB 50137-2011; land and sea use classification of 2023) → uses of buildings that are its purpose; the longest code holds."""


@dataclass(frozen=True)
class Finding:
    """One rule of one zone.

    Parameters
    ----------
    rule
        height, elevation, control_line, consent, land_use, floor_area_ratio, coverage, setback.
    verdict
        kept; broken; applies = somebody has to consent; unknown = a value is missing.
    found, limit, unit
        Value of the building or the plot, what the zone allows, and the unit of both; None where there is none.
    """

    rule: str
    verdict: Verdict
    zone: str
    control: str
    zone_name: str | None
    found: float | str | None
    limit: float | str | None
    unit: str | None
    plan_name: str | None
    plan_status: str | None
    en: str
    zh: str


def check_building(building: dict[str, Any], zones: Sequence[dict[str, Any]]) -> list[Finding]:
    """Check a building against the zones that it stands in.

    Parameters
    ----------
    building
        ``height_m``, ``ground_elevation_m`` [m] and ``use``; None where unknown.
    zones
        As `cim.db.planning.fetch_zones_at` returns them.

    Returns
    -------
    list of Finding
        In the order of the zones; rules that a zone does not have are left out.
    """
    return [finding for zone in zones for finding in _zone(building, zone)]


def _zone(building: dict[str, Any], zone: dict[str, Any]) -> list[Finding]:
    height, ground = building.get("height_m"), building.get("ground_elevation_m")
    found = [
        _at_most(zone, "height", height, zone.get("height_limit_m"), "m", ("height", "建筑高度"), slack=HEIGHT_SLACK_M),
        _at_most(
            zone, "elevation", None if height is None or ground is None else round(ground + height, 3), zone.get("elevation_limit_m"), "m",
            ("top of the building", "建筑顶部高程"), slack=HEIGHT_SLACK_M,
        ),
        _line(zone), _land_use(zone, building.get("use")), *_plot(zone), _setback(zone),
    ]  # fmt: skip
    return [one for one in found if one is not None]


def _made(
    zone: dict[str, Any], rule: str, verdict: Verdict, found: float | str | None, limit: float | str | None, unit: str | None,
    words: tuple[str, str],
) -> Finding:  # fmt: skip
    return Finding(
        rule, verdict, zone["code"], zone["control"], zone.get("name"), found, limit, unit, zone.get("plan_name"), zone.get("plan_status"),
        *words,
    )  # fmt: skip


def _at_most(
    zone: dict[str, Any], rule: str, value: float | None, limit: float | None, unit: str | None, name: tuple[str, str], *,
    slack: float = 0.0,
) -> Finding | None:  # fmt: skip
    if limit is None:
        return None
    shown = "" if unit is None else f" {unit}"
    if value is None:
        words = (f"{name[0]}: not known, at most {limit:g}{shown} allowed", f"{name[1]}:未知,上限 {limit:g}{shown}")
        return _made(zone, rule, "unknown", None, limit, unit, words)
    is_kept = value <= limit + slack
    words = (
        f"{name[0]}: {value:g}{shown}, {'at most' if is_kept else 'above the'} {limit:g}{shown}{' allowed' if is_kept else ''}",
        f"{name[1]}:{value:g}{shown},{'未超过' if is_kept else '超过'}上限 {limit:g}{shown}",
    )
    return _made(zone, rule, "kept" if is_kept else "broken", value, limit, unit, words)


def _line(zone: dict[str, Any]) -> Finding | None:
    area = round(float(zone["overlap_m2"]), 2)
    if zone["control"] in LINES:
        words = (f"the footprint lies in the zone with {area:g} m2, nothing allowed", f"建筑基底占压控制线范围 {area:g} m2")
        return _made(zone, "control_line", "broken", area, 0.0, "m2", words)
    if zone["control"] in NOTICES:
        words = (
            f"the footprint lies in the zone with {area:g} m2: consent is needed",
            f"建筑基底位于保护范围内 {area:g} m2,须征得主管部门同意",
        )
        return _made(zone, "consent", "applies", area, None, "m2", words)
    return None


def _land_use(zone: dict[str, Any], use: str | None) -> Finding | None:
    code = zone.get("land_use")
    if code is None or zone["control"] not in ("land_use", "plot"):
        return None
    allowed = {name for part in code.replace("/", "+").split("+") for name in _uses_of(part)}
    if use is None or use in ("mixed", "other") or not allowed:
        words = (f"use {use or 'not known'}: land use {code} does not settle it", f"用途 {use or '未知'}:用地 {code} 无法判定")
        return _made(zone, "land_use", "unknown", use, code, None, words)
    is_kept = use in allowed
    words = (
        f"use {use}: {'the' if is_kept else 'not a'} purpose of land use {code} ({', '.join(sorted(allowed))})",
        f"用途 {use}:{'符合' if is_kept else '不符合'}用地 {code}({'、'.join(sorted(allowed))})",
    )
    return _made(zone, "land_use", "kept" if is_kept else "broken", use, code, None, words)


def _uses_of(code: str) -> tuple[str, ...]:
    fitting = [(prefix, uses) for prefix, uses in _USES if code.startswith(prefix)]
    return max(fitting, key=lambda one: len(one[0]))[1] if fitting else ()


def _plot(zone: dict[str, Any]) -> list[Finding | None]:
    if zone["control"] != "plot":
        return []
    area, floor, built = float(zone["plot_m2"]), zone.get("floor_m2"), zone.get("built_m2")
    far = None if floor is None else round(float(floor) / area, 4)
    coverage = None if built is None else round(float(built) / area, 4)
    return [
        _at_most(zone, "floor_area_ratio", far, zone.get("far_max"), None, ("floor area ratio of the plot", "地块容积率")),
        _at_most(zone, "coverage", coverage, zone.get("coverage_max"), None, ("building coverage of the plot", "地块建筑密度")),
    ]


def _setback(zone: dict[str, Any]) -> Finding | None:
    limit = zone.get("setback_m")
    if limit is None or zone["control"] != "plot":
        return None
    edge = round(float(zone["edge_m"]), 2) if zone["is_inside"] else 0.0
    is_kept = edge >= limit - HEIGHT_SLACK_M
    words = (
        f"distance from the edge of the plot: {edge:g} m, at least {limit:g} m demanded",
        f"建筑退地块边界 {edge:g} m,要求不小于 {limit:g} m",
    )
    return _made(zone, "setback", "kept" if is_kept else "broken", edge, limit, "m", words)


def report_of(building: dict[str, Any], findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the check as a JSON document: the building, counts by verdict, and the findings."""
    verdicts = [one.verdict for one in findings]
    return {
        "building": {name: building[name] for name in ("code", "name", "use", "height_m", "ground_elevation_m")},
        "verdicts": {name: verdicts.count(name) for name in ("broken", "applies", "unknown", "kept")},
        "findings": [asdict(one) for one in findings],
    }
