-- Tables of the first schema version, frozen: later changes are migrations of their own.

CREATE TABLE bim_stage (
	sha256 TEXT NOT NULL,
	stage TEXT NOT NULL,
	status TEXT NOT NULL,
	detail JSONB DEFAULT '{}'::jsonb NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT bim_stage_pk PRIMARY KEY (sha256, stage)
);

COMMENT ON TABLE bim_stage IS 'Progress of uploads';

COMMENT ON COLUMN bim_stage.sha256 IS 'of the file';

COMMENT ON COLUMN bim_stage.stage IS 'received, parsed, georeferenced, semantics, geometry, linked';

COMMENT ON COLUMN bim_stage.status IS 'done, failed';

CREATE TABLE city_profile (
	singleton BOOLEAN DEFAULT true NOT NULL,
	document JSONB NOT NULL,
	updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT city_profile_pk PRIMARY KEY (singleton),
	CONSTRAINT city_profile_singleton_check CHECK (singleton)
);

COMMENT ON TABLE city_profile IS 'The place this store serves';

COMMENT ON COLUMN city_profile.singleton IS 'always true: one row';

COMMENT ON COLUMN city_profile.document IS 'city profile as read and checked';

CREATE TABLE dataset (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	version INTEGER NOT NULL,
	source TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	crs TEXT,
	encoding TEXT,
	licence TEXT,
	provider TEXT,
	is_synthetic BOOLEAN DEFAULT false NOT NULL,
	n_read BIGINT NOT NULL,
	n_accepted BIGINT NOT NULL,
	n_unchanged BIGINT NOT NULL,
	n_rejected BIGINT NOT NULL,
	report JSONB DEFAULT '{}'::jsonb NOT NULL,
	loaded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT dataset_pk PRIMARY KEY (id),
	CONSTRAINT dataset_kind_name_version_key UNIQUE (kind, name, version),
	CONSTRAINT dataset_counts_add_up_check CHECK (n_read = n_accepted + n_unchanged + n_rejected)
);

COMMENT ON TABLE dataset IS 'One row per loaded version of a source';

COMMENT ON COLUMN dataset.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN dataset.kind IS 'divisions, census, addresses, network, terrain, bim';

COMMENT ON COLUMN dataset.name IS 'stable name over versions, e.g. the file''s stem or --name';

COMMENT ON COLUMN dataset.version IS '1, 2, … per (kind, name)';

COMMENT ON COLUMN dataset.source IS 'file name as given, without folders';

COMMENT ON COLUMN dataset.sha256 IS 'of the source file(s), hexadecimal';

COMMENT ON COLUMN dataset.crs IS 'CRS the source was read in, e.g. EPSG:4490';

COMMENT ON COLUMN dataset.encoding IS 'text encoding the source was read in';

COMMENT ON COLUMN dataset.is_synthetic IS 'generated data: say so on screen';

COMMENT ON COLUMN dataset.n_read IS 'records read = accepted + unchanged + rejected';

COMMENT ON COLUMN dataset.n_accepted IS 'records written (new or changed)';

COMMENT ON COLUMN dataset.n_unchanged IS 'records equal to what the store had';

COMMENT ON COLUMN dataset.n_rejected IS 'records refused, see reject';

COMMENT ON COLUMN dataset.report IS 'checks, warnings, parameters';

CREATE TABLE outbox_reader (
	name TEXT NOT NULL,
	last_event_id BIGINT DEFAULT 0 NOT NULL,
	CONSTRAINT outbox_reader_pk PRIMARY KEY (name)
);

COMMENT ON TABLE outbox_reader IS 'How far each follower of the outbox has read';

COMMENT ON COLUMN outbox_reader.name IS 'follower, e.g. tiles';

CREATE TABLE code_counter (
	scheme TEXT NOT NULL,
	area TEXT NOT NULL,
	year SMALLINT NOT NULL,
	last_sequence BIGINT NOT NULL,
	CONSTRAINT code_counter_pk PRIMARY KEY (scheme, area, year),
	CONSTRAINT code_counter_not_negative_check CHECK (last_sequence >= 0)
);

COMMENT ON TABLE code_counter IS 'Sequences of issued codes';

COMMENT ON COLUMN code_counter.area IS 'division, or kind and county for network parts';

COMMENT ON COLUMN code_counter.last_sequence IS 'highest sequence ever issued; never goes back';

CREATE TABLE network_node (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	kind TEXT NOT NULL,
	code TEXT NOT NULL,
	county_code TEXT NOT NULL,
	survey_no TEXT NOT NULL,
	feature TEXT,
	appendage TEXT,
	type_code TEXT,
	ground_elevation_m FLOAT,
	elevation_m FLOAT,
	depth_m FLOAT,
	owner TEXT,
	status TEXT DEFAULT 'in_use' NOT NULL,
	geom geometry(POINTZ,4490) NOT NULL,
	attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
	version INTEGER DEFAULT 1 NOT NULL,
	valid_from TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	CONSTRAINT network_node_pk PRIMARY KEY (kind, id),
	CONSTRAINT network_node_kind_code_key UNIQUE (kind, code),
	CONSTRAINT network_node_kind_source_dataset_survey_no_key UNIQUE (kind, source_dataset, survey_no),
	CONSTRAINT network_node_status_check CHECK (status IN ('planned', 'in_use', 'abandoned'))
)
 PARTITION BY LIST (kind);

CREATE UNIQUE INDEX network_node_county_code_id_key ON network_node (kind, county_code, id);

CREATE INDEX network_node_geom_gist ON network_node USING gist (geom);

COMMENT ON TABLE network_node IS 'Points of municipal networks';

COMMENT ON COLUMN network_node.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN network_node.kind IS 'one of water, rainwater, sewage, gas, heat, power, lighting, telecom, road';

COMMENT ON COLUMN network_node.code IS 'node code, assigned once';

COMMENT ON COLUMN network_node.survey_no IS 'point number of the survey (EXP_NO)';

COMMENT ON COLUMN network_node.feature IS 'what the point is in the line: TEE, BEND, MANHOLE, …';

COMMENT ON COLUMN network_node.appendage IS 'equipment on the point: VALVE, HYDRANT, …';

COMMENT ON COLUMN network_node.type_code IS 'survey type code, e.g. JS, YS, WS';

COMMENT ON COLUMN network_node.ground_elevation_m IS 'ground [m] in the city''s vertical datum';

COMMENT ON COLUMN network_node.elevation_m IS 'pipe crown or invert [m] in the city''s vertical datum, see depth_reference of the edges';

COMMENT ON COLUMN network_node.depth_m IS 'ground minus elevation [m], positive down';

COMMENT ON COLUMN network_node.geom IS 'EPSG:4490 (CGCS2000), longitude latitude [deg], z = elevation [m] in the city''s vertical datum';

COMMENT ON COLUMN network_node.attributes IS 'further attributes of the source';

COMMENT ON COLUMN network_node.version IS '1, 2, … per row';

COMMENT ON COLUMN network_node.valid_from IS 'from when this state is true';

COMMENT ON COLUMN network_node.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN network_node.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN network_node.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN network_node.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN network_node.content_hash IS 'hash of the mapped record: equal hash = unchanged';

