"""Conformance classes that this server implements and tests."""

_OGC = "http://www.opengis.net/spec"

COMMON = tuple(
    f"{_OGC}/{name}"
    for name in (
        "ogcapi-common-1/1.0/conf/core",
        "ogcapi-common-1/1.0/conf/landing-page",
        "ogcapi-common-1/1.0/conf/json",
        "ogcapi-common-1/1.0/conf/html",
        "ogcapi-common-1/1.0/conf/oas30",
        "ogcapi-common-2/1.0/conf/collections",
        "ogcapi-common-3/1.0/conf/schemas",
    )
)

FEATURES = tuple(
    f"{_OGC}/ogcapi-features-{name}"
    for name in (
        "1/1.0/conf/core",
        "1/1.0/conf/oas30",
        "1/1.0/conf/html",
        "1/1.0/conf/geojson",
        "2/1.0/conf/crs",
        "3/1.0/conf/queryables",
        "3/1.0/conf/queryables-query-parameters",
        "3/1.0/conf/filter",
        "3/1.0/conf/features-filter",
        "4/1.0/conf/create-replace-delete",
        "4/1.0/conf/update",
        "4/1.0/conf/features",
        "4/1.0/conf/optimistic-locking-etags",
        # QGIS looks for this id, newer clients for the one of Common part 3.
        "5/1.0/conf/schemas",
        "5/1.0/conf/core-roles-features",
    )
)

CQL2 = tuple(
    f"{_OGC}/cql2/1.0/conf/{name}"
    for name in (
        "cql2-text",
        "cql2-json",
        "basic-cql2",
        "advanced-comparison-operators",
        "case-insensitive-comparison",
        "accent-insensitive-comparison",
        # The name of the class in drafts, which QGIS looks for, and the final one.
        "basic-spatial-operators",
        "basic-spatial-functions",
        "basic-spatial-functions-plus",
        "spatial-functions",
        "temporal-functions",
        "array-functions",
        "property-property",
        "functions",
        "arithmetic",
    )
)

JSON_FG = tuple(f"{_OGC}/json-fg-1/0.3/conf/{name}" for name in ("core", "polyhedra", "types-schemas"))

TILES = tuple(
    f"{_OGC}/{name}"
    for name in (
        "ogcapi-tiles-1/1.0/conf/core",
        "ogcapi-tiles-1/1.0/conf/tileset",
        "ogcapi-tiles-1/1.0/conf/tilesets-list",
        "ogcapi-tiles-1/1.0/conf/dataset-tilesets",
        "ogcapi-tiles-1/1.0/conf/geodata-tilesets",
        "ogcapi-tiles-1/1.0/conf/collections-selection",
        "ogcapi-tiles-1/1.0/conf/mvt",
        "ogcapi-tiles-1/1.0/conf/oas30",
        "tms/2.0/conf/tilematrixset",
        "tms/2.0/conf/json-tilematrixset",
        "tms/2.0/conf/tilesetmetadata",
        "tms/2.0/conf/json-tilesetmetadata",
    )
)

STYLES = tuple(f"{_OGC}/ogcapi-styles-1/0.0/conf/{name}" for name in ("core", "mapbox-styles", "sld-10"))

PROCESSES = tuple(
    f"{_OGC}/ogcapi-processes-1/1.0/conf/{name}"
    for name in ("core", "ogc-process-description", "json", "html", "oas30", "job-list", "callback", "dismiss")
)

RECORDS = tuple(f"{_OGC}/ogcapi-records-1/1.0/conf/{name}" for name in ("record-core", "record-collection", "json", "html"))

# The draft of 2022 names its classes by http, the present one by https.
GEOVOLUMES = (
    f"{_OGC}/ogcapi-geovolumes-1/1.0/conf/core",
    "https://www.opengis.net/spec/ogcapi-geovolumes-1/1.0/conf/core",
    "https://www.opengis.net/spec/ogcapi-geovolumes-1/1.0/conf/3d-tiles",
)

COVERAGES = tuple(
    f"{_OGC}/ogcapi-coverages-1/1.0/conf/{name}"
    for name in ("core", "subsetting", "scaling", "fieldselection", "crs", "geotiff", "coveragejson", "oas30", "geodata-coverage")
)

# The ids of 1.0 are what clients look for; 1.1 kept the requirements.
EDR = tuple(
    f"{_OGC}/ogcapi-edr-1/{name}"
    for name in (
        "1.0/conf/core", "1.0/conf/collections", "1.0/conf/json", "1.0/conf/geojson", "1.0/conf/covjson", "1.0/conf/oas30",
        "1.1/conf/core", "1.1/conf/collections", "1.1/conf/covjson", "1.1/conf/oas30", "1.1/conf/queries",
    )
)  # fmt: skip

MAPS = tuple(
    f"{_OGC}/{name}"
    for name in (
        "ogcapi-maps-1/1.0/conf/core",
        "ogcapi-maps-1/1.0/conf/collection-map",
        "ogcapi-maps-1/1.0/conf/styled-map",
        "ogcapi-maps-1/1.0/conf/spatial-subsetting",
        "ogcapi-maps-1/1.0/conf/scaling",
        "ogcapi-maps-1/1.0/conf/crs",
        "ogcapi-maps-1/1.0/conf/tilesets",
        "ogcapi-maps-1/1.0/conf/png",
        "ogcapi-maps-1/1.0/conf/jpeg",
        "ogcapi-maps-1/1.0/conf/oas30",
        "ogcapi-tiles-1/1.0/conf/png",
        "ogcapi-tiles-1/1.0/conf/jpeg",
    )
)

CONFORMANCE = (*COMMON, *RECORDS, *PROCESSES, *FEATURES, *CQL2, *JSON_FG, *TILES, *STYLES, *GEOVOLUMES, *COVERAGES, *EDR, *MAPS)
