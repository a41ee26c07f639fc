-- in: after
-- out: id, collection, west, south, east, north [deg, EPSG:4490], change_set_id
-- index: change_event_pk
SELECT
    id,
    collection,
    ST_XMin(bbox),
    ST_YMin(bbox),
    ST_XMax(bbox),
    ST_YMax(bbox),
    change_set_id
FROM change_event
WHERE id > %(after)s::bigint
ORDER BY id
LIMIT 5001
