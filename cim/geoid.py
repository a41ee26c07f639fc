"""From normal heights to ellipsoidal ones: one constant, or a grid file read by PROJ. Nothing is assumed where a grid has no value.

PROJ leaves heights unchanged in silence where it lacks a grid for a pair of CRS. Here it is never asked to find one: the operator names the
file, the operation is spelt out, and no other one can take its place.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from pyproj.exceptions import ProjError

from cim.errors import ConfigError
from cim.profile import CityProfile

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]

SUFFIXES = (".tif", ".tiff", ".gtx")
_PREFIX = "geoid-"
_HINT = "cim db profile city.yaml, with geoid_grid naming a GeoTIFF or GTX file that covers the city"


@dataclass(frozen=True)
class Geoid:
    """Separation of ellipsoid and height datum: ellipsoidal height = normal height + separation.

    Parameters
    ----------
    constant_m
        The same everywhere [m]; None = as the grid says.
    grid
        GeoTIFF or GTX file of separations [m] over longitude and latitude [deg]; its name tells its contents.
    """

    constant_m: float | None = None
    grid: Path | None = None

    @property
    def token(self) -> float | str:
        """What the tiles depend on: the constant, or the grid's name, which changes with its contents."""
        return float(self.constant_m or 0.0) if self.grid is None else self.grid.name

    def as_dict(self) -> dict[str, Any]:
        """Return what a layer's row keeps, see `of_parameters`."""
        return {"geoid_m": self.constant_m} if self.grid is None else {"geoid_grid": self.grid.name}

    def at(self, lon: Floats, lat: Floats) -> Floats:
        """Return separations [m], bilinear between the nodes of a grid.

        Parameters
        ----------
        lon, lat
            Degrees, EPSG:4490, shape (n,); where they are not finite the result is not either.

        Raises
        ------
        ConfigError
            The grid is not there, is none, or has no value at one of the places.
        """
        if self.grid is None:
            return np.full(np.shape(lon), self.constant_m, dtype=np.float64)
        if not np.size(lon):
            return np.zeros(np.shape(lon))
        _, _, found = _shift(str(self.grid)).transform(lon, lat, np.zeros(np.shape(lon)))
        separation: Floats = np.where(np.isfinite(lon) & np.isfinite(lat), np.asarray(found, dtype=np.float64), np.nan)
        lacking = np.flatnonzero(np.isinf(separation.ravel()))
        if len(lacking):
            x, y = np.ravel(lon)[lacking[0]], np.ravel(lat)[lacking[0]]
            raise ConfigError(
                f"geoid grid {self.grid.name}: found no separation at {len(lacking)} of {np.size(lon)} places,"
                f" the first at longitude {x:.6f}, latitude {y:.6f}; expected one everywhere in the city",
                hint=_HINT,
            )
        return separation

    def check_covers(self, box: Box, what: str) -> None:
        """Check that there is a separation all over a box.

        Parameters
        ----------
        box
            West, south, east, north [deg].
        what
            Lies in it, for the message.

        Raises
        ------
        ConfigError
            As of `at`.
        """
        x, y = np.meshgrid(np.linspace(box[0], box[2], 9), np.linspace(box[1], box[3], 9))
        try:
            self.at(x.ravel(), y.ravel())
        except ConfigError as error:
            raise ConfigError(
                f"{error.message}; {what} lie from {box[0]:.4f}, {box[1]:.4f} to {box[2]:.4f}, {box[3]:.4f}", hint=_HINT
            ) from None

    def at_one(self, lon: float, lat: float) -> float:
        """Return the separation at one place [m]; raises as `at`."""
        return float(self.at(np.array([lon]), np.array([lat]))[0])


def geoid_of(profile: CityProfile, folder: Path) -> Geoid:
    """Return the separation of a city.

    Parameters
    ----------
    profile
        Names a constant or a grid.
    folder
        Holds the grid, see `keep_grid`.
    """
    return of_parameters({"geoid_m": profile.geoid_separation_m, "geoid_grid": profile.geoid_grid}, folder)


def of_parameters(parameters: dict[str, Any], folder: Path) -> Geoid:
    """Return the separation that a layer's row tells, see `Geoid.as_dict`."""
    name = parameters.get("geoid_grid")
    return Geoid(float(parameters["geoid_m"])) if name is None else Geoid(grid=folder / str(name))


def check_grid(named: Path, folder: Path) -> Geoid:
    """Return the grid of a profile if PROJ can read it.

    Parameters
    ----------
    named
        As the profile names it; a name that only the folder knows is fine.
    folder
        Where grids are kept, see `keep_grid`.

    Raises
    ------
    ConfigError
        It is not there, has another suffix, or PROJ cannot read it.
    """
    source = named if named.is_file() else folder / named.name
    if not source.is_file():
        raise ConfigError(f"geoid grid {named}: found no such file, expected a GeoTIFF or GTX file", hint=_HINT)
    if source.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"geoid grid {named}: found a name that ends in {source.suffix!r}, expected one of {', '.join(SUFFIXES)}", hint=_HINT
        )
    grid = Geoid(grid=source)
    _shift(str(source))
    return grid


def keep_grid(geoid: Geoid, folder: Path) -> Geoid:
    """Copy a grid into a folder of the store under a name made from its contents; return it there."""
    source = geoid.grid
    if source is None:
        return geoid
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:20]
    target = folder / f"{_PREFIX}{digest}{source.suffix.lower()}"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        shutil.copyfile(source, part)
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        part.replace(target)
    return Geoid(grid=target)


@lru_cache(maxsize=8)
def _shift(grid: str) -> pyproj.Transformer:
    """Return the operation normal → ellipsoidal height over longitude and latitude [deg]."""
    if '"' in grid:
        raise ConfigError(f"geoid grid {grid}: found a quotation mark in its path, expected none")
    steps = f'+step +proj=vgridshift +grids="{grid}" +multiplier=1'
    try:
        return pyproj.Transformer.from_pipeline(
            f"+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad {steps} +step +proj=unitconvert +xy_in=rad +xy_out=deg"
        )
    except ProjError as error:
        found = "no grid that PROJ can read" if Path(grid).is_file() else "no such file"
        raise ConfigError(f"geoid grid {grid}: found {found}, expected a GeoTIFF or GTX file of separations", hint=_HINT) from error
