-- in: none
-- out: layer, kind, collection, title, note, is_synthetic, replaces, n_features, west, south, east, north [deg, EPSG:4490],
--      min_height_m, max_height_m [m, ellipsoidal]
SELECT
    layer, kind, collection, title, note, is_synthetic, replaces, n_features,
    ST_XMin(geom) AS west, ST_YMin(geom) AS south, ST_XMax(geom) AS east, ST_YMax(geom) AS north, min_height_m, max_height_m
FROM tileset
ORDER BY CASE kind WHEN 'buildings' THEN 0 WHEN 'bim' THEN 1 ELSE 2 END, layer
