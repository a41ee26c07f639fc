"""Titles, hashes and frames that all layers share."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from cim.crs import lonlat_to_ecef
from cim.geometry.ecef import Matrix, to_frame

Floats = NDArray[np.float64]

BUILDINGS = "buildings"
CITYMODELS = "citymodels"
"""Names of layers that there is one of."""
NETWORK_TITLES = {
    "water": ("Water supply", "给水"), "rainwater": ("Rainwater", "雨水"), "sewage": ("Sewage", "污水"), "gas": ("Gas", "燃气"),
    "heat": ("Heat", "热力"), "power": ("Power", "电力"), "lighting": ("Street lighting", "路灯"), "telecom": ("Telecom", "通信"),
    "road": ("Roads", "道路"), "tunnel": ("Utility tunnels", "综合管廊"),
}  # fmt: skip
SYNTHETIC_NOTE = {"en": "Synthetic data, generated for demonstration.", "zh": "合成数据,仅供演示。"}


def hash_of(style: str, rows: Iterable[Any]) -> str:
    """Return the hash of a style version and rows of plain values and bytes."""
    digest = hashlib.sha256(style.encode())
    for row in rows:
        digest.update(orjson.dumps([value.hex() if isinstance(value, bytes) else value for value in row], default=str))
    return digest.hexdigest()


def local(frame: Matrix, lon: Floats, lat: Floats, height: Floats) -> Floats:
    """Return positions in a frame, east north up [m], from lon/lat [deg] and ellipsoidal heights [m]."""
    return to_frame(frame, lonlat_to_ecef(lon, lat, height))
