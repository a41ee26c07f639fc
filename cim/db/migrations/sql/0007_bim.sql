ALTER TABLE bim_model
    ADD COLUMN fix_hint TEXT,
    ADD COLUMN project_global_id TEXT,
    ADD COLUMN project_code TEXT;
ALTER TABLE bim_storey
    ADD COLUMN ifc_class TEXT DEFAULT 'IfcBuildingStorey' NOT NULL,
    ADD COLUMN number INTEGER,
    ADD COLUMN parent_global_id TEXT,
    ADD COLUMN base_elevation_m FLOAT,
    ADD COLUMN height_m FLOAT;
ALTER TABLE bim_space
    ADD COLUMN predefined_type TEXT,
    ADD COLUMN use TEXT,
    ADD COLUMN height_source TEXT,
    ADD COLUMN volume_m3 FLOAT,
    ADD COLUMN volume_source TEXT,
    ADD COLUMN base_elevation_m FLOAT,
    ADD COLUMN classifications JSONB DEFAULT '[]'::jsonb NOT NULL;
ALTER TABLE bim_element
    ADD COLUMN occurrence INTEGER DEFAULT 1 NOT NULL,
    ADD COLUMN predefined_type TEXT,
    ADD COLUMN type_name TEXT,
    ADD COLUMN type_global_id TEXT,
    ADD COLUMN host_global_id TEXT,
    ADD COLUMN materials JSONB DEFAULT '[]'::jsonb NOT NULL,
    ADD COLUMN classifications JSONB DEFAULT '[]'::jsonb NOT NULL,
    ADD COLUMN original_units JSONB DEFAULT '{}'::jsonb NOT NULL,
    ADD COLUMN property_hash TEXT,
    ADD COLUMN geometry_hash TEXT,
    ADD COLUMN base_elevation_m FLOAT,
    ADD COLUMN top_elevation_m FLOAT;
ALTER TABLE bim_stage
    ADD COLUMN attempt INTEGER DEFAULT 1 NOT NULL,
    ADD COLUMN started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL;
ALTER TABLE bim_model ALTER COLUMN georef_method DROP NOT NULL, ALTER COLUMN projected_crs DROP NOT NULL, ALTER COLUMN placement DROP NOT NULL;
ALTER TABLE bim_model
    ADD CONSTRAINT bim_model_status_check CHECK (status IN ('loaded', 'quarantined')),
    ADD CONSTRAINT bim_model_placement_check CHECK ((placement IS NULL) = (status = 'quarantined'));
ALTER TABLE bim_element DROP CONSTRAINT bim_element_geom_status_check;
ALTER TABLE bim_element ADD CONSTRAINT bim_element_geom_status_check
    CHECK (geom_status IN ('meshed', 'without_openings', 'box', 'empty', 'failed'));