CREATE TABLE network_edge (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	kind TEXT NOT NULL,
	code TEXT NOT NULL,
	county_code TEXT NOT NULL,
	start_node TEXT NOT NULL,
	end_node TEXT NOT NULL,
	type_code TEXT,
	diameter_mm FLOAT,
	width_mm FLOAT,
	height_mm FLOAT,
	material TEXT,
	embedding TEXT,
	depth_reference TEXT NOT NULL,
	start_depth_m FLOAT,
	end_depth_m FLOAT,
	length_m FLOAT,
	slope FLOAT,
	flow_direction SMALLINT,
	pressure TEXT,
	voltage TEXT,
	n_cables SMALLINT,
	year_laid SMALLINT,
	owner TEXT,
	status TEXT DEFAULT 'in_use' NOT NULL,
	geom geometry(LINESTRINGZ,4490) NOT NULL,
	attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
	version INTEGER DEFAULT 1 NOT NULL,
	valid_from TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	CONSTRAINT network_edge_pk PRIMARY KEY (kind, id),
	CONSTRAINT network_edge_kind_code_key UNIQUE (kind, code),
	CONSTRAINT network_edge_status_check CHECK (status IN ('planned', 'in_use', 'abandoned')),
	CONSTRAINT network_edge_depth_reference_check CHECK (depth_reference IN ('crown', 'invert', 'centre')),
	CONSTRAINT network_edge_ends_differ_check CHECK (start_node <> end_node)
)
 PARTITION BY LIST (kind);

CREATE INDEX network_edge_end_node_btree ON network_edge (kind, end_node);

CREATE INDEX network_edge_start_node_btree ON network_edge (kind, start_node);

CREATE UNIQUE INDEX network_edge_county_code_id_key ON network_edge (kind, county_code, id);

CREATE INDEX network_edge_source_btree ON network_edge (kind, source_dataset, source_key);

CREATE INDEX network_edge_geom_gist ON network_edge USING gist (geom);

COMMENT ON TABLE network_edge IS 'Lines of municipal networks';

COMMENT ON COLUMN network_edge.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN network_edge.kind IS 'one of water, rainwater, sewage, gas, heat, power, lighting, telecom, road';

COMMENT ON COLUMN network_edge.code IS 'line code, assigned once';

COMMENT ON COLUMN network_edge.start_node IS 'code of the start node';

COMMENT ON COLUMN network_edge.end_node IS 'code of the end node';

COMMENT ON COLUMN network_edge.type_code IS 'survey type code, e.g. JS, YS, WS';

COMMENT ON COLUMN network_edge.diameter_mm IS 'inner or nominal diameter [mm]';

COMMENT ON COLUMN network_edge.width_mm IS 'profile width [mm], rectangular ducts';

COMMENT ON COLUMN network_edge.height_mm IS 'profile height [mm], rectangular ducts';

COMMENT ON COLUMN network_edge.material IS 'canonical material';

COMMENT ON COLUMN network_edge.embedding IS 'how it is laid: DIRECT, DUCT_BLOCK, …';

COMMENT ON COLUMN network_edge.depth_reference IS 'depths run to the pipe''s crown or invert';

COMMENT ON COLUMN network_edge.start_depth_m IS 'depth at the start [m], positive down';

COMMENT ON COLUMN network_edge.end_depth_m IS 'depth at the end [m], positive down';

COMMENT ON COLUMN network_edge.length_m IS 'three-dimensional length [m]';

COMMENT ON COLUMN network_edge.slope IS 'fall per length, positive downstream [m/m]';

COMMENT ON COLUMN network_edge.flow_direction IS '1 start to end, -1 end to start, 0 none';

COMMENT ON COLUMN network_edge.pressure IS 'pressure as surveyed, e.g. 0.4 MPa';

COMMENT ON COLUMN network_edge.voltage IS 'voltage as surveyed, e.g. 10 kV';

COMMENT ON COLUMN network_edge.n_cables IS 'number of cables';

COMMENT ON COLUMN network_edge.geom IS 'at the depth reference; EPSG:4490 (CGCS2000), longitude latitude [deg], z = elevation [m] in the city''s vertical datum';

COMMENT ON COLUMN network_edge.attributes IS 'further attributes of the source';

COMMENT ON COLUMN network_edge.version IS '1, 2, … per row';

COMMENT ON COLUMN network_edge.valid_from IS 'from when this state is true';

COMMENT ON COLUMN network_edge.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN network_edge.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN network_edge.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN network_edge.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN network_edge.content_hash IS 'hash of the mapped record: equal hash = unchanged';

CREATE TABLE division (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	code TEXT NOT NULL,
	name TEXT NOT NULL,
	level SMALLINT NOT NULL,
	parent_code TEXT,
	urban_rural_class TEXT,
	is_synthetic BOOLEAN DEFAULT false NOT NULL,
	status TEXT DEFAULT 'existing' NOT NULL,
	geom geometry(MULTIPOLYGON,4490),
	attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
	version INTEGER DEFAULT 1 NOT NULL,
	valid_from TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	CONSTRAINT division_pk PRIMARY KEY (id),
	CONSTRAINT division_code_key UNIQUE (code),
	CONSTRAINT division_level_check CHECK (level BETWEEN 1 AND 5),
	CONSTRAINT division_code_check CHECK (code ~ '^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$')
);

CREATE INDEX division_parent_code_btree ON division (parent_code);

CREATE INDEX division_geom_gist ON division USING gist (geom);

COMMENT ON TABLE division IS 'Administrative and statistical divisions';

COMMENT ON COLUMN division.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN division.code IS '2, 4, 6, 9 or 12 digits as the level has';

COMMENT ON COLUMN division.level IS '1 province, 2 city, 3 county, 4 town/street, 5 village/community';

COMMENT ON COLUMN division.urban_rural_class IS '111-220, statistical classification';

COMMENT ON COLUMN division.is_synthetic IS 'boundary is generated';

COMMENT ON COLUMN division.status IS 'existing or retired';

COMMENT ON COLUMN division.geom IS 'boundary, where known; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN division.attributes IS 'further attributes of the source';

COMMENT ON COLUMN division.version IS '1, 2, … per row';

COMMENT ON COLUMN division.valid_from IS 'from when this state is true';

COMMENT ON COLUMN division.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN division.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN division.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN division.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN division.content_hash IS 'hash of the mapped record: equal hash = unchanged';

CREATE TABLE building (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	code TEXT NOT NULL,
	code_scheme TEXT NOT NULL,
	county_code TEXT NOT NULL,
	division_code TEXT NOT NULL,
	name TEXT,
	address TEXT,
	height_m FLOAT,
	height_source TEXT,
	ground_elevation_m FLOAT,
	storeys_above SMALLINT,
	storeys_below SMALLINT,
	use TEXT,
	structure TEXT,
	year_built SMALLINT,
	footprint_area_m2 FLOAT,
	floor_area_m2 FLOAT,
	safety_grade TEXT,
	status TEXT DEFAULT 'existing' NOT NULL,
	geom geometry(MULTIPOLYGON,4490) NOT NULL,
	attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
	version INTEGER DEFAULT 1 NOT NULL,
	valid_from TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	CONSTRAINT building_pk PRIMARY KEY (id),
	CONSTRAINT building_code_key UNIQUE (code),
	CONSTRAINT building_county_code_check CHECK (county_code ~ '^[0-9]{6}$'),
	CONSTRAINT building_use_check CHECK (use IN ('residential', 'commercial', 'office', 'education', 'medical', 'culture', 'sports', 'hotel', 'industrial', 'storage', 'transport', 'infrastructure', 'religious', 'agricultural', 'mixed', 'other')),
	CONSTRAINT building_structure_check CHECK (structure IN ('MAS', 'RC', 'SRC', 'STL', 'TMB', 'ETH', 'MIX', 'CAV', 'OTH')),
	CONSTRAINT building_status_check CHECK (status IN ('planned', 'under_construction', 'existing', 'demolished', 'retired')),
	CONSTRAINT building_safety_grade_check CHECK (safety_grade IN ('A', 'B', 'C', 'D')),
	CONSTRAINT building_height_m_check CHECK (height_m > 0 AND height_m < 1500),
	CONSTRAINT building_storeys_above_check CHECK (storeys_above BETWEEN 0 AND 300),
	CONSTRAINT building_storeys_below_check CHECK (storeys_below BETWEEN 0 AND 50),
	CONSTRAINT building_year_built_check CHECK (year_built BETWEEN 600 AND 2200)
);

