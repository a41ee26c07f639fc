/** Disciplines of a building model by the IFC class of its elements (IFC 4.3, ISO 16739-1:2024: domain schemas of clause 7). Pure. */
import type { Key } from "../i18n/i18n";

export const DISCIPLINES = ["architecture", "structure", "hvac", "plumbing", "electrical", "furnishing", "other"] as const;
export type Discipline = (typeof DISCIPLINES)[number];
export const DISCIPLINE_TITLES: Record<Discipline, Key> = {
  architecture: "bim.architecture",
  structure: "bim.structure",
  hvac: "bim.hvac",
  plumbing: "bim.plumbing",
  electrical: "bim.electrical",
  furnishing: "bim.furnishing",
  other: "bim.other",
};

/** The first pattern that matches decides. */
const CLASSES: readonly (readonly [RegExp, Discipline])[] = [
  [/^Ifc(Beam|Column|Footing|Pile|Member|Plate|Reinforc|Tendon|DeepFoundation|CaissonFoundation|Bearing)/, "structure"],
  [/^Ifc(Wall|Door|Window|Roof|Slab|Stair|Ramp|Railing|Covering|CurtainWall|Chimney|ShadingDevice|BuildingElement|Space)/, "architecture"],
  [/^Ifc(Furni|SystemFurniture)/, "furnishing"],
  [/^Ifc(Sanitary|Waste|Interceptor|FireSuppression|StackTerminal|Pipe|Pump|Tank|DistributionChamber)/, "plumbing"],
  [/^Ifc(Duct|Air|Boiler|Chiller|Coil|CooledBeam|CoolingTower|Damper|Evapor|Fan|HeatExchanger|Humidifier|SpaceHeater|UnitaryEquipment|Condenser|Compressor)/, "hvac"],
  [/^Ifc(Electric|Cable|Lamp|Light|Outlet|Switching|Transformer|Junction|Protective|AudioVisual|Communications|Alarm|Sensor|Controller|SolarDevice)/, "electrical"],
  [/^Ifc(Flow|Distribution|Valve|EnergyConversion)/, "plumbing"],
];

export function disciplineOf(ifcClass: string): Discipline {
  return CLASSES.find(([pattern]) => pattern.test(ifcClass))?.[1] ?? "other";
}
