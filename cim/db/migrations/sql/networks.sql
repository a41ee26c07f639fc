-- Equipment and roughness of network parts; service links, outages, source models.

ALTER TABLE network_node ADD COLUMN component_code text, ADD COLUMN state text, ADD COLUMN condition text, ADD COLUMN maintainer text;

COMMENT ON COLUMN network_node.component_code IS 'code of the municipal component: county, big class, small class, sequence, 16 digits';

COMMENT ON COLUMN network_node.state IS 'valves and switches: open, closed, broken (cannot be moved), inaccessible; empty = no such part';

COMMENT ON COLUMN network_node.condition IS 'condition as last inspected';

COMMENT ON COLUMN network_node.maintainer IS 'unit that maintains it';

ALTER TABLE network_node_history ADD COLUMN component_code text, ADD COLUMN state text, ADD COLUMN condition text, ADD COLUMN maintainer text;

COMMENT ON COLUMN network_node_history.component_code IS 'code of the municipal component: county, big class, small class, sequence, 16 digits';

COMMENT ON COLUMN network_node_history.state IS 'valves and switches: open, closed, broken (cannot be moved), inaccessible; empty = no such part';

COMMENT ON COLUMN network_node_history.condition IS 'condition as last inspected';

COMMENT ON COLUMN network_node_history.maintainer IS 'unit that maintains it';

ALTER TABLE network_node ADD CONSTRAINT network_node_state_check CHECK (state IN ('open', 'closed', 'broken', 'inaccessible'));

ALTER TABLE network_node ADD CONSTRAINT network_node_kind_component_code_key UNIQUE (kind, component_code);

SELECT cim_make_as_of('network_node');

ALTER TABLE network_edge ADD COLUMN feature text, ADD COLUMN roughness double precision, ADD COLUMN roughness_kind text, ADD COLUMN component_code text, ADD COLUMN state text, ADD COLUMN condition text, ADD COLUMN maintainer text;

COMMENT ON COLUMN network_edge.feature IS 'what the line is: PIPE, PUMP, VALVE, ORIFICE, WEIR, CABLE, SWITCH, TRANSFORMER, ROAD, BRIDGE, …';

COMMENT ON COLUMN network_edge.roughness IS 'wall roughness in the measure of roughness_kind';

COMMENT ON COLUMN network_edge.roughness_kind IS 'hazen-williams, manning, mm (equivalent sand roughness [mm])';

COMMENT ON COLUMN network_edge.component_code IS 'code of the municipal component: county, big class, small class, sequence, 16 digits';

COMMENT ON COLUMN network_edge.state IS 'valves and switches: open, closed, broken (cannot be moved), inaccessible; empty = no such part';

COMMENT ON COLUMN network_edge.condition IS 'condition as last inspected';

COMMENT ON COLUMN network_edge.maintainer IS 'unit that maintains it';

ALTER TABLE network_edge_history ADD COLUMN feature text, ADD COLUMN roughness double precision, ADD COLUMN roughness_kind text, ADD COLUMN component_code text, ADD COLUMN state text, ADD COLUMN condition text, ADD COLUMN maintainer text;

COMMENT ON COLUMN network_edge_history.feature IS 'what the line is: PIPE, PUMP, VALVE, ORIFICE, WEIR, CABLE, SWITCH, TRANSFORMER, ROAD, BRIDGE, …';

COMMENT ON COLUMN network_edge_history.roughness IS 'wall roughness in the measure of roughness_kind';

COMMENT ON COLUMN network_edge_history.roughness_kind IS 'hazen-williams, manning, mm (equivalent sand roughness [mm])';

COMMENT ON COLUMN network_edge_history.component_code IS 'code of the municipal component: county, big class, small class, sequence, 16 digits';

COMMENT ON COLUMN network_edge_history.state IS 'valves and switches: open, closed, broken (cannot be moved), inaccessible; empty = no such part';

COMMENT ON COLUMN network_edge_history.condition IS 'condition as last inspected';

COMMENT ON COLUMN network_edge_history.maintainer IS 'unit that maintains it';

ALTER TABLE network_edge ADD CONSTRAINT network_edge_state_check CHECK (state IN ('open', 'closed', 'broken', 'inaccessible'));

ALTER TABLE network_edge ADD CONSTRAINT network_edge_kind_component_code_key UNIQUE (kind, component_code);

SELECT cim_make_as_of('network_edge');

CREATE TABLE network_link (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	kind TEXT NOT NULL,
	part TEXT NOT NULL,
	part_code TEXT NOT NULL,
	collection TEXT NOT NULL,
	target_code TEXT NOT NULL,
	method TEXT NOT NULL,
	distance_m FLOAT,
	n_customers INTEGER DEFAULT 1 NOT NULL,
	change_set_id UUID NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT network_link_pk PRIMARY KEY (id),
	CONSTRAINT network_link_kind_part_code_collection_target_code_key UNIQUE (kind, part_code, collection, target_code),
	CONSTRAINT network_link_part_check CHECK (part IN ('node', 'edge')),
	CONSTRAINT network_link_collection_check CHECK (collection IN ('buildings', 'addresses')),
	CONSTRAINT network_link_change_set_id_fk FOREIGN KEY(change_set_id) REFERENCES change_set (id)
);

