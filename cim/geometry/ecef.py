"""Local frames on the ellipsoid: east-north-up against earth-centred coordinates (EPSG:4978), float64."""

import numpy as np
from numpy.typing import NDArray

from cim.crs import Floats, lonlat_to_ecef, transformer

Matrix = NDArray[np.float64]


def up_vectors(lon_deg: Floats, lat_deg: Floats) -> Floats:
    """Return the unit normals of the ellipsoid.

    Parameters
    ----------
    lon_deg, lat_deg
        Longitude and latitude [deg], shape (n,).

    Returns
    -------
    ndarray
        Shape (n, 3), float64, earth-centred axes.
    """
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    return np.column_stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))


def enu_frame(lon_deg: float, lat_deg: float, height_m: float = 0.0) -> Matrix:
    """Return the matrix from east-north-up metres at a position to earth-centred coordinates.

    Parameters
    ----------
    lon_deg, lat_deg
        Origin [deg], EPSG:4490.
    height_m
        Ellipsoidal height of the origin [m].

    Returns
    -------
    ndarray
        Shape (4, 4), float64; columns are east, north, up, origin.

    Examples
    --------
    >>> enu_frame(0.0, 0.0)[:3, 2].tolist()
    [1.0, 0.0, 0.0]
    """
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    sin_lon, cos_lon, sin_lat, cos_lat = np.sin(lon), np.cos(lon), np.sin(lat), np.cos(lat)
    frame = np.eye(4)
    frame[:3, 0] = (-sin_lon, cos_lon, 0.0)
    frame[:3, 1] = (-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat)
    frame[:3, 2] = (cos_lat * cos_lon, cos_lat * sin_lon, sin_lat)
    frame[:3, 3] = lonlat_to_ecef(np.array([lon_deg]), np.array([lat_deg]), np.array([height_m]))[0]
    return frame


def inverse_frame(frame: Matrix) -> Matrix:
    """Return the inverse of a rigid frame (rotation and translation only)."""
    inverse = np.eye(4)
    inverse[:3, :3] = frame[:3, :3].T
    inverse[:3, 3] = -frame[:3, :3].T @ frame[:3, 3]
    return inverse


def to_frame(frame: Matrix, ecef: Floats) -> Floats:
    """Express earth-centred positions in a rigid frame; shape (n, 3) in and out [m]."""
    local: Floats = (ecef - frame[:3, 3]) @ frame[:3, :3]
    return local


def from_frame(frame: Matrix, local: Floats) -> Floats:
    """Express positions of a frame in its parent's coordinates; shape (n, 3) in and out [m]."""
    ecef: Floats = local @ frame[:3, :3].T + frame[:3, 3]
    return ecef


def ecef_to_lonlat(ecef: Floats) -> Floats:
    """Convert earth-centred positions to longitude, latitude [deg] and ellipsoidal height [m], shape (n, 3) in and out."""
    lon, lat, height = transformer("EPSG:4978", "EPSG:4979").transform(ecef[:, 0], ecef[:, 1], ecef[:, 2])
    return np.column_stack((lon, lat, height)).astype(np.float64, copy=False)