CREATE UNIQUE INDEX building_county_code_id_key ON building (county_code, id);

CREATE INDEX building_geom_gist ON building USING gist (geom);

CREATE INDEX building_division_code_btree ON building (division_code, code);

CREATE INDEX building_source_btree ON building (source_dataset, source_key);

COMMENT ON TABLE building IS 'The building register: one row per building, current state';

COMMENT ON COLUMN building.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN building.code IS 'building code, assigned once, never changed or reused';

COMMENT ON COLUMN building.county_code IS '6 digits, frozen at assignment';

COMMENT ON COLUMN building.division_code IS 'village or community that contains the building now';

COMMENT ON COLUMN building.height_m IS 'height above ground [m]';

COMMENT ON COLUMN building.height_source IS 'surveyed, storeys (3 m each), generated, bim';

COMMENT ON COLUMN building.ground_elevation_m IS 'lowest ground under the footprint [m] in the city''s vertical datum';

COMMENT ON COLUMN building.storeys_above IS 'storeys above ground';

COMMENT ON COLUMN building.storeys_below IS 'storeys below ground';

COMMENT ON COLUMN building.use IS 'canonical use';

COMMENT ON COLUMN building.structure IS 'canonical structure';

COMMENT ON COLUMN building.year_built IS 'year of completion';

COMMENT ON COLUMN building.footprint_area_m2 IS 'area of the footprint [m2], in the city''s projected CRS';

COMMENT ON COLUMN building.floor_area_m2 IS 'sum of storey areas [m2]';

COMMENT ON COLUMN building.safety_grade IS 'appraisal grade A-D';

COMMENT ON COLUMN building.geom IS 'footprint; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN building.attributes IS 'further attributes of the source';

COMMENT ON COLUMN building.version IS '1, 2, … per row';

COMMENT ON COLUMN building.valid_from IS 'from when this state is true';

COMMENT ON COLUMN building.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN building.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN building.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN building.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN building.content_hash IS 'hash of the mapped record: equal hash = unchanged';

CREATE TABLE external_code (
	id BIGINT GENERATED ALWAYS AS IDENTITY,
	collection TEXT NOT NULL,
	code TEXT NOT NULL,
	scheme TEXT NOT NULL,
	value TEXT NOT NULL,
	match_method TEXT,
	match_score FLOAT,
	CONSTRAINT external_code_pk PRIMARY KEY (id),
	CONSTRAINT external_code_collection_code_scheme_value_key UNIQUE (collection, code, scheme, value)
);

CREATE INDEX external_code_scheme_value_btree ON external_code (scheme, value);

COMMENT ON TABLE external_code IS 'Codes of other schemes for the same thing';

COMMENT ON COLUMN external_code.collection IS 'collection of the feature, e.g. buildings';

COMMENT ON COLUMN external_code.code IS 'code of the feature in this store';

COMMENT ON COLUMN external_code.scheme IS 'e.g. census_fwbh, osm, CN-REU28, JGJT246-23';

COMMENT ON COLUMN external_code.match_score IS '0-1';

CREATE TABLE division_history (
	id UUID,
	code TEXT,
	name TEXT,
	level SMALLINT,
	parent_code TEXT,
	urban_rural_class TEXT,
	is_synthetic BOOLEAN,
	status TEXT,
	geom geometry(MULTIPOLYGON,4490),
	attributes JSONB,
	version INTEGER,
	valid_from TIMESTAMP WITH TIME ZONE,
	recorded_at TIMESTAMP WITH TIME ZONE,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	valid_to TIMESTAMP WITH TIME ZONE NOT NULL,
	retired_by UUID
);

CREATE INDEX division_history_code_btree ON division_history (code, valid_from);

CREATE INDEX division_history_geom_gist ON division_history USING gist (geom);

COMMENT ON TABLE division_history IS 'Earlier states of division';

COMMENT ON COLUMN division_history.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN division_history.code IS '2, 4, 6, 9 or 12 digits as the level has';

COMMENT ON COLUMN division_history.level IS '1 province, 2 city, 3 county, 4 town/street, 5 village/community';

COMMENT ON COLUMN division_history.urban_rural_class IS '111-220, statistical classification';

COMMENT ON COLUMN division_history.is_synthetic IS 'boundary is generated';

COMMENT ON COLUMN division_history.status IS 'existing or retired';

COMMENT ON COLUMN division_history.geom IS 'boundary, where known; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN division_history.attributes IS 'further attributes of the source';

COMMENT ON COLUMN division_history.version IS '1, 2, … per row';

COMMENT ON COLUMN division_history.valid_from IS 'from when this state is true';

COMMENT ON COLUMN division_history.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN division_history.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN division_history.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN division_history.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN division_history.content_hash IS 'hash of the mapped record: equal hash = unchanged';

COMMENT ON COLUMN division_history.valid_to IS 'until when this state was true';

COMMENT ON COLUMN division_history.retired_by IS 'change set that ended this state';

CREATE TABLE building_history (
	id UUID,
	code TEXT,
	code_scheme TEXT,
	county_code TEXT,
	division_code TEXT,
	name TEXT,
	address TEXT,
	height_m FLOAT,
	height_source TEXT,
	ground_elevation_m FLOAT,
	storeys_above SMALLINT,
	storeys_below SMALLINT,
	use TEXT,
	structure TEXT,
	year_built SMALLINT,
	footprint_area_m2 FLOAT,
	floor_area_m2 FLOAT,
	safety_grade TEXT,
	status TEXT,
	geom geometry(MULTIPOLYGON,4490) NOT NULL,
	attributes JSONB,
	version INTEGER,
	valid_from TIMESTAMP WITH TIME ZONE,
	recorded_at TIMESTAMP WITH TIME ZONE,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	valid_to TIMESTAMP WITH TIME ZONE NOT NULL,
	retired_by UUID
);

CREATE INDEX building_history_code_btree ON building_history (code, valid_from);

CREATE INDEX building_history_geom_gist ON building_history USING gist (geom);

COMMENT ON TABLE building_history IS 'Earlier states of building';

COMMENT ON COLUMN building_history.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN building_history.code IS 'building code, assigned once, never changed or reused';

COMMENT ON COLUMN building_history.county_code IS '6 digits, frozen at assignment';

