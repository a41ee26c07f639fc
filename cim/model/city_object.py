"""City objects of city models: the classes and surfaces that the store keeps."""

OBJECT_TYPES = (
    "Building", "BuildingPart", "BuildingInstallation", "BuildingRoom", "BuildingStorey", "BuildingUnit", "BuildingFurniture",
    "BuildingConstructiveElement", "Bridge", "BridgePart", "BridgeInstallation", "Tunnel", "TunnelPart", "TunnelInstallation", "Road",
    "Railway", "Waterway", "TransportSquare", "WaterBody", "PlantCover", "SolitaryVegetationObject", "TINRelief", "LandUse",
    "CityFurniture", "OtherConstruction", "CityObjectGroup", "GenericCityObject",
)  # fmt: skip
"""First-level and second-level city objects of CityJSON 2.0 (clause 3) that the store keeps."""

SURFACE_TYPES = (
    "Unknown", "GroundSurface", "RoofSurface", "WallSurface", "ClosureSurface", "OuterCeilingSurface", "OuterFloorSurface", "Window",
    "Door", "InteriorWallSurface", "CeilingSurface", "FloorSurface", "WaterSurface", "WaterGroundSurface", "WaterClosureSurface",
    "TrafficArea", "AuxiliaryTrafficArea", "TransportationMarking", "TransportationHole", "Relief",
)  # fmt: skip
"""Semantic surfaces; their position is the number in ``representation.surfaces``. Order is part of the store: append only."""
