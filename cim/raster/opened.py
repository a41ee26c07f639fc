"""Raster files kept open: per thread, as GDAL's datasets belong to one thread at a time."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import RasterioError

from cim.raster.surface import RasterError

_MOST = 16
_KEPT = threading.local()
_ENVIRONMENT = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_NUM_THREADS": "1"}


def opened(path: Path) -> Any:  # noqa: ANN401 - rasterio's class is untyped
    """Return a raster of this thread; the files of the raster folder are named by their content, so one that is open stays right.

    Raises
    ------
    RasterError
        The file is missing or damaged.
    """
    kept: OrderedDict[Path, Any] | None = getattr(_KEPT, "files", None)
    if kept is None:
        kept = _KEPT.files = OrderedDict()
    found = kept.get(path)
    if found is not None:
        kept.move_to_end(path)
        return found
    try:
        with rasterio.Env(**_ENVIRONMENT):
            found = rasterio.open(path)
    except (RasterioError, OSError) as error:
        raise RasterError(
            f"{path}: a raster of the store cannot be read: {(str(error).splitlines() or ['unreadable'])[0]}",
            hint="restore the raster folder from a backup, or load the source again",
        ) from error
    kept[path] = found
    while len(kept) > _MOST:
        kept.popitem(last=False)[1].close()
    return found