COMMENT ON COLUMN building_history.division_code IS 'village or community that contains the building now';

COMMENT ON COLUMN building_history.height_m IS 'height above ground [m]';

COMMENT ON COLUMN building_history.height_source IS 'surveyed, storeys (3 m each), generated, bim';

COMMENT ON COLUMN building_history.ground_elevation_m IS 'lowest ground under the footprint [m] in the city''s vertical datum';

COMMENT ON COLUMN building_history.storeys_above IS 'storeys above ground';

COMMENT ON COLUMN building_history.storeys_below IS 'storeys below ground';

COMMENT ON COLUMN building_history.use IS 'canonical use';

COMMENT ON COLUMN building_history.structure IS 'canonical structure';

COMMENT ON COLUMN building_history.year_built IS 'year of completion';

COMMENT ON COLUMN building_history.footprint_area_m2 IS 'area of the footprint [m2], in the city''s projected CRS';

COMMENT ON COLUMN building_history.floor_area_m2 IS 'sum of storey areas [m2]';

COMMENT ON COLUMN building_history.safety_grade IS 'appraisal grade A-D';

COMMENT ON COLUMN building_history.geom IS 'footprint; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN building_history.attributes IS 'further attributes of the source';

COMMENT ON COLUMN building_history.version IS '1, 2, … per row';

COMMENT ON COLUMN building_history.valid_from IS 'from when this state is true';

COMMENT ON COLUMN building_history.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN building_history.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN building_history.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN building_history.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN building_history.content_hash IS 'hash of the mapped record: equal hash = unchanged';

COMMENT ON COLUMN building_history.valid_to IS 'until when this state was true';

COMMENT ON COLUMN building_history.retired_by IS 'change set that ended this state';

CREATE TABLE unit_history (
	id UUID,
	code TEXT,
	building_code TEXT,
	county_code TEXT,
	name TEXT,
	staircase SMALLINT,
	floor SMALLINT,
	room TEXT,
	floor_area_m2 FLOAT,
	use TEXT,
	status TEXT,
	geom geometry(MULTIPOLYGON,4490),
	attributes JSONB,
	version INTEGER,
	valid_from TIMESTAMP WITH TIME ZONE,
	recorded_at TIMESTAMP WITH TIME ZONE,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	valid_to TIMESTAMP WITH TIME ZONE NOT NULL,
	retired_by UUID
);

CREATE INDEX unit_history_code_btree ON unit_history (code, valid_from);

CREATE INDEX unit_history_geom_gist ON unit_history USING gist (geom);

COMMENT ON TABLE unit_history IS 'Earlier states of unit';

COMMENT ON COLUMN unit_history.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN unit_history.code IS '36-character unit code';

COMMENT ON COLUMN unit_history.staircase IS '0 none';

COMMENT ON COLUMN unit_history.floor IS '1, 2, … above ground; -1, -2, … below';

COMMENT ON COLUMN unit_history.floor_area_m2 IS 'floor area [m2]';

COMMENT ON COLUMN unit_history.geom IS 'outline, or the building''s footprint; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN unit_history.attributes IS 'further attributes of the source';

COMMENT ON COLUMN unit_history.version IS '1, 2, … per row';

COMMENT ON COLUMN unit_history.valid_from IS 'from when this state is true';

COMMENT ON COLUMN unit_history.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN unit_history.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN unit_history.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN unit_history.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN unit_history.content_hash IS 'hash of the mapped record: equal hash = unchanged';

COMMENT ON COLUMN unit_history.valid_to IS 'until when this state was true';

COMMENT ON COLUMN unit_history.retired_by IS 'change set that ended this state';

CREATE TABLE address_history (
	id UUID,
	code TEXT,
	county_code TEXT,
	division_code TEXT,
	full_text TEXT,
	road TEXT,
	house_number TEXT,
	building_code TEXT,
	match_method TEXT,
	distance_m FLOAT,
	is_synthetic BOOLEAN,
	status TEXT,
	geom geometry(POINT,4490) NOT NULL,
	attributes JSONB,
	version INTEGER,
	valid_from TIMESTAMP WITH TIME ZONE,
	recorded_at TIMESTAMP WITH TIME ZONE,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	valid_to TIMESTAMP WITH TIME ZONE NOT NULL,
	retired_by UUID
);

CREATE INDEX address_history_code_btree ON address_history (code, valid_from);

CREATE INDEX address_history_geom_gist ON address_history USING gist (geom);

COMMENT ON TABLE address_history IS 'Earlier states of address';

COMMENT ON COLUMN address_history.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN address_history.code IS 'address code, assigned once';

COMMENT ON COLUMN address_history.division_code IS 'village or community that contains it';

COMMENT ON COLUMN address_history.full_text IS 'address as given, white space normalised';

COMMENT ON COLUMN address_history.match_method IS 'how the building was found: source_key, contains, nearest';

COMMENT ON COLUMN address_history.distance_m IS 'distance from the position to the building [m]';

COMMENT ON COLUMN address_history.is_synthetic IS 'position or number is generated';

COMMENT ON COLUMN address_history.geom IS 'EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN address_history.attributes IS 'further attributes of the source';

COMMENT ON COLUMN address_history.version IS '1, 2, … per row';

COMMENT ON COLUMN address_history.valid_from IS 'from when this state is true';

COMMENT ON COLUMN address_history.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN address_history.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN address_history.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN address_history.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN address_history.content_hash IS 'hash of the mapped record: equal hash = unchanged';

COMMENT ON COLUMN address_history.valid_to IS 'until when this state was true';

COMMENT ON COLUMN address_history.retired_by IS 'change set that ended this state';

CREATE TABLE network_node_history (
	id UUID,
	kind TEXT,
	code TEXT,
	county_code TEXT,
	survey_no TEXT,
	feature TEXT,
	appendage TEXT,
	type_code TEXT,
	ground_elevation_m FLOAT,
	elevation_m FLOAT,
	depth_m FLOAT,
	owner TEXT,
	status TEXT,
	geom geometry(POINTZ,4490) NOT NULL,
	attributes JSONB,
	version INTEGER,
	valid_from TIMESTAMP WITH TIME ZONE,
	recorded_at TIMESTAMP WITH TIME ZONE,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	valid_to TIMESTAMP WITH TIME ZONE NOT NULL,
	retired_by UUID
);

CREATE INDEX network_node_history_code_btree ON network_node_history (code, valid_from);

CREATE INDEX network_node_history_geom_gist ON network_node_history USING gist (geom);

COMMENT ON TABLE network_node_history IS 'Earlier states of network_node';

COMMENT ON COLUMN network_node_history.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN network_node_history.kind IS 'one of water, rainwater, sewage, gas, heat, power, lighting, telecom, road';

COMMENT ON COLUMN network_node_history.code IS 'node code, assigned once';

COMMENT ON COLUMN network_node_history.survey_no IS 'point number of the survey (EXP_NO)';

COMMENT ON COLUMN network_node_history.feature IS 'what the point is in the line: TEE, BEND, MANHOLE, …';

COMMENT ON COLUMN network_node_history.appendage IS 'equipment on the point: VALVE, HYDRANT, …';

COMMENT ON COLUMN network_node_history.type_code IS 'survey type code, e.g. JS, YS, WS';

COMMENT ON COLUMN network_node_history.ground_elevation_m IS 'ground [m] in the city''s vertical datum';

