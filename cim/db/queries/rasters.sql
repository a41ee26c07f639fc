-- in: none
-- out: kind, name, file, crs, vertical_datum, resolution_m, width_px, height_px, n_bands, data_type, nodata, min_m, max_m, acquired_on,
--      west, south, east, north [deg, EPSG:4490], licence, provider, is_synthetic, loaded_at [newest first]
SELECT
    t.kind, t.name, t.file, t.crs, t.vertical_datum, t.resolution_m, t.width_px, t.height_px, t.n_bands, t.data_type, t.nodata,
    t.min_m, t.max_m, t.acquired_on, ST_XMin(t.geom) AS west, ST_YMin(t.geom) AS south, ST_XMax(t.geom) AS east,
    ST_YMax(t.geom) AS north, d.licence, d.provider, d.is_synthetic, d.loaded_at
FROM raster AS t
INNER JOIN dataset AS d ON t.dataset_id = d.id
ORDER BY t.kind DESC, d.loaded_at DESC, t.name
