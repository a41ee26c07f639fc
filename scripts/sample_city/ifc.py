"""Places three openly licensed IFC models in the sample area. The models stay as they are but for their placement."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ifcopenshell
import ifcopenshell.guid
import numpy as np
import shapely

from sample_city.area import PROJECTED_CRS, VERTICAL_DATUM, to_degrees
from sample_city.sources import Building
from sample_city.terrain import Terrain
from sample_city.writers import write_csv, write_text

COLUMNS: Final = (
    "file", "title", "licence", "source", "osm_id", "fwbh", "easting", "northing", "height", "rotation_deg", "lon", "lat",
)  # fmt: skip
NAMESPACE: Final = uuid.UUID("6f1f1f5e-0d7e-5b57-9c55-3f3a5e0a4f10")
"""Root of the identifiers of added entities, so that they are the same in every run."""


@dataclass(frozen=True)
class Model:
    """One model and where it goes.

    `centre` is the plan centre of the model in its own coordinates [m]; it is put on the centre of the footprint of `osm_id`.
    `shift` is subtracted from the site placement first, for models whose coordinates are far from their origin.
    `zero_m` is the height in the model that comes to lie on the ground.
    """

    file: str
    source_file: str
    title: str
    licence: str
    source: str
    osm_id: int
    centre: tuple[float, float]
    long_axis_deg: float
    zero_m: float = 0.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)


MODELS: Final = (
    Model(
        "fzk_haus.ifc", "AC20-FZK-Haus.ifc", "FZK-Haus (KIT/IAI)", "MPL-2.0", "FZK",
        osm_id=622253550, centre=(6.0, 5.0), long_axis_deg=0.0,
    ),
    Model(
        "duplex.ifc", "Duplex_A_20110907.ifc", "Duplex Apartment", "CC BY 4.0", "DUPLEX",
        osm_id=109361003, centre=(4.4, -8.9), long_axis_deg=90.0,
    ),
    Model(
        "drainage.ifc", "infra/DrainageSystem-1-2.ifc", "Drainage system (storm water, 7 manholes, 6 pipes)", "CC BY 4.0",
        "DRAINAGE", osm_id=98965867, centre=(0.0, 0.0), long_axis_deg=0.0, zero_m=0.0,
        shift=(24_525_646.5, 6_876_908.5, 126.9),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Placement:
    """Map conversion of one model: origin (easting, northing, height) [m] and rotation counter-clockwise from east [deg]."""

    easting: float
    northing: float
    height_m: float
    rotation_deg: float

    @property
    def axis(self) -> tuple[float, float]:
        """Return the model's x axis in the map: abscissa (east) and ordinate (north)."""
        angle = np.radians(self.rotation_deg)
        return round(float(np.cos(angle)), 12), round(float(np.sin(angle)), 12)


def place(model: Model, footprint: Any, terrain: Terrain) -> Placement:
    """Put the model's centre on the footprint, its long axis along the longest wall, its zero height on the ground."""
    ring = shapely.get_coordinates(shapely.get_exterior_ring(footprint))
    step = np.diff(ring, axis=0)
    dx, dy = step[int(np.argmax(np.hypot(step[:, 0], step[:, 1])))]
    rotation = round((float(np.degrees(np.arctan2(dy, dx))) - model.long_axis_deg) % 180.0, 4)
    angle = np.radians(rotation)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    spot = shapely.centroid(footprint)
    east, north = np.array([spot.x, spot.y]) - turn @ np.array(model.centre)
    ground = terrain.at(spot.x, spot.y)
    return Placement(round(float(east), 3), round(float(north), 3), round(ground - model.zero_m, 2), rotation)


def open_model(path: Path) -> Any:
    """Open a model; IFC4X3_RC3 is read as IFC4X3_ADD2, its successor (all entities used here are the same in both)."""
    text = path.read_text(encoding="latin-1")
    if "'IFC4X3_RC3'" in text[:3000]:
        return ifcopenshell.file.from_string(text.replace("'IFC4X3_RC3'", "'IFC4X3_ADD2'", 1))
    return ifcopenshell.open(str(path))


def _guid(model: Model, part: str) -> str:
    text: str = ifcopenshell.guid.compress(uuid.uuid5(NAMESPACE, f"{model.file}/{part}").hex)
    return text


