"""Plain records of city models, the same for every format."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Shape:
    """A geometry of a city object as its source gives it.

    Parameters
    ----------
    kind
        Geometry type of CityJSON.
    lod
        Level of detail.
    boundaries
        Nested lists of vertex numbers.
    xyz
        Vertices in the CRS of the source, x/y order, shape (n, 3).
    semantics
        ``surfaces`` and ``values`` of CityJSON, None where there are none.
    appearance
        ``material`` and ``texture`` of CityJSON with the ``materials``, ``textures`` and ``vertices`` they name.
    """

    kind: str
    lod: str
    boundaries: list[Any]
    xyz: NDArray[np.float64]
    semantics: dict[str, Any] | None = None
    appearance: dict[str, Any] | None = None


@dataclass
class CityObject:
    """A city object.

    Parameters
    ----------
    key
        Its name in the source.
    kind
        Class of CityJSON 2.0.
    attributes
        As in the source.
    parent
        Key of the object it is a part of, empty where it is none.
    shapes
        Geometries.
    skipped
        Types of geometries that were left out.
    family
        Objects with the same number belong together and follow one another.
    """

    key: str
    kind: str
    attributes: dict[str, Any] = field(default_factory=dict)
    parent: str = ""
    shapes: list[Shape] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    family: int = 0


@dataclass(frozen=True)
class Head:
    """What a file says of itself.

    Parameters
    ----------
    format
        CityJSON, CityJSONSeq or CityGML, with the version.
    crs
        As written; empty where the file names none.
    """

    format: str
    crs: str
