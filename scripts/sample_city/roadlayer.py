"""Roads and water of the sample area as a GeoPackage, unchanged OSM geometry in EPSG:4490."""

from pathlib import Path
from typing import Any

import numpy as np
import shapely

from sample_city.sources import Road
from sample_city.writers import write_layer


def write_road_layers(path: Path, roads: list[Road], water: list[tuple[int, str, Any]]) -> None:
    """Write the layers ``roads`` (all ways, also paths and rails) and ``water``."""
    rows: list[dict[str, Any]] = [
        {
            "osm_id": road.osm_id,
            "name": road.name or None,
            "name_en": road.name_en or None,
            "road_class": road.group,
            "highway": road.highway,
            "oneway": int(road.oneway),
            "bridge": int(road.bridge),
            "tunnel": int(road.tunnel),
            "geometry": road.lonlat,
        }
        for road in roads
    ]
    fields = {"osm_id": np.int64, "name": str, "name_en": str, "road_class": str, "highway": str}
    flags = dict.fromkeys(("oneway", "bridge", "tunnel"), np.int32)
    write_layer(path, "roads", rows, {**fields, **flags}, geometry_type="MultiLineString")
    lakes = [{"osm_id": osm_id, "name": name or None, "geometry": shapely.MultiPolygon([shape])} for osm_id, name, shape in water]
    write_layer(path, "water", lakes, {"osm_id": np.int64, "name": str}, geometry_type="MultiPolygon")