def georeference(file: Any, model: Model, placement: Placement) -> None:
    """Write the map conversion: entities from IFC4 on, property sets of the project in IFC2X3."""
    if model.shift != (0.0, 0.0, 0.0):
        location = file.by_type("IfcSite")[0].ObjectPlacement.RelativePlacement.Location
        location.Coordinates = tuple(a - b for a, b in zip(location.Coordinates, model.shift, strict=True))
    if file.schema == "IFC2X3":
        _georeference_ifc2x3(file, model, placement)
        return
    context = next(c for c in file.by_type("IfcGeometricRepresentationContext", include_subtypes=False) if c.ContextType == "Model")
    metre = next(u for u in file.by_type("IfcSIUnit") if u.UnitType == "LENGTHUNIT")
    crs = file.create_entity(
        "IfcProjectedCRS",
        Name=PROJECTED_CRS,
        Description="CGCS2000 / 3-degree Gauss-Kruger CM 114E",
        GeodeticDatum="China 2000",
        VerticalDatum=VERTICAL_DATUM,
        MapProjection="Gauss-Kruger",
        MapZone="CM 114E",
        MapUnit=metre,
    )
    abscissa, ordinate = placement.axis
    file.create_entity(
        "IfcMapConversion",
        SourceCRS=context,
        TargetCRS=crs,
        Eastings=placement.easting,
        Northings=placement.northing,
        OrthogonalHeight=placement.height_m,
        XAxisAbscissa=abscissa,
        XAxisOrdinate=ordinate,
        Scale=1.0,
    )


def _georeference_ifc2x3(file: Any, model: Model, placement: Placement) -> None:
    abscissa, ordinate = placement.axis
    conversion = {
        "Eastings": ("IfcLengthMeasure", placement.easting),
        "Northings": ("IfcLengthMeasure", placement.northing),
        "OrthogonalHeight": ("IfcLengthMeasure", placement.height_m),
        "XAxisAbscissa": ("IfcReal", abscissa),
        "XAxisOrdinate": ("IfcReal", ordinate),
        "Scale": ("IfcReal", 1.0),
    }
    crs = {
        "Name": ("IfcLabel", PROJECTED_CRS),
        "Description": ("IfcText", "CGCS2000 / 3-degree Gauss-Kruger CM 114E"),
        "GeodeticDatum": ("IfcIdentifier", "China 2000"),
        "VerticalDatum": ("IfcIdentifier", VERTICAL_DATUM),
        "MapProjection": ("IfcIdentifier", "Gauss-Kruger"),
        "MapZone": ("IfcIdentifier", "CM 114E"),
        "MapUnit": ("IfcIdentifier", "METRE"),
    }
    project = file.by_type("IfcProject")[0]
    for name, values in (("ePSet_MapConversion", conversion), ("ePSet_ProjectedCRS", crs)):
        properties = [
            file.create_entity("IfcPropertySingleValue", Name=key, NominalValue=file.create_entity(kind, value))
            for key, (kind, value) in values.items()
        ]
        pset = file.create_entity(
            "IfcPropertySet",
            GlobalId=_guid(model, name),
            OwnerHistory=project.OwnerHistory,
            Name=name,
            HasProperties=properties,
        )
        file.create_entity(
            "IfcRelDefinesByProperties",
            GlobalId=_guid(model, f"{name}/rel"),
            OwnerHistory=project.OwnerHistory,
            RelatedObjects=[project],
            RelatingPropertyDefinition=pset,
        )


def write_models(
    data: Path, out: Path, buildings: list[Building], terrain: Terrain, fwbh: dict[int, str], sources: dict[str, str]
) -> None:
    """Write the placed models and ``placement.csv``; lon/lat there is where the model's local origin comes to lie."""
    by_id = {building.osm_id: building for building in buildings}
    rows = []
    for model in MODELS:
        placement = place(model, by_id[model.osm_id].plan, terrain)
        file = open_model(data / model.source_file)
        georeference(file, model, placement)
        write_text(out / model.file, file.to_string())
        lonlat = to_degrees(shapely.Point(placement.easting, placement.northing))
        rows.append(
            {
                "file": model.file,
                "title": model.title,
                "licence": model.licence,
                "source": sources[model.source],
                "osm_id": model.osm_id,
                "fwbh": fwbh[model.osm_id],
                "easting": f"{placement.easting:.3f}",
                "northing": f"{placement.northing:.3f}",
                "height": f"{placement.height_m:.2f}",
                "rotation_deg": f"{placement.rotation_deg:.4f}",
                "lon": f"{lonlat.x:.9f}",
                "lat": f"{lonlat.y:.9f}",
            }
        )
    write_csv(out / "placement.csv", COLUMNS, rows)
