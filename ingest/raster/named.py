"""Dataset and file of a raster that is loaded: named by what its sources hold and by what was said of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cim.db.datasets import DatasetInfo
from cim.settings import Settings
from ingest.source import sha256_of


class Said(Protocol):
    """What the command line says of every raster."""

    @property
    def name(self) -> str | None:
        """Name of the dataset; None = the stem of the first file."""

    @property
    def crs(self) -> str | None:
        """CRS, where the files name none."""

    @property
    def synthetic(self) -> bool:
        """The data are generated."""

    @property
    def licence(self) -> str | None:
        """Licence of the data."""

    @property
    def provider(self) -> str | None:
        """Who provides them."""


def named(settings: Settings, kind: str, files: Sequence[Path], crs: str, given: Sequence[str], said: Said) -> tuple[DatasetInfo, Path]:
    """Return the dataset of sheets that become one raster, and the file it is kept in.

    Parameters
    ----------
    kind
        terrain or imagery.
    crs
        Horizontal CRS of the result.
    given
        Options that change the cells; they count in the hash as the files do.
    """
    first = files[0]
    source = first.name if len(files) == 1 else f"{first.name} and {len(files) - 1} more"
    told = (*given, *(sha256_of(path) for path in files[1:]), *([said.crs] if said.crs else []))
    info = DatasetInfo(
        kind, said.name or first.stem.removesuffix(".hgt"), source, sha256_of(first, given=told), crs=crs,
        is_synthetic=said.synthetic, licence=said.licence, provider=said.provider,
    )  # fmt: skip
    return info, settings.rasters_dir / f"{info.sha256}.tif"