COMMENT ON COLUMN network_node_history.elevation_m IS 'pipe crown or invert [m] in the city''s vertical datum, see depth_reference of the edges';

COMMENT ON COLUMN network_node_history.depth_m IS 'ground minus elevation [m], positive down';

COMMENT ON COLUMN network_node_history.geom IS 'EPSG:4490 (CGCS2000), longitude latitude [deg], z = elevation [m] in the city''s vertical datum';

COMMENT ON COLUMN network_node_history.attributes IS 'further attributes of the source';

COMMENT ON COLUMN network_node_history.version IS '1, 2, … per row';

COMMENT ON COLUMN network_node_history.valid_from IS 'from when this state is true';

COMMENT ON COLUMN network_node_history.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN network_node_history.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN network_node_history.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN network_node_history.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN network_node_history.content_hash IS 'hash of the mapped record: equal hash = unchanged';

COMMENT ON COLUMN network_node_history.valid_to IS 'until when this state was true';

COMMENT ON COLUMN network_node_history.retired_by IS 'change set that ended this state';

CREATE TABLE network_edge_history (
	id UUID,
	kind TEXT,
	code TEXT,
	county_code TEXT,
	start_node TEXT,
	end_node TEXT,
	type_code TEXT,
	diameter_mm FLOAT,
	width_mm FLOAT,
	height_mm FLOAT,
	material TEXT,
	embedding TEXT,
	depth_reference TEXT,
	start_depth_m FLOAT,
	end_depth_m FLOAT,
	length_m FLOAT,
	slope FLOAT,
	flow_direction SMALLINT,
	pressure TEXT,
	voltage TEXT,
	n_cables SMALLINT,
	year_laid SMALLINT,
	owner TEXT,
	status TEXT,
	geom geometry(LINESTRINGZ,4490) NOT NULL,
	attributes JSONB,
	version INTEGER,
	valid_from TIMESTAMP WITH TIME ZONE,
	recorded_at TIMESTAMP WITH TIME ZONE,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	valid_to TIMESTAMP WITH TIME ZONE NOT NULL,
	retired_by UUID
);

CREATE INDEX network_edge_history_code_btree ON network_edge_history (code, valid_from);

CREATE INDEX network_edge_history_geom_gist ON network_edge_history USING gist (geom);

COMMENT ON TABLE network_edge_history IS 'Earlier states of network_edge';

COMMENT ON COLUMN network_edge_history.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN network_edge_history.kind IS 'one of water, rainwater, sewage, gas, heat, power, lighting, telecom, road';

COMMENT ON COLUMN network_edge_history.code IS 'line code, assigned once';

COMMENT ON COLUMN network_edge_history.start_node IS 'code of the start node';

COMMENT ON COLUMN network_edge_history.end_node IS 'code of the end node';

COMMENT ON COLUMN network_edge_history.type_code IS 'survey type code, e.g. JS, YS, WS';

COMMENT ON COLUMN network_edge_history.diameter_mm IS 'inner or nominal diameter [mm]';

COMMENT ON COLUMN network_edge_history.width_mm IS 'profile width [mm], rectangular ducts';

COMMENT ON COLUMN network_edge_history.height_mm IS 'profile height [mm], rectangular ducts';

COMMENT ON COLUMN network_edge_history.material IS 'canonical material';

COMMENT ON COLUMN network_edge_history.embedding IS 'how it is laid: DIRECT, DUCT_BLOCK, …';

COMMENT ON COLUMN network_edge_history.depth_reference IS 'depths run to the pipe''s crown or invert';

COMMENT ON COLUMN network_edge_history.start_depth_m IS 'depth at the start [m], positive down';

COMMENT ON COLUMN network_edge_history.end_depth_m IS 'depth at the end [m], positive down';

COMMENT ON COLUMN network_edge_history.length_m IS 'three-dimensional length [m]';

COMMENT ON COLUMN network_edge_history.slope IS 'fall per length, positive downstream [m/m]';

COMMENT ON COLUMN network_edge_history.flow_direction IS '1 start to end, -1 end to start, 0 none';

COMMENT ON COLUMN network_edge_history.pressure IS 'pressure as surveyed, e.g. 0.4 MPa';

COMMENT ON COLUMN network_edge_history.voltage IS 'voltage as surveyed, e.g. 10 kV';

COMMENT ON COLUMN network_edge_history.n_cables IS 'number of cables';

COMMENT ON COLUMN network_edge_history.geom IS 'at the depth reference; EPSG:4490 (CGCS2000), longitude latitude [deg], z = elevation [m] in the city''s vertical datum';

COMMENT ON COLUMN network_edge_history.attributes IS 'further attributes of the source';

COMMENT ON COLUMN network_edge_history.version IS '1, 2, … per row';

COMMENT ON COLUMN network_edge_history.valid_from IS 'from when this state is true';

COMMENT ON COLUMN network_edge_history.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN network_edge_history.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN network_edge_history.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN network_edge_history.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN network_edge_history.content_hash IS 'hash of the mapped record: equal hash = unchanged';

COMMENT ON COLUMN network_edge_history.valid_to IS 'until when this state was true';

COMMENT ON COLUMN network_edge_history.retired_by IS 'change set that ended this state';

CREATE TABLE tileset (
	layer TEXT NOT NULL,
	kind TEXT NOT NULL,
	collection TEXT NOT NULL,
	style_version TEXT NOT NULL,
	title JSONB NOT NULL,
	note JSONB,
	is_synthetic BOOLEAN DEFAULT false NOT NULL,
	replaces JSONB DEFAULT '[]'::jsonb NOT NULL,
	n_features BIGINT NOT NULL,
	n_tiles INTEGER NOT NULL,
	bytes BIGINT NOT NULL,
	uri TEXT NOT NULL,
	last_event_id BIGINT DEFAULT 0 NOT NULL,
	geom geometry(POLYGON,4490),
	min_height_m FLOAT,
	max_height_m FLOAT,
	built_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT tileset_pk PRIMARY KEY (layer)
);

COMMENT ON TABLE tileset IS 'Published 3D tilesets';

COMMENT ON COLUMN tileset.layer IS 'buildings, bim/<model code>, networks/<kind>';

COMMENT ON COLUMN tileset.kind IS 'buildings, bim or network';

COMMENT ON COLUMN tileset.collection IS 'collection whose codes the features carry';

COMMENT ON COLUMN tileset.title IS '{en, zh}';

COMMENT ON COLUMN tileset.note IS '{en, zh}: shown with the layer';

COMMENT ON COLUMN tileset.replaces IS 'building codes a model stands for';

COMMENT ON COLUMN tileset.bytes IS 'size of the contents [byte]';

COMMENT ON COLUMN tileset.uri IS 'tileset.json in the tile store';

COMMENT ON COLUMN tileset.last_event_id IS 'outbox position it reflects';

COMMENT ON COLUMN tileset.geom IS 'extent; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN tileset.min_height_m IS 'lowest ellipsoidal height [m]';

COMMENT ON COLUMN tileset.max_height_m IS 'highest ellipsoidal height [m]';

