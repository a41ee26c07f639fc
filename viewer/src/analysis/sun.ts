/** Where the sun stands. Angles in degrees: azimuth clockwise from north, altitude above the horizon. */
import { Cartesian3, JulianDate, Math as CesiumMath, Matrix3, Matrix4, Simon1994PlanetaryPositions, Transforms } from "cesium";

/** Hours that the clocks of a place are ahead of UTC by its longitude. China keeps one time, that of 120° E. */
export function zoneHours(longitude: number, latitude: number): number {
  const inChina = longitude > 73.4 && longitude < 135.1 && latitude > 3.8 && latitude < 53.6;
  return inChina ? 8 : Math.round(longitude / 15);
}

/** The moment of a day (YYYY-MM-DD) and an hour by the clocks of a zone. */
export function momentOf(day: string, hour: number, zone: number): Date {
  const [year, month, date] = day.split("-").map(Number) as [number, number, number];
  return new Date(Date.UTC(year, month - 1, date) + (hour - zone) * 3_600_000);
}

export interface SunPlace {
  azimuth: number;
  altitude: number;
  /** From the place to the sun, earth-fixed. */
  towards: Cartesian3;
}

/** After Simon et al. (1994), Astronomy and Astrophysics 282, 663–683, as the engine computes it. Without refraction. */
export function sunAt(moment: Date, longitude: number, latitude: number): SunPlace {
  const time = JulianDate.fromDate(moment);
  const inertial = Simon1994PlanetaryPositions.computeSunPositionInEarthInertialFrame(time, new Cartesian3());
  const turn = Transforms.computeTemeToPseudoFixedMatrix(time, new Matrix3());
  const sun = Matrix3.multiplyByVector(turn, inertial, new Cartesian3());
  const place = Cartesian3.fromDegrees(longitude, latitude);
  const towards = Cartesian3.normalize(Cartesian3.subtract(sun, place, new Cartesian3()), new Cartesian3());
  const frame = Matrix4.inverseTransformation(Transforms.eastNorthUpToFixedFrame(place), new Matrix4());
  const local = Matrix4.multiplyByPointAsVector(frame, towards, new Cartesian3());
  return {
    azimuth: (CesiumMath.toDegrees(Math.atan2(local.x, local.y)) + 360) % 360,
    altitude: CesiumMath.toDegrees(Math.asin(local.z)),
    towards,
  };
}
