"""Is this record a building we know? Overlap and attributes are scored; a clear winner is an update, several are a case for a person.

The score of a pair is 0.8 × IoU of the footprints + 0.2 × share of equal attributes (name, storeys, structure, year built; those that
both have). A record and a building belong together when the score is at least 0.6 and neither has another partner of 0.3 or more.
A record that overlaps no free building by a tenth of the smaller one is new. Everything else goes to the review list.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

ACCEPT, RIVAL, TOUCH = 0.6, 0.3, 0.1
DUPLICATE = 0.8
_COMPARED = ("name", "storeys_above", "structure", "year_built")


@dataclass(frozen=True)
class Candidate:
    """A building that a record may be.

    Parameters
    ----------
    code
        Building code.
    iou
        Intersection over union of the footprints, 0-1.
    share
        Intersection over the smaller footprint, 0-1.
    score
        0-1, see the module.
    evidence
        In words.
    """

    code: str
    iou: float
    share: float
    score: float
    evidence: str

    def as_dict(self) -> dict[str, Any]:
        """Return the candidate for the review list."""
        return {"code": self.code, "iou": round(self.iou, 4), "score": round(self.score, 4), "evidence": self.evidence}


@dataclass(frozen=True)
class Decision:
    """What becomes of a record.

    Parameters
    ----------
    kind
        match, new or review.
    candidates
        Best first.
    """

    kind: Literal["match", "new", "review"]
    candidates: tuple[Candidate, ...] = ()


def overlaps(first: NDArray[Any], second: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return IoU and share of the smaller footprint, pair by pair.

    Parameters
    ----------
    first, second
        Polygons in one CRS, shape (n,); degrees will do, since both measures are ratios of areas at one place.
    """
    common = shapely.area(shapely.intersection(first, second))
    a, b = shapely.area(first), shapely.area(second)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(common / (a + b - common)), np.nan_to_num(common / np.minimum(a, b))


def candidate(code: str, iou: float, share: float, record: Mapping[str, Any], known: Mapping[str, Any]) -> Candidate:
    """Score one pair."""
    both = [name for name in _COMPARED if record.get(name) is not None and known.get(name) is not None]
    equal = [name for name in both if record[name] == known[name]]
    agreement = len(equal) / len(both) if both else iou
    words = f"IoU {iou:.2f}" + (f", equal {', '.join(equal)}" if equal else "")
    unlike = [name for name in both if name not in equal]
    return Candidate(code, iou, share, 0.8 * iou + 0.2 * agreement, words + (f", other {', '.join(unlike)}" if unlike else ""))


def decide(pairs: Sequence[tuple[int, Candidate]]) -> dict[int, Decision]:
    """Decide for every record that touches a free building.

    Parameters
    ----------
    pairs
        Record and candidate.

    Returns
    -------
    dict
        Record → decision; records without a pair are new.
    """
    by_record: dict[int, list[Candidate]] = defaultdict(list)
    by_building: dict[str, list[float]] = defaultdict(list)
    for record, found in pairs:
        if found.share > TOUCH:
            by_record[record].append(found)
            by_building[found.code].append(found.score)
    decisions = {}
    for record, found_all in by_record.items():
        ranked = tuple(sorted(found_all, key=lambda c: (-c.score, c.code)))
        best = ranked[0]
        rival = max((c.score for c in ranked[1:]), default=0.0)
        claims = sorted(by_building[best.code], reverse=True)
        contested = len(claims) > 1 and claims[1] >= RIVAL
        clear = best.score >= ACCEPT and rival < RIVAL and not contested
        decisions[record] = Decision("match" if clear else "review", ranked)
    return decisions