CREATE TABLE bim_model (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	code TEXT NOT NULL,
	name TEXT NOT NULL,
	dataset_id UUID NOT NULL,
	county_code TEXT,
	building_code TEXT,
	link_method TEXT,
	link_score FLOAT,
	stage TEXT DEFAULT 'completion' NOT NULL,
	discipline TEXT,
	ifc_schema TEXT NOT NULL,
	authoring_tool TEXT,
	sha256 TEXT NOT NULL,
	file_size_bytes INTEGER NOT NULL,
	n_elements INTEGER NOT NULL,
	georef_method TEXT NOT NULL,
	georef_note TEXT NOT NULL,
	projected_crs TEXT NOT NULL,
	placement DOUBLE PRECISION[] NOT NULL,
	base_elevation_m FLOAT,
	height_m FLOAT,
	status TEXT DEFAULT 'loaded' NOT NULL,
	note TEXT,
	geom geometry(MULTIPOLYGON,4490),
	attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
	version INTEGER DEFAULT 1 NOT NULL,
	valid_from TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	CONSTRAINT bim_model_pk PRIMARY KEY (id),
	CONSTRAINT bim_model_code_key UNIQUE (code),
	CONSTRAINT bim_model_sha256_key UNIQUE (sha256),
	CONSTRAINT bim_model_dataset_id_fk FOREIGN KEY(dataset_id) REFERENCES dataset (id),
	CONSTRAINT bim_model_building_code_fk FOREIGN KEY(building_code) REFERENCES building (code)
);

CREATE INDEX bim_model_building_code_btree ON bim_model (building_code);

CREATE INDEX bim_model_geom_gist ON bim_model USING gist (geom);

COMMENT ON TABLE bim_model IS 'Building and infrastructure information models';

COMMENT ON COLUMN bim_model.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN bim_model.code IS 'model code, assigned once: BIM-<year>-<sequence>';

COMMENT ON COLUMN bim_model.link_method IS 'how the building was found: option, property, overlap';

COMMENT ON COLUMN bim_model.link_score IS 'overlap of outlines (intersection over union), 0-1';

COMMENT ON COLUMN bim_model.stage IS 'project stage';

COMMENT ON COLUMN bim_model.sha256 IS 'of the file';

COMMENT ON COLUMN bim_model.file_size_bytes IS '[byte]';

COMMENT ON COLUMN bim_model.georef_method IS 'IfcMapConversion, ePSet_MapConversion, IfcSite, option';

COMMENT ON COLUMN bim_model.georef_note IS 'why the model stands where it stands';

COMMENT ON COLUMN bim_model.projected_crs IS 'CRS of the placement';

COMMENT ON COLUMN bim_model.placement IS 'row-major 4x4 matrix: model [m] to easting, northing, height [m] in projected_crs';

COMMENT ON COLUMN bim_model.base_elevation_m IS 'lowest point of the model [m] in the city''s vertical datum';

COMMENT ON COLUMN bim_model.height_m IS 'highest minus lowest point [m]';

COMMENT ON COLUMN bim_model.note IS 'shown with the model, e.g. that it does not stand there';

COMMENT ON COLUMN bim_model.geom IS 'outline of the placed model; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN bim_model.attributes IS 'further attributes of the source';

COMMENT ON COLUMN bim_model.version IS '1, 2, … per row';

COMMENT ON COLUMN bim_model.valid_from IS 'from when this state is true';

COMMENT ON COLUMN bim_model.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN bim_model.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN bim_model.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN bim_model.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN bim_model.content_hash IS 'hash of the mapped record: equal hash = unchanged';

CREATE TABLE reject (
	id BIGINT GENERATED ALWAYS AS IDENTITY,
	dataset_id UUID NOT NULL,
	place TEXT NOT NULL,
	rule TEXT NOT NULL,
	message TEXT NOT NULL,
	message_zh TEXT NOT NULL,
	record JSONB NOT NULL,
	CONSTRAINT reject_pk PRIMARY KEY (id),
	CONSTRAINT reject_dataset_id_fk FOREIGN KEY(dataset_id) REFERENCES dataset (id) ON DELETE CASCADE
);

CREATE INDEX reject_dataset_id_btree ON reject (dataset_id);

COMMENT ON TABLE reject IS 'Records refused at ingest, with the reason';

COMMENT ON COLUMN reject.place IS 'where in the source: layer, row, entity';

COMMENT ON COLUMN reject.rule IS 'id of the rule that refused the record';

COMMENT ON COLUMN reject.message IS 'found and expected, English';

COMMENT ON COLUMN reject.message_zh IS 'found and expected, Chinese';

COMMENT ON COLUMN reject.record IS 'the record as read';

CREATE TABLE change_set (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	author TEXT NOT NULL,
	operation TEXT NOT NULL,
	reason TEXT NOT NULL,
	dataset_id UUID,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT change_set_pk PRIMARY KEY (id),
	CONSTRAINT change_set_dataset_id_fk FOREIGN KEY(dataset_id) REFERENCES dataset (id)
);

COMMENT ON TABLE change_set IS 'Who changed what, when and why';

COMMENT ON COLUMN change_set.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN change_set.operation IS 'ingest, edit, split, merge, demolish, undo, link';

CREATE TABLE terrain (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	dataset_id UUID NOT NULL,
	name TEXT NOT NULL,
	file TEXT NOT NULL,
	crs TEXT NOT NULL,
	vertical_datum TEXT NOT NULL,
	resolution_m FLOAT NOT NULL,
	min_m FLOAT NOT NULL,
	max_m FLOAT NOT NULL,
	geom geometry(POLYGON,4490) NOT NULL,
	CONSTRAINT terrain_pk PRIMARY KEY (id),
	CONSTRAINT terrain_dataset_id_fk FOREIGN KEY(dataset_id) REFERENCES dataset (id),
	CONSTRAINT terrain_name_key UNIQUE (name)
);

CREATE INDEX terrain_geom_gist ON terrain USING gist (geom);

COMMENT ON TABLE terrain IS 'Elevation rasters kept as Cloud-Optimised GeoTIFF';

COMMENT ON COLUMN terrain.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN terrain.file IS 'file name in the raster folder of the data folder';

COMMENT ON COLUMN terrain.crs IS 'horizontal CRS, e.g. EPSG:4547';

COMMENT ON COLUMN terrain.vertical_datum IS 'vertical CRS of the heights, e.g. EPSG:5737';

COMMENT ON COLUMN terrain.resolution_m IS 'cell size [m]';

COMMENT ON COLUMN terrain.min_m IS 'lowest elevation [m]';

COMMENT ON COLUMN terrain.max_m IS 'highest elevation [m]';

COMMENT ON COLUMN terrain.geom IS 'footprint; EPSG:4490 (CGCS2000), longitude latitude [deg]';

CREATE TABLE unit (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	code TEXT NOT NULL,
	building_code TEXT NOT NULL,
	county_code TEXT NOT NULL,
	name TEXT,
	staircase SMALLINT,
	floor SMALLINT,
	room TEXT,
	floor_area_m2 FLOAT,
	use TEXT,
	status TEXT DEFAULT 'existing' NOT NULL,
	geom geometry(MULTIPOLYGON,4490),
	attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
	version INTEGER DEFAULT 1 NOT NULL,
	valid_from TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	CONSTRAINT unit_pk PRIMARY KEY (id),
	CONSTRAINT unit_code_key UNIQUE (code),
	CONSTRAINT unit_building_code_fk FOREIGN KEY(building_code) REFERENCES building (code)
);

