"""Places three openly licensed IFC models in the sample area. The models stay as they are but for their placement."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import ifcopenshell
import ifcopenshell.guid
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from sample_city.area import PROJECTED_CRS, VERTICAL_DATUM, to_degrees
from sample_city.sources import Building, Road
from sample_city.terrain import Terrain
from sample_city.writers import write_csv, write_text

COLUMNS: Final = (
    "file", "title", "licence", "source", "anchor", "osm_id", "fwbh", "easting", "northing", "height", "rotation_deg", "lon", "lat",
)  # fmt: skip
NAMESPACE: Final = uuid.UUID("6f1f1f5e-0d7e-5b57-9c55-3f3a5e0a4f10")
"""Root of the identifiers of added entities, so that they are the same in every run."""


@dataclass(frozen=True)
class Model:
    """One model and where it goes.

    `osm_id` names the footprint, or for `anchor` "road" the way, whose centre the plan centre `centre` [m] of the model gets.
    `long_axis_deg` is the direction of the model's long side in its own coordinates.
    `shift` is subtracted from the site placement first, for models whose coordinates are far from their origin [m].
    """

    file: str
    source_file: str
    title: str
    licence: str
    source: str
    anchor: str
    osm_id: int
    centre: tuple[float, float]
    long_axis_deg: float
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)


MODELS: Final = (
    Model(
        "fzk_haus.ifc",
        "AC20-FZK-Haus.ifc",
        "FZK-Haus",
        "MPL-2.0",
        "ThatOpen/engine_web-ifc @ 233e3aa711: tests/ifcfiles/public/AC20-FZK-Haus.ifc (original: KIT/IAI)",
        "building",
        109359155,
        centre=(6.0, 5.0),
        long_axis_deg=0.0,
    ),
    Model(
        "duplex.ifc",
        "Duplex_A_20110907.ifc",
        "Duplex Apartment",
        "CC BY 4.0",
        "stijngoedertier/georeference-ifc @ 3cf8976c44: Duplex_A_20110907.ifc",
        "building",
        110403200,
        centre=(4.4, -8.9),
        long_axis_deg=90.0,
    ),
    Model(
        "drainage.ifc",
        "infra/DrainageSystem-1-2.ifc",
        "Storm water drainage: 7 manholes, 6 pipes",
        "CC BY 4.0",
        "bSI-InfraRoom/IFC-infra-unit-test @ bc13603cc4: DrainageSystem-1/DrainageSystem-1-2.ifc",
        "road",
        104107458,
        centre=(0.0, 0.0),
        long_axis_deg=-26.5651,
        shift=(24_525_646.5, 6_876_908.5, 126.9),
    ),
)


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


def place(model: Model, plan: BaseGeometry, terrain: Terrain) -> Placement:
    """Put the model's centre on its anchor, its long side along the longest straight piece of it, its zero on the ground.

    Parameters
    ----------
    plan
        Footprint or road axis in EPSG:4547 [m].
    """
    road = model.anchor == "road"
    line = max(shapely.get_parts(plan), key=lambda part: part.length) if road else shapely.get_exterior_ring(plan)
    xy = shapely.get_coordinates(line)
    step = np.diff(xy, axis=0)
    longest = int(np.argmax(np.hypot(step[:, 0], step[:, 1])))
    rotation = round((float(np.degrees(np.arctan2(step[longest, 1], step[longest, 0]))) - model.long_axis_deg) % 180.0, 4)
    angle = np.radians(rotation)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = (xy[longest] + xy[longest + 1]) / 2 if road else shapely.get_coordinates(shapely.centroid(plan))[0]
    east, north = centre - turn @ np.array(model.centre)
    ground = terrain.at(float(centre[0]), float(centre[1]))
    return Placement(round(float(east), 3), round(float(north), 3), ground, rotation)


def open_model(path: Path) -> ifcopenshell.file:
    """Open a model; IFC4X3_RC3 is read as IFC4X3_ADD2, its successor (all entities used here are the same in both)."""
    text = path.read_text(encoding="latin-1")
    if "'IFC4X3_RC3'" in text[:3000]:
        return ifcopenshell.file.from_string(text.replace("'IFC4X3_RC3'", "'IFC4X3_ADD2'", 1))
    return ifcopenshell.open(str(path))


def _guid(model: Model, part: str) -> str:
    text: str = ifcopenshell.guid.compress(uuid.uuid5(NAMESPACE, f"{model.file}/{part}").hex)
    return text


def georeference(file: ifcopenshell.file, model: Model, placement: Placement) -> None:
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


def _georeference_ifc2x3(file: ifcopenshell.file, model: Model, placement: Placement) -> None:
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


def write_models(data: Path, out: Path, buildings: list[Building], roads: list[Road], terrain: Terrain, fwbh: dict[int, str]) -> None:
    """Write the placed models and ``placement.csv``; lon/lat there is where the model's local origin comes to lie."""
    plans = {("building", b.osm_id): b.plan for b in buildings} | {("road", r.osm_id): r.plan for r in roads}
    rows = []
    for model in MODELS:
        placement = place(model, plans[model.anchor, model.osm_id], terrain)
        file = open_model(data / model.source_file)
        georeference(file, model, placement)
        write_text(out / model.file, file.to_string())  # type: ignore[no-untyped-call]  # ifcopenshell has no types
        lonlat = to_degrees(shapely.Point(placement.easting, placement.northing))
        rows.append(
            {
                "file": model.file,
                "title": model.title,
                "licence": model.licence,
                "source": model.source,
                "anchor": model.anchor,
                "osm_id": model.osm_id,
                "fwbh": fwbh[model.osm_id] if model.anchor == "building" else "",
                "easting": f"{placement.easting:.3f}",
                "northing": f"{placement.northing:.3f}",
                "height": f"{placement.height_m:.2f}",
                "rotation_deg": f"{placement.rotation_deg:.4f}",
                "lon": f"{lonlat.x:.9f}",
                "lat": f"{lonlat.y:.9f}",
            }
        )
    write_csv(out / "placement.csv", COLUMNS, rows)
