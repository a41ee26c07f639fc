"""Which building an address belongs to: evidence, score, and the decision."""

from collections.abc import Sequence
from dataclasses import dataclass

from cim.address.fold import fold, likeness
from cim.address.parse import Components
from cim.db.addresses import Neighbour

REACH_M = 100.0
NEAR_M = 30.0
ACCEPTED = 0.5


@dataclass(frozen=True)
class Link:
    """The building of an address.

    Parameters
    ----------
    building
        Code, None where no candidate reaches the score of `ACCEPTED`.
    method
        source_key, contains, name, nearest; None without a building.
    distance_m
        From the position to the building [m].
    score
        0-1.
    evidence
        The best candidate with its evidence, also where it was not accepted.
    """

    building: str | None
    method: str | None
    distance_m: float | None
    score: float | None
    evidence: tuple[tuple[str, object], ...] = ()


def link(parts: Components, neighbours: Sequence[Neighbour]) -> Link:
    """Choose the building of an address.

    Parameters
    ----------
    parts
        The parsed address.
    neighbours
        Buildings within `REACH_M` and the one its number names.

    Notes
    -----
    Evidence in order: the number that the source gives (1.0); the position inside the footprint (0.95, or 0.98 when the name agrees); the
    building name within 100 m (0.9 × likeness, less 0.002 per metre); the nearest footprint within 30 m (0.75 at its wall, 0.45 at 30 m),
    less when another is nearly as near.
    """
    best: tuple[float, str, Neighbour, str] | None = None
    outside = sorted(n.distance_m for n in neighbours if not n.by_number and n.distance_m > 0)
    for neighbour in neighbours:
        found = _score(parts, neighbour, outside)
        if found is not None and (best is None or found[0] > best[0]):
            best = (*found[:2], neighbour, found[2])
    if best is None:
        return Link(None, None, None, None)
    score, method, chosen, words = best
    evidence = (("building", chosen.code), ("method", method), ("words", words))
    if score < ACCEPTED:
        return Link(None, None, None, round(score, 3), evidence)
    return Link(chosen.code, method, chosen.distance_m, round(score, 3), evidence)


def _score(parts: Components, neighbour: Neighbour, outside: Sequence[float]) -> tuple[float, str, str] | None:
    if neighbour.by_number:
        return 1.0, "source_key", "the source gives the number of the building"
    alike = _name_likeness(parts, neighbour.name)
    if neighbour.distance_m == 0:
        return (0.98 if alike >= 0.9 else 0.95), "contains", "the position lies inside its footprint"
    if alike >= 0.8:
        return 0.9 * alike - 0.002 * neighbour.distance_m, "name", f"building name {neighbour.name}, {neighbour.distance_m:.0f} m away"
    if neighbour.distance_m > NEAR_M:
        return None
    score = 0.75 - 0.01 * neighbour.distance_m
    rivals = [d for d in outside if d != neighbour.distance_m]
    if rivals and rivals[0] < neighbour.distance_m + 3:
        score -= 0.2
    return score, "nearest", f"nearest footprint, {neighbour.distance_m:.1f} m away"


def _name_likeness(parts: Components, name: str | None) -> float:
    if not name:
        return 0.0
    folded = fold(name)
    return max((likeness(folded, wanted) for wanted in (parts.estate, *parts.rest.split(), parts.tail) if len(wanted) >= 2), default=0.0)