CREATE UNIQUE INDEX unit_county_code_id_key ON unit (county_code, id);

CREATE INDEX unit_geom_gist ON unit USING gist (geom);

CREATE INDEX unit_building_code_btree ON unit (building_code);

COMMENT ON TABLE unit IS 'Dwellings and other units inside buildings';

COMMENT ON COLUMN unit.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN unit.code IS '36-character unit code';

COMMENT ON COLUMN unit.staircase IS '0 none';

COMMENT ON COLUMN unit.floor IS '1, 2, … above ground; -1, -2, … below';

COMMENT ON COLUMN unit.floor_area_m2 IS 'floor area [m2]';

COMMENT ON COLUMN unit.geom IS 'outline, or the building''s footprint; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN unit.attributes IS 'further attributes of the source';

COMMENT ON COLUMN unit.version IS '1, 2, … per row';

COMMENT ON COLUMN unit.valid_from IS 'from when this state is true';

COMMENT ON COLUMN unit.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN unit.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN unit.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN unit.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN unit.content_hash IS 'hash of the mapped record: equal hash = unchanged';

CREATE TABLE address (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	code TEXT NOT NULL,
	county_code TEXT NOT NULL,
	division_code TEXT,
	full_text TEXT NOT NULL,
	road TEXT,
	house_number TEXT,
	building_code TEXT,
	match_method TEXT,
	distance_m FLOAT,
	is_synthetic BOOLEAN DEFAULT false NOT NULL,
	status TEXT DEFAULT 'existing' NOT NULL,
	geom geometry(POINT,4490) NOT NULL,
	attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
	version INTEGER DEFAULT 1 NOT NULL,
	valid_from TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	change_set_id UUID,
	source_dataset TEXT,
	source_key TEXT,
	content_hash TEXT,
	CONSTRAINT address_pk PRIMARY KEY (id),
	CONSTRAINT address_code_key UNIQUE (code),
	CONSTRAINT address_building_code_fk FOREIGN KEY(building_code) REFERENCES building (code)
);

CREATE UNIQUE INDEX address_county_code_id_key ON address (county_code, id);

CREATE INDEX address_source_btree ON address (source_dataset, source_key);

CREATE INDEX address_geom_gist ON address USING gist (geom);

CREATE INDEX address_building_code_btree ON address (building_code);

COMMENT ON TABLE address IS 'Addresses and the buildings they belong to';

COMMENT ON COLUMN address.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN address.code IS 'address code, assigned once';

COMMENT ON COLUMN address.division_code IS 'village or community that contains it';

COMMENT ON COLUMN address.full_text IS 'address as given, white space normalised';

COMMENT ON COLUMN address.match_method IS 'how the building was found: source_key, contains, nearest';

COMMENT ON COLUMN address.distance_m IS 'distance from the position to the building [m]';

COMMENT ON COLUMN address.is_synthetic IS 'position or number is generated';

COMMENT ON COLUMN address.geom IS 'EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN address.attributes IS 'further attributes of the source';

COMMENT ON COLUMN address.version IS '1, 2, … per row';

COMMENT ON COLUMN address.valid_from IS 'from when this state is true';

COMMENT ON COLUMN address.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN address.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN address.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN address.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN address.content_hash IS 'hash of the mapped record: equal hash = unchanged';

CREATE TABLE tile (
	layer TEXT NOT NULL,
	key TEXT NOT NULL,
	uri TEXT NOT NULL,
	input_hash TEXT NOT NULL,
	content_hash TEXT NOT NULL,
	n_features INTEGER NOT NULL,
	bytes INTEGER NOT NULL,
	geom geometry(POLYGON,4490),
	CONSTRAINT tile_pk PRIMARY KEY (layer, key),
	CONSTRAINT tile_layer_fk FOREIGN KEY(layer) REFERENCES tileset (layer) ON DELETE CASCADE
);

CREATE INDEX tile_geom_gist ON tile USING gist (geom);

COMMENT ON TABLE tile IS 'Tiles of published tilesets';

COMMENT ON COLUMN tile.key IS 'quadtree key, empty for the root';

COMMENT ON COLUMN tile.uri IS 'content file in the tile store';

COMMENT ON COLUMN tile.input_hash IS 'hash of the features and the style: equal = not rewritten';

COMMENT ON COLUMN tile.content_hash IS 'sha256 of the content';

COMMENT ON COLUMN tile.bytes IS 'size of the content [byte]';

COMMENT ON COLUMN tile.geom IS 'extent; EPSG:4490 (CGCS2000), longitude latitude [deg]';

CREATE TABLE bim_storey (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	code TEXT NOT NULL,
	model_code TEXT NOT NULL,
	global_id TEXT NOT NULL,
	name TEXT,
	elevation_m FLOAT,
	n_elements INTEGER DEFAULT 0 NOT NULL,
	geom geometry(MULTIPOLYGON,4490),
	attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
	CONSTRAINT bim_storey_pk PRIMARY KEY (id),
	CONSTRAINT bim_storey_code_key UNIQUE (code),
	CONSTRAINT bim_storey_model_code_fk FOREIGN KEY(model_code) REFERENCES bim_model (code) ON DELETE CASCADE
);

CREATE INDEX bim_storey_model_code_btree ON bim_storey (model_code);

CREATE INDEX bim_storey_geom_gist ON bim_storey USING gist (geom);

COMMENT ON TABLE bim_storey IS 'Storeys of BIM models';

COMMENT ON COLUMN bim_storey.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN bim_storey.code IS '<model code>/<GlobalId>';

COMMENT ON COLUMN bim_storey.global_id IS 'IFC GlobalId, 22 characters';

COMMENT ON COLUMN bim_storey.elevation_m IS 'elevation above the model''s origin [m]';

COMMENT ON COLUMN bim_storey.geom IS 'outline of the model; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN bim_storey.attributes IS 'further attributes of the source';

CREATE TABLE bim_space (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	code TEXT NOT NULL,
	model_code TEXT NOT NULL,
	storey_code TEXT,
	global_id TEXT NOT NULL,
	name TEXT,
	long_name TEXT,
	floor_area_m2 FLOAT,
	area_source TEXT,
	height_m FLOAT,
	geom geometry(MULTIPOLYGON,4490),
	attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
	CONSTRAINT bim_space_pk PRIMARY KEY (id),
	CONSTRAINT bim_space_code_key UNIQUE (code),
	CONSTRAINT bim_space_model_code_fk FOREIGN KEY(model_code) REFERENCES bim_model (code) ON DELETE CASCADE
);

CREATE INDEX bim_space_geom_gist ON bim_space USING gist (geom);

CREATE INDEX bim_space_model_code_btree ON bim_space (model_code);

CREATE INDEX bim_space_storey_code_btree ON bim_space (storey_code);

COMMENT ON TABLE bim_space IS 'Spaces (rooms) of BIM models';

COMMENT ON COLUMN bim_space.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN bim_space.code IS '<model code>/<GlobalId>';

COMMENT ON COLUMN bim_space.global_id IS 'IFC GlobalId, 22 characters';

COMMENT ON COLUMN bim_space.floor_area_m2 IS 'floor area [m2]';

COMMENT ON COLUMN bim_space.area_source IS 'quantity, property or mesh';

COMMENT ON COLUMN bim_space.height_m IS 'height [m]';

