CREATE TABLE network_node_tunnel PARTITION OF network_node FOR VALUES IN ('tunnel');
CREATE TABLE network_edge_tunnel PARTITION OF network_edge FOR VALUES IN ('tunnel');

COMMENT ON COLUMN network_node.kind IS 'one of water, rainwater, sewage, gas, heat, power, lighting, telecom, road, tunnel';
COMMENT ON COLUMN network_edge.kind IS 'one of water, rainwater, sewage, gas, heat, power, lighting, telecom, road, tunnel';
COMMENT ON COLUMN network_node_history.kind IS 'one of water, rainwater, sewage, gas, heat, power, lighting, telecom, road, tunnel';
COMMENT ON COLUMN network_edge_history.kind IS 'one of water, rainwater, sewage, gas, heat, power, lighting, telecom, road, tunnel';