CREATE INDEX network_link_target_code_btree ON network_link (target_code);

COMMENT ON TABLE network_link IS 'House connections: which part of a network serves which building or address';

COMMENT ON COLUMN network_link.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN network_link.kind IS 'kind of the network';

COMMENT ON COLUMN network_link.part IS 'node or edge that serves';

COMMENT ON COLUMN network_link.part_code IS 'code of the node or edge';

COMMENT ON COLUMN network_link.collection IS 'buildings or addresses';

COMMENT ON COLUMN network_link.target_code IS 'code of the building or address served';

COMMENT ON COLUMN network_link.method IS 'source (named by the data), nearest (computed), edit';

COMMENT ON COLUMN network_link.distance_m IS 'from the part to what it serves [m], where computed';

COMMENT ON COLUMN network_link.n_customers IS 'customers behind the connection';

CREATE TABLE network_outage (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	kind TEXT NOT NULL,
	number TEXT NOT NULL,
	cause TEXT NOT NULL,
	state TEXT NOT NULL,
	part_code TEXT NOT NULL,
	starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
	ends_at TIMESTAMP WITH TIME ZONE,
	reason TEXT NOT NULL,
	result JSONB NOT NULL,
	conflicts_with TEXT,
	change_set_id UUID NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT network_outage_pk PRIMARY KEY (id),
	CONSTRAINT network_outage_cause_check CHECK (cause IN ('planned', 'accidental')),
	CONSTRAINT network_outage_state_check CHECK (state IN ('planned', 'in_progress', 'finished', 'cancelled', 'conflict')),
	CONSTRAINT network_outage_order_check CHECK (ends_at > starts_at),
	CONSTRAINT network_outage_number_key UNIQUE (number),
	CONSTRAINT network_outage_change_set_id_fk FOREIGN KEY(change_set_id) REFERENCES change_set (id)
);

CREATE INDEX network_outage_kind_state_btree ON network_outage (kind, state);

COMMENT ON TABLE network_outage IS 'Shutdowns: what was or will be out of service, and who is affected';

COMMENT ON COLUMN network_outage.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN network_outage.number IS 'number of the shutdown, e.g. OUT-2026-000001';

COMMENT ON COLUMN network_outage.cause IS 'planned or accidental';

COMMENT ON COLUMN network_outage.state IS 'planned, in_progress, finished, cancelled, conflict';

COMMENT ON COLUMN network_outage.part_code IS 'edge or node that is worked on or burst';

COMMENT ON COLUMN network_outage.ends_at IS 'planned or real end';

COMMENT ON COLUMN network_outage.result IS 'isolation as computed: valves, edges, customers, unusable valves';

COMMENT ON COLUMN network_outage.conflicts_with IS 'number of the shutdown it overlaps';

CREATE TABLE network_source_model (
	dataset_id UUID NOT NULL,
	kind TEXT NOT NULL,
	dataset TEXT NOT NULL,
	format TEXT NOT NULL,
	content BYTEA NOT NULL,
	CONSTRAINT network_source_model_pk PRIMARY KEY (dataset_id),
	CONSTRAINT network_source_model_dataset_id_fk FOREIGN KEY(dataset_id) REFERENCES dataset (id) ON DELETE CASCADE
);

CREATE INDEX network_source_model_dataset_btree ON network_source_model (kind, dataset);

COMMENT ON TABLE network_source_model IS 'Hydraulic models as received, for the engines';

COMMENT ON COLUMN network_source_model.dataset IS 'name of the dataset';

COMMENT ON COLUMN network_source_model.format IS 'epanet, swmm, pandapipes, pandapower';

COMMENT ON COLUMN network_source_model.content IS 'file as received, zlib: curves, patterns and controls live in it';

CREATE TABLE network_outage_step (
	id BIGINT GENERATED ALWAYS AS IDENTITY,
	outage_id UUID NOT NULL,
	state TEXT NOT NULL,
	author TEXT NOT NULL,
	note TEXT,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT network_outage_step_pk PRIMARY KEY (id),
	CONSTRAINT network_outage_step_outage_id_fk FOREIGN KEY(outage_id) REFERENCES network_outage (id)
);

CREATE INDEX network_outage_step_outage_id_btree ON network_outage_step (outage_id);

COMMENT ON TABLE network_outage_step IS 'Every state a shutdown went through';

COMMENT ON COLUMN network_outage_step.state IS 'state entered';

CREATE TRIGGER network_outage_never_delete BEFORE DELETE OR TRUNCATE ON network_outage FOR EACH STATEMENT EXECUTE FUNCTION cim_never_delete();
CREATE TRIGGER network_outage_step_never_delete BEFORE DELETE OR TRUNCATE ON network_outage_step FOR EACH STATEMENT EXECUTE FUNCTION cim_never_delete();
