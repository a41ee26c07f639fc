"""The building a model belongs to: said by the operator, written in the model, or the one clear overlap; never made up."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cim.codes.registry import scheme
from cim.db import bim
from cim.db.engine import Connection
from cim.errors import CodeError
from ingest.ifc.options import UploadOptions
from ingest.ifc.placement import Placement

MIN_OVERLAP = 0.3
_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{5,59}")
_MOST_TEXTS = 2000


@dataclass(frozen=True)
class Link:
    """The building of a model.

    Parameters
    ----------
    building
        Its code, None where there is no clear one.
    method
        option, fit, property or overlap.
    score
        Intersection over union of the outlines, of an overlap.
    candidates
        For a person to choose from: building code and overlap, best first.
    words
        What was seen on the way.
    """

    building: str | None = None
    method: str | None = None
    score: float | None = None
    candidates: list[tuple[str, float]] = field(default_factory=list)
    words: tuple[str, ...] = ()


def find_building(
    connection: Connection, document: dict[str, Any], outline: str | None, options: UploadOptions, kept: str | None = None
) -> Link:
    """Find the building of a model.

    Parameters
    ----------
    connection
        The store.
    document
        Of the child.
    outline
        Placed outline, hexadecimal EWKB, None where the model has no place.
    options
        Of the operator.
    kept
        Building that an operator bound an earlier version to.
    """
    if options.building_code is not None:
        return Link(options.building_code, "option")
    if options.fit_to is not None:
        return Link(options.fit_to, "fit")
    if kept is not None:
        return Link(kept, "option")
    written, words = _written(connection, document["building_texts"])
    best = bim.best_overlaps(connection, outline) if outline else []
    if written is not None:
        return Link(written, "property", None, best, words)
    if best and best[0][1] >= MIN_OVERLAP and (len(best) == 1 or best[1][1] < best[0][1] / 2):
        return Link(best[0][0], "overlap", best[0][1], best, words)
    return Link(None, None, None, best, words)


def _written(connection: Connection, texts: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """Return the one building that the texts of a model name, and what was seen."""
    tokens = list(dict.fromkeys(token for text in texts for token in _CODE.findall(text)))[:_MOST_TEXTS]
    found = bim.find_buildings(connection, tokens) if tokens else []
    codes = list(dict.fromkeys(code for _, code in found))
    if len(codes) == 1:
        return codes[0], (f"the model names {found[0][0]}",)
    if codes:
        return None, (f"the model names {len(codes)} buildings: {', '.join(codes[:3])}",)
    unknown = [token for token in tokens if _is_building_code(token)]
    return None, tuple(f"the model names {token}, which the register does not have" for token in unknown[:3])


def _is_building_code(token: str) -> bool:
    try:
        scheme("CIM-BC27-v1").verify(token)
    except CodeError:
        return False
    return True


def against_register(connection: Connection, placement: Placement, outline: str | None, link: Link) -> tuple[Placement, str]:
    """Compare the placed outline with the register: evidence for the verdict, a gate for a weak place.

    Returns
    -------
    tuple
        The placement with more evidence, and why it is not believed, empty where it is.
    """
    if outline is None:
        return placement, ""
    best = link.candidates or bim.best_overlaps(connection, outline)
    if link.building is not None:
        overlap = bim.overlap_with(connection, link.building, outline)
        weak = "" if overlap >= MIN_OVERLAP else f": the outline does not lie on it (expected {MIN_OVERLAP})"
        return placement.with_evidence(f"IoU {overlap:.2f} with {link.building}{weak}"), ""
    if placement.confidence == "low" and (not best or best[0][1] < MIN_OVERLAP):
        return placement, (
            f"the model lies on no coded building (best overlap {best[0][1] if best else 0:.2f}, expected {MIN_OVERLAP}), and its place is "
            f"weak: {placement.note}"
        )
    return placement.with_evidence("lies on no coded building" if not best else f"IoU {best[0][1]:.2f} with {best[0][0]}, not bound"), ""