COMMENT ON COLUMN bim_space.geom IS 'outline; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN bim_space.attributes IS 'further attributes of the source';

CREATE TABLE bim_element (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	code TEXT NOT NULL,
	model_code TEXT NOT NULL,
	storey_code TEXT,
	space_code TEXT,
	global_id TEXT NOT NULL,
	ifc_class TEXT NOT NULL,
	name TEXT,
	object_type TEXT,
	tag TEXT,
	material TEXT,
	geom_status TEXT NOT NULL,
	properties JSONB DEFAULT '{}'::jsonb NOT NULL,
	base_m FLOAT,
	top_m FLOAT,
	geom geometry(MULTIPOLYGON,4490),
	CONSTRAINT bim_element_pk PRIMARY KEY (id),
	CONSTRAINT bim_element_code_key UNIQUE (code),
	CONSTRAINT bim_element_geom_status_check CHECK (geom_status IN ('meshed', 'empty', 'failed')),
	CONSTRAINT bim_element_model_code_fk FOREIGN KEY(model_code) REFERENCES bim_model (code) ON DELETE CASCADE
);

CREATE INDEX bim_element_model_code_ifc_class_btree ON bim_element (model_code, ifc_class);

CREATE INDEX bim_element_storey_code_btree ON bim_element (storey_code);

CREATE INDEX bim_element_geom_gist ON bim_element USING gist (geom);

COMMENT ON TABLE bim_element IS 'Elements of BIM models';

COMMENT ON COLUMN bim_element.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN bim_element.code IS '<model code>/<GlobalId>';

COMMENT ON COLUMN bim_element.global_id IS 'IFC GlobalId, 22 characters';

COMMENT ON COLUMN bim_element.ifc_class IS 'e.g. IfcWall';

COMMENT ON COLUMN bim_element.geom_status IS 'meshed, empty (none in the file) or failed';

COMMENT ON COLUMN bim_element.properties IS 'property sets: {set: {name: value}}';

COMMENT ON COLUMN bim_element.base_m IS 'lowest point above the model''s origin [m]';

COMMENT ON COLUMN bim_element.top_m IS 'highest point above the model''s origin [m]';

COMMENT ON COLUMN bim_element.geom IS 'box seen from above; EPSG:4490 (CGCS2000), longitude latitude [deg]';

CREATE TABLE change_event (
	id BIGINT GENERATED ALWAYS AS IDENTITY,
	change_set_id UUID NOT NULL,
	collection TEXT NOT NULL,
	code TEXT NOT NULL,
	action TEXT NOT NULL,
	bbox geometry(POLYGON,4490),
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT change_event_pk PRIMARY KEY (id),
	CONSTRAINT change_event_action_check CHECK (action IN ('create', 'update', 'retire')),
	CONSTRAINT change_event_change_set_id_fk FOREIGN KEY(change_set_id) REFERENCES change_set (id)
);

CREATE INDEX change_event_change_set_id_btree ON change_event (change_set_id);

COMMENT ON TABLE change_event IS 'Outbox: tile invalidation and every other follower reads this';

COMMENT ON COLUMN change_event.collection IS 'collection id, e.g. buildings or water-lines';

COMMENT ON COLUMN change_event.code IS 'code of the feature';

COMMENT ON COLUMN change_event.action IS 'create, update, retire';

COMMENT ON COLUMN change_event.bbox IS 'old and new place; EPSG:4490 (CGCS2000), longitude latitude [deg]';

CREATE TABLE building_lineage (
	id BIGINT GENERATED ALWAYS AS IDENTITY,
	parent_code TEXT NOT NULL,
	child_code TEXT NOT NULL,
	operation TEXT NOT NULL,
	reason TEXT NOT NULL,
	change_set_id UUID NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT building_lineage_pk PRIMARY KEY (id),
	CONSTRAINT building_lineage_operation_check CHECK (operation IN ('split', 'merge', 'rebuild', 'demolish')),
	CONSTRAINT building_lineage_change_set_id_fk FOREIGN KEY(change_set_id) REFERENCES change_set (id)
);

CREATE INDEX building_lineage_child_code_btree ON building_lineage (child_code);

CREATE INDEX building_lineage_parent_code_btree ON building_lineage (parent_code);

COMMENT ON TABLE building_lineage IS 'Which building came from which';

COMMENT ON COLUMN building_lineage.operation IS 'split, merge, rebuild, demolish';

CREATE TABLE bim_mesh (
	element_code TEXT NOT NULL,
	model_code TEXT NOT NULL,
	vertices BYTEA NOT NULL,
	faces BYTEA NOT NULL,
	face_materials BYTEA NOT NULL,
	colours BYTEA NOT NULL,
	CONSTRAINT bim_mesh_pk PRIMARY KEY (element_code),
	CONSTRAINT bim_mesh_element_code_fk FOREIGN KEY(element_code) REFERENCES bim_element (code) ON DELETE CASCADE
);

CREATE INDEX bim_mesh_model_code_btree ON bim_mesh (model_code);

COMMENT ON TABLE bim_mesh IS 'Triangle meshes of BIM elements, source of the BIM tiles';

COMMENT ON COLUMN bim_mesh.vertices IS 'little-endian float64 x, y, z [m] in the model''s frame';

COMMENT ON COLUMN bim_mesh.faces IS 'little-endian int32 vertex indices, three per triangle';

COMMENT ON COLUMN bim_mesh.face_materials IS 'little-endian int32 per triangle: index into colours, -1 none';

COMMENT ON COLUMN bim_mesh.colours IS 'little-endian float32 r, g, b, a per material, 0-1';

CREATE TABLE network_node_water PARTITION OF network_node FOR VALUES IN ('water');

CREATE TABLE network_node_rainwater PARTITION OF network_node FOR VALUES IN ('rainwater');

CREATE TABLE network_node_sewage PARTITION OF network_node FOR VALUES IN ('sewage');

CREATE TABLE network_node_gas PARTITION OF network_node FOR VALUES IN ('gas');

CREATE TABLE network_node_heat PARTITION OF network_node FOR VALUES IN ('heat');

CREATE TABLE network_node_power PARTITION OF network_node FOR VALUES IN ('power');

CREATE TABLE network_node_lighting PARTITION OF network_node FOR VALUES IN ('lighting');

CREATE TABLE network_node_telecom PARTITION OF network_node FOR VALUES IN ('telecom');

CREATE TABLE network_node_road PARTITION OF network_node FOR VALUES IN ('road');

CREATE TABLE network_edge_water PARTITION OF network_edge FOR VALUES IN ('water');

CREATE TABLE network_edge_rainwater PARTITION OF network_edge FOR VALUES IN ('rainwater');

CREATE TABLE network_edge_sewage PARTITION OF network_edge FOR VALUES IN ('sewage');

CREATE TABLE network_edge_gas PARTITION OF network_edge FOR VALUES IN ('gas');

CREATE TABLE network_edge_heat PARTITION OF network_edge FOR VALUES IN ('heat');

CREATE TABLE network_edge_power PARTITION OF network_edge FOR VALUES IN ('power');

CREATE TABLE network_edge_lighting PARTITION OF network_edge FOR VALUES IN ('lighting');

CREATE TABLE network_edge_telecom PARTITION OF network_edge FOR VALUES IN ('telecom');

CREATE TABLE network_edge_road PARTITION OF network_edge FOR VALUES IN ('road');
