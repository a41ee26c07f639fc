"""Check a server with QGIS: page size, schema, filters pushed down, CRS, tiles. Run with the Python that has PyQGIS.

Usage: QT_QPA_PLATFORM=offscreen python3 scripts/qgis_check.py http://127.0.0.1:8000
"""

import json
import sys
import urllib.request


def main(base: str) -> int:
    """Print one line per check; return 1 where one fails."""
    try:
        from qgis.core import QgsApplication, QgsFeatureRequest, QgsRectangle, QgsVectorLayer, QgsVectorTileLayer
    except ImportError:
        print("PyQGIS is not installed for this Python (Debian: apt install python3-qgis)", file=sys.stderr)
        return 2
    application = QgsApplication([], False)
    application.initQgis()
    with urllib.request.urlopen(f"{base}/collections/buildings/items?limit=1") as answer:  # noqa: S310 - the server under test
        total = json.load(answer)["numberMatched"]
    limit = json.load(urllib.request.urlopen(f"{base}/openapi?f=json"))["components"]["parameters"]["limit"]["schema"]  # noqa: S310
    layer = QgsVectorLayer(f"url='{base}' typename='buildings' restrictToRequestBBOX='1'", "buildings", "OAPIF")
    box = QgsFeatureRequest().setFilterRect(QgsRectangle(114.390, 30.503, 114.3975, 30.510))
    tiles = QgsVectorTileLayer(f"type=xyz&url={base}/collections/buildings/tiles/xyz/{{z}}/{{x}}/{{y}}.mvt&zmin=0&zmax=18", "tiles")
    checks = {
        "layer is valid": layer.isValid(),
        "page size is declared": limit["maximum"] >= 1000,
        "count is the server's": layer.featureCount() == total,
        "types come from the schema": layer.fields().field("height_m").typeName().lower() in ("double", "real"),
        "CRS is known": layer.crs().isValid(),
        "box selects some": 0 < sum(1 for _ in layer.getFeatures(box)) < total,
        "filter is pushed down": layer.setSubsetString("\"use\" = 'office'") and 0 < layer.featureCount() < total,
        "vector tiles are valid": tiles.isValid(),
    }
    for name, good in checks.items():
        print(f"{'ok  ' if good else 'FAIL'} {name}")
    application.exitQgis()
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1].rstrip("/")))
