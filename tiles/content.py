"""What a layer hands to the builder: leaves with a frame, a box, an input hash, and a way to encode them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.geometry.ecef import Matrix

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Leaf:
    """A tile with content.

    Parameters
    ----------
    key
        Quadtree key, or any unique text.
    frame
        East-north-up metres → EPSG:4978, shape (4, 4).
    low, high
        Corners of the content in the frame, east north up [m], shape (3,).
    input_hash
        Of everything the content depends on.
    n_features
        Features in it.
    bbox
        West, south, east, north [deg].
    feature_size_m
        Size of the largest feature [m].
    encode
        Makes the glb.
    """

    key: str
    frame: Matrix
    low: Floats
    high: Floats
    input_hash: str
    n_features: int
    bbox: tuple[float, float, float, float]
    feature_size_m: float
    encode: Callable[[], bytes]


@dataclass(frozen=True)
class Branch:
    """A node of the tree: a leaf, children, or both: then the content is what is seen of the children from afar.

    Parameters
    ----------
    leaf
        Content, or None.
    children
        Nodes below.
    error_m
        Geometric error of content that its children replace [m].
    """

    leaf: Leaf | None
    children: tuple["Branch", ...] = ()
    error_m: float = 0.0


@dataclass(frozen=True)
class LayerContent:
    """A layer, planned.

    Parameters
    ----------
    layer, kind, collection, title, note, is_synthetic, replaces
        As in the table ``tileset``.
    style_version
        Part of every input hash.
    tree
        Root, None for a layer without anything to draw.
    min_height_m, max_height_m
        Ellipsoidal [m].
    bad
        Codes of features whose mesh is not exact.
    """

    layer: str
    kind: str
    collection: str
    title: dict[str, str]
    note: dict[str, str] | None
    is_synthetic: bool
    replaces: list[str]
    style_version: str
    tree: Branch | None
    min_height_m: float
    max_height_m: float
    bad: list[str]

    def leaves(self) -> list[Leaf]:
        """Return all leaves."""
        found: list[Leaf] = []
        waiting = [self.tree] if self.tree else []
        while waiting:
            branch = waiting.pop(0)
            if branch.leaf is not None:
                found.append(branch.leaf)
            waiting.extend(branch.children)
        return found


def branch_of(node: Any, leaf_of: Callable[[Any], Leaf]) -> Branch:  # noqa: ANN401 - tiles.plan.Node
    """Turn a plan into branches."""
    if not node.children:
        return Branch(leaf_of(node))
    return Branch(None, tuple(branch_of(child, leaf_of) for child in node.children))