CREATE INDEX bim_element_properties_gin ON bim_element USING gin (properties jsonb_path_ops);
CREATE INDEX bim_space_attributes_gin ON bim_space USING gin (attributes jsonb_path_ops);
CREATE TABLE bim_node (
	code TEXT NOT NULL,
	model_code TEXT NOT NULL,
	global_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	ifc_class TEXT NOT NULL,
	predefined_type TEXT,
	name TEXT,
	long_name TEXT,
	object_type TEXT,
	parent_global_id TEXT,
	length_m FLOAT,
	classifications JSONB DEFAULT '[]'::jsonb NOT NULL,
	properties JSONB DEFAULT '{}'::jsonb NOT NULL,
	CONSTRAINT bim_node_pk PRIMARY KEY (code),
	CONSTRAINT bim_node_kind_check CHECK (kind IN ('project', 'site', 'building', 'facility', 'alignment', 'zone', 'system', 'group')),
	CONSTRAINT bim_node_model_code_fk FOREIGN KEY(model_code) REFERENCES bim_model (code) ON DELETE CASCADE
);
CREATE INDEX bim_node_model_code_btree ON bim_node (model_code);
CREATE TABLE bim_member (
	node_code TEXT NOT NULL,
	member_code TEXT NOT NULL,
	model_code TEXT NOT NULL,
	CONSTRAINT bim_member_pk PRIMARY KEY (node_code, member_code),
	CONSTRAINT bim_member_node_code_fk FOREIGN KEY(node_code) REFERENCES bim_node (code) ON DELETE CASCADE
);
CREATE INDEX bim_member_member_code_btree ON bim_member (member_code);
CREATE INDEX bim_member_model_code_btree ON bim_member (model_code);
CREATE TABLE bim_version (
	model_code TEXT NOT NULL,
	version INTEGER NOT NULL,
	sha256 TEXT NOT NULL,
	file_name TEXT NOT NULL,
	dataset_id UUID NOT NULL,
	options JSONB DEFAULT '{}'::jsonb NOT NULL,
	report JSONB DEFAULT '{}'::jsonb NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	change_set_id UUID,
	CONSTRAINT bim_version_pk PRIMARY KEY (model_code, version),
	CONSTRAINT bim_version_model_code_fk FOREIGN KEY(model_code) REFERENCES bim_model (code) ON DELETE CASCADE,
	CONSTRAINT bim_version_dataset_id_fk FOREIGN KEY(dataset_id) REFERENCES dataset (id)
);
CREATE INDEX bim_version_sha256_btree ON bim_version (sha256);
CREATE TABLE bim_version_part (
	model_code TEXT NOT NULL,
	version INTEGER NOT NULL,
	global_id TEXT NOT NULL,
	occurrence INTEGER NOT NULL,
	ifc_class TEXT NOT NULL,
	name TEXT,
	property_hash TEXT,
	geometry_hash TEXT,
	CONSTRAINT bim_version_part_pk PRIMARY KEY (model_code, version, global_id, occurrence),
	CONSTRAINT bim_version_part_model_code_fk FOREIGN KEY(model_code, version) REFERENCES bim_version (model_code, version) ON DELETE CASCADE
);
INSERT INTO bim_version (model_code, version, sha256, file_name, dataset_id, report, recorded_at, change_set_id)
SELECT m.code, m.version, m.sha256, d.source, m.dataset_id, coalesce(d.report, '{}'::jsonb), m.recorded_at, m.change_set_id
FROM bim_model m JOIN dataset d ON d.id = m.dataset_id;
COMMENT ON TABLE bim_node IS 'Tree above the storeys of BIM models, and their zones, systems and groups';
COMMENT ON TABLE bim_member IS 'Members of zones, systems and groups';
COMMENT ON TABLE bim_version IS 'All versions of BIM models';
COMMENT ON TABLE bim_version_part IS 'Elements of earlier versions, as hashes: what changed between two versions';
COMMENT ON COLUMN bim_model.fix_hint IS 'command that gives a quarantined model its place';
COMMENT ON COLUMN bim_model.project_global_id IS 'GlobalId of IfcProject: the same in all versions of a model';
COMMENT ON COLUMN bim_model.project_code IS 'code of the construction project';
COMMENT ON COLUMN bim_model.georef_method IS 'IfcMapConversion, ePSet_MapConversion, IfcSite, fit, option; null = not placed';
COMMENT ON COLUMN bim_model.georef_note IS 'why the model stands where it stands, or why it is not placed';
COMMENT ON COLUMN bim_model.projected_crs IS 'CRS of the placement';
COMMENT ON COLUMN bim_model.placement IS 'row-major 4x4 matrix: model [m] to easting, northing, height [m] in projected_crs; null = not placed';
COMMENT ON COLUMN bim_model.status IS 'loaded; quarantined = without a place, queryable';
COMMENT ON COLUMN bim_storey.ifc_class IS 'IfcBuildingStorey or a facility part';
COMMENT ON COLUMN bim_storey.number IS '1 = ground floor, -1 = first basement';
COMMENT ON COLUMN bim_storey.parent_global_id IS 'GlobalId of the building or facility';
COMMENT ON COLUMN bim_storey.base_elevation_m IS 'elevation [m] in the city''s vertical datum';
COMMENT ON COLUMN bim_storey.height_m IS 'to the next storey, else to the highest point [m]';
COMMENT ON COLUMN bim_storey.geom IS 'outline of its elements; EPSG:4490 (CGCS2000), longitude latitude [deg]';
COMMENT ON COLUMN bim_space.use IS 'as the model names it: classification, category or object type';
COMMENT ON COLUMN bim_space.height_source IS 'quantity, property or mesh';
COMMENT ON COLUMN bim_space.volume_m3 IS 'volume [m3]';
COMMENT ON COLUMN bim_space.volume_source IS 'quantity, property or mesh';
COMMENT ON COLUMN bim_space.base_elevation_m IS 'lowest point [m] in the city''s vertical datum';
COMMENT ON COLUMN bim_space.classifications IS '[{system, code, name}] as the model gives them';
COMMENT ON COLUMN bim_element.occurrence IS '2, 3, … where the file repeats the GlobalId';
COMMENT ON COLUMN bim_element.predefined_type IS 'of the element, else of its type';
COMMENT ON COLUMN bim_element.host_global_id IS 'GlobalId of the whole it is part of, or of the element whose opening it fills';
COMMENT ON COLUMN bim_element.materials IS '[{name, thickness_m, category}], outside first';
COMMENT ON COLUMN bim_element.classifications IS '[{system, code, name}] as the model gives them';
COMMENT ON COLUMN bim_element.original_units IS 'where the file counts in another unit: {set: {name: {value, unit, si}}}';
COMMENT ON COLUMN bim_element.property_hash IS 'hash of everything but geometry: equal hash = unchanged';
COMMENT ON COLUMN bim_element.geometry_hash IS 'hash of the mesh in the model''s frame: equal hash = unchanged';
COMMENT ON COLUMN bim_element.base_elevation_m IS 'lowest point [m] in the city''s vertical datum';
COMMENT ON COLUMN bim_element.top_elevation_m IS 'highest point [m] in the city''s vertical datum';
COMMENT ON COLUMN bim_element.geom_status IS 'meshed, without_openings, box, empty (none in the file) or failed';
COMMENT ON COLUMN bim_element.properties IS 'property sets in SI units: {set: {name: value}}';
COMMENT ON COLUMN bim_stage.stage IS 'received, parsed, georeferenced, semantics, geometry, tiles, linked, reported';
COMMENT ON COLUMN bim_stage.status IS 'running, done, failed, skipped';
COMMENT ON COLUMN bim_node.code IS '<model code>/<GlobalId>';
COMMENT ON COLUMN bim_node.global_id IS 'IFC GlobalId, 22 characters';
COMMENT ON COLUMN bim_node.kind IS 'project, site, building, facility, alignment, zone, system or group';
COMMENT ON COLUMN bim_node.ifc_class IS 'e.g. IfcBridge, IfcZone';
COMMENT ON COLUMN bim_node.parent_global_id IS 'the node it is part of';
COMMENT ON COLUMN bim_node.length_m IS 'of an alignment [m]';
COMMENT ON COLUMN bim_node.classifications IS '[{system, code, name}] as the model gives them';
COMMENT ON COLUMN bim_node.properties IS 'property sets in SI units: {set: {name: value}}';
COMMENT ON COLUMN bim_member.member_code IS 'code of an element, space or node';
COMMENT ON COLUMN bim_version.version IS '1, 2, … per model';
COMMENT ON COLUMN bim_version.sha256 IS 'of the file, which is kept';
COMMENT ON COLUMN bim_version.options IS 'what the operator said';
COMMENT ON COLUMN bim_version.report IS 'what the upload said';
