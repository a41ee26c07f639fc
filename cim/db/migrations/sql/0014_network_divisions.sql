-- The village or community of network parts, by their place: rows of a street can be told from those of the next. Frozen.

ALTER TABLE network_node ADD COLUMN division_code text;

COMMENT ON COLUMN network_node.division_code IS 'village or community it lies in, 12 digits; empty outside of all boundaries';

ALTER TABLE network_node_history ADD COLUMN division_code text;

COMMENT ON COLUMN network_node_history.division_code IS 'village or community it lies in, 12 digits; empty outside of all boundaries';

SELECT cim_make_as_of('network_node');

ALTER TABLE network_edge ADD COLUMN division_code text;

COMMENT ON COLUMN network_edge.division_code IS 'village or community its middle lies in, 12 digits; empty outside of all boundaries';

ALTER TABLE network_edge_history ADD COLUMN division_code text;

COMMENT ON COLUMN network_edge_history.division_code IS 'village or community its middle lies in, 12 digits; empty outside of all boundaries';

SELECT cim_make_as_of('network_edge');

-- What is there learns where it lies; that is no change of the city, so it makes neither history nor events.
ALTER TABLE network_node DISABLE TRIGGER network_node_history_update;
ALTER TABLE network_node DISABLE TRIGGER network_node_event_update;
ALTER TABLE network_edge DISABLE TRIGGER network_edge_history_update;
ALTER TABLE network_edge DISABLE TRIGGER network_edge_event_update;

UPDATE network_node n SET division_code = v.code
FROM (SELECT n.kind, n.id, min(d.code) AS code FROM division d JOIN network_node n ON ST_Covers(d.geom, n.geom)
      WHERE d.level = 5 AND d.status = 'existing' GROUP BY 1, 2) AS v
WHERE n.kind = v.kind AND n.id = v.id;

UPDATE network_edge e SET division_code = v.code
FROM (SELECT e.kind, e.id, min(d.code) AS code
      FROM division d JOIN network_edge e ON d.geom && e.geom AND ST_Covers(d.geom, ST_LineInterpolatePoint(e.geom, 0.5))
      WHERE d.level = 5 AND d.status = 'existing' GROUP BY 1, 2) AS v
WHERE e.kind = v.kind AND e.id = v.id;

UPDATE network_node_history h SET division_code = v.code
FROM (SELECT h.ctid AS row, min(d.code) AS code FROM division d JOIN network_node_history h ON ST_Covers(d.geom, h.geom)
      WHERE d.level = 5 AND d.status = 'existing' GROUP BY 1) AS v
WHERE h.ctid = v.row;

UPDATE network_edge_history h SET division_code = v.code
FROM (SELECT h.ctid AS row, min(d.code) AS code
      FROM division d JOIN network_edge_history h ON d.geom && h.geom AND ST_Covers(d.geom, ST_LineInterpolatePoint(h.geom, 0.5))
      WHERE d.level = 5 AND d.status = 'existing' GROUP BY 1) AS v
WHERE h.ctid = v.row;

ALTER TABLE network_node ENABLE TRIGGER network_node_history_update;
ALTER TABLE network_node ENABLE TRIGGER network_node_event_update;
ALTER TABLE network_edge ENABLE TRIGGER network_edge_history_update;
ALTER TABLE network_edge ENABLE TRIGGER network_edge_event_update;
