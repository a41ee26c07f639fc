-- City objects and representations, planning control, rasters with unit and mask, mean and highest ground of buildings. Frozen.

ALTER TABLE building ADD COLUMN ground_mean_m double precision, ADD COLUMN ground_max_m double precision;
ALTER TABLE building_history ADD COLUMN ground_mean_m double precision, ADD COLUMN ground_max_m double precision;
COMMENT ON COLUMN building.ground_mean_m IS 'mean ground under the footprint [m] in the city''s vertical datum';
COMMENT ON COLUMN building.ground_max_m IS 'highest ground under the footprint [m] in the city''s vertical datum';
COMMENT ON COLUMN building_history.ground_mean_m IS 'mean ground under the footprint [m] in the city''s vertical datum';
COMMENT ON COLUMN building_history.ground_max_m IS 'highest ground under the footprint [m] in the city''s vertical datum';
COMMENT ON COLUMN dataset.kind IS 'divisions, census, addresses, network, terrain, imagery, citymodel, planning, bim';

ALTER TABLE terrain RENAME TO raster;
ALTER TABLE raster RENAME CONSTRAINT terrain_pk TO raster_pk;
ALTER TABLE raster RENAME CONSTRAINT terrain_dataset_id_fk TO raster_dataset_id_fk;
ALTER TABLE raster DROP CONSTRAINT terrain_name_key;
ALTER INDEX terrain_geom_gist RENAME TO raster_geom_gist;
-- Sizes of rasters stored before this version become known when they are loaded again.
ALTER TABLE raster ADD COLUMN kind text DEFAULT 'terrain' NOT NULL, ADD COLUMN source_unit text DEFAULT 'm',
    ADD COLUMN width_px integer DEFAULT 0 NOT NULL, ADD COLUMN height_px integer DEFAULT 0 NOT NULL,
    ADD COLUMN n_bands smallint DEFAULT 1 NOT NULL, ADD COLUMN data_type text DEFAULT 'float32' NOT NULL,
    ADD COLUMN nodata double precision, ADD COLUMN valid_share double precision, ADD COLUMN n_sources integer DEFAULT 1 NOT NULL,
    ADD COLUMN acquired_on date;
ALTER TABLE raster ALTER COLUMN kind DROP DEFAULT, ALTER COLUMN source_unit DROP DEFAULT, ALTER COLUMN width_px DROP DEFAULT,
    ALTER COLUMN height_px DROP DEFAULT, ALTER COLUMN n_bands DROP DEFAULT, ALTER COLUMN data_type DROP DEFAULT,
    ALTER COLUMN n_sources DROP DEFAULT, ALTER COLUMN vertical_datum DROP NOT NULL, ALTER COLUMN min_m DROP NOT NULL,
    ALTER COLUMN max_m DROP NOT NULL;
ALTER TABLE raster ADD CONSTRAINT raster_kind_name_key UNIQUE (kind, name),
    ADD CONSTRAINT raster_kind_check CHECK (kind IN ('terrain', 'imagery')),
    ADD CONSTRAINT raster_vertical_datum_check CHECK (kind <> 'terrain' OR vertical_datum IS NOT NULL);
COMMENT ON TABLE raster IS 'Elevation rasters and imagery kept as Cloud-Optimised GeoTIFF';
COMMENT ON COLUMN raster.id IS 'internal id, UUIDv7, immutable';
COMMENT ON COLUMN raster.kind IS 'terrain (elevations) or imagery';
COMMENT ON COLUMN raster.name IS 'name of the dataset';
COMMENT ON COLUMN raster.file IS 'file name in the raster folder of the data folder';
COMMENT ON COLUMN raster.crs IS 'horizontal CRS, e.g. EPSG:4547';
COMMENT ON COLUMN raster.vertical_datum IS 'vertical CRS of the elevations, e.g. EPSG:5737; imagery has none';
COMMENT ON COLUMN raster.source_unit IS 'unit of the elevations in the source: m or ft or us-ft; the store keeps metres';
COMMENT ON COLUMN raster.resolution_m IS 'cell size [m], of a geographic grid along the meridian';
COMMENT ON COLUMN raster.width_px IS 'columns';
COMMENT ON COLUMN raster.height_px IS 'rows';
COMMENT ON COLUMN raster.data_type IS 'of the cells, e.g. float32 or uint8';
COMMENT ON COLUMN raster.nodata IS 'value of cells without data; empty = mask or none';
COMMENT ON COLUMN raster.valid_share IS 'share of cells with data, 0-1, estimated where the raster is large';
COMMENT ON COLUMN raster.min_m IS 'lowest elevation [m]';
COMMENT ON COLUMN raster.max_m IS 'highest elevation [m]';
COMMENT ON COLUMN raster.n_sources IS 'files it was made from';
COMMENT ON COLUMN raster.acquired_on IS 'day of survey or flight, where known';
COMMENT ON COLUMN raster.geom IS 'footprint; EPSG:4490 (CGCS2000), longitude latitude [deg]';

CREATE TABLE texture_image (
	sha256 TEXT NOT NULL,
	media_type TEXT NOT NULL,
	width_px INTEGER NOT NULL,
	height_px INTEGER NOT NULL,
	size_bytes BIGINT NOT NULL,
	image BYTEA NOT NULL,
	CONSTRAINT texture_image_pk PRIMARY KEY (sha256)
);

COMMENT ON TABLE texture_image IS 'Texture images of city models, each once';

COMMENT ON COLUMN texture_image.sha256 IS 'of the image, hexadecimal';

COMMENT ON COLUMN texture_image.media_type IS 'image/jpeg or image/png';

COMMENT ON COLUMN texture_image.size_bytes IS 'size of the image [byte]';

CREATE TABLE planning_control (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	code TEXT NOT NULL,
	county_code TEXT NOT NULL,
	control TEXT NOT NULL,
	name TEXT,
	land_use TEXT,
	height_limit_m FLOAT,
	elevation_limit_m FLOAT,
	far_max FLOAT,
	far_min FLOAT,
	coverage_max FLOAT,
	green_ratio_min FLOAT,
	setback_m FLOAT,
	plan_name TEXT,
	plan_status TEXT,
	approved_on DATE,
	approval_no TEXT,
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
	CONSTRAINT planning_control_pk PRIMARY KEY (id),
	CONSTRAINT planning_control_code_key UNIQUE (code),
	CONSTRAINT planning_control_county_code_check CHECK (county_code ~ '^[0-9]{6}$'),
	CONSTRAINT planning_control_control_check CHECK (control IN ('land_use', 'plot', 'road_red_line', 'green_line', 'blue_line', 'purple_line', 'yellow_line', 'height_limit', 'protection_area', 'ecological_red_line', 'urban_boundary', 'other')),
	CONSTRAINT planning_control_status_check CHECK (status IN ('existing', 'retired')),
	CONSTRAINT planning_control_plan_status_check CHECK (plan_status IN ('draft', 'approved', 'withdrawn')),
	CONSTRAINT planning_control_height_limit_m_check CHECK (height_limit_m > 0 AND height_limit_m < 1500),
	CONSTRAINT planning_control_far_max_check CHECK (far_max >= 0 AND far_max < 100),
	CONSTRAINT planning_control_far_min_check CHECK (far_min >= 0 AND far_min < 100),
	CONSTRAINT planning_control_coverage_max_check CHECK (coverage_max >= 0 AND coverage_max <= 1),
	CONSTRAINT planning_control_green_ratio_min_check CHECK (green_ratio_min >= 0 AND green_ratio_min <= 1)
);

CREATE UNIQUE INDEX planning_control_county_code_id_key ON planning_control (county_code, id);

CREATE INDEX planning_control_source_btree ON planning_control (source_dataset, source_key);

CREATE INDEX planning_control_geom_gist ON planning_control USING gist (geom);

COMMENT ON TABLE planning_control IS 'Planning control: land use, red lines, height limits, floor area ratios, protection areas';

COMMENT ON COLUMN planning_control.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN planning_control.code IS 'code of the zone, assigned once, never changed or reused';

COMMENT ON COLUMN planning_control.county_code IS '6 digits, frozen at assignment';

COMMENT ON COLUMN planning_control.control IS 'kind of control';

COMMENT ON COLUMN planning_control.land_use IS 'land use code of GB 50137 or the national classification, as given';

COMMENT ON COLUMN planning_control.height_limit_m IS 'greatest height above ground [m]';

COMMENT ON COLUMN planning_control.elevation_limit_m IS 'greatest elevation [m] in the city''s vertical datum';

COMMENT ON COLUMN planning_control.far_max IS 'greatest floor area ratio';

COMMENT ON COLUMN planning_control.far_min IS 'least floor area ratio';

COMMENT ON COLUMN planning_control.coverage_max IS 'greatest building coverage, 0-1';

COMMENT ON COLUMN planning_control.green_ratio_min IS 'least green ratio, 0-1';

COMMENT ON COLUMN planning_control.setback_m IS 'least distance of buildings from the edge [m]';

COMMENT ON COLUMN planning_control.plan_name IS 'plan the rule comes from';

COMMENT ON COLUMN planning_control.plan_status IS 'draft, approved or withdrawn';

COMMENT ON COLUMN planning_control.approved_on IS 'day of approval';

COMMENT ON COLUMN planning_control.approval_no IS 'number of the approval';

COMMENT ON COLUMN planning_control.status IS 'existing or retired';

COMMENT ON COLUMN planning_control.geom IS 'area the rule holds for; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN planning_control.attributes IS 'further attributes of the source';

COMMENT ON COLUMN planning_control.version IS '1, 2, … per row';

COMMENT ON COLUMN planning_control.valid_from IS 'from when this state is true';

COMMENT ON COLUMN planning_control.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN planning_control.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN planning_control.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN planning_control.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN planning_control.content_hash IS 'hash of the mapped record: equal hash = unchanged';

CREATE TABLE city_object_history (
	id UUID,
	code TEXT,
	county_code TEXT,
	type TEXT,
	name TEXT,
	parent_code TEXT,
	building_code TEXT,
	match_method TEXT,
	match_score FLOAT,
	highest_lod TEXT,
	base_m FLOAT,
	top_m FLOAT,
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

CREATE INDEX city_object_history_code_btree ON city_object_history (code, valid_from);

CREATE INDEX city_object_history_geom_gist ON city_object_history USING gist (geom);

COMMENT ON TABLE city_object_history IS 'Earlier states of city_object';

COMMENT ON COLUMN city_object_history.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN city_object_history.code IS 'code of the city object, assigned once, never changed or reused';

COMMENT ON COLUMN city_object_history.county_code IS '6 digits, frozen at assignment';

COMMENT ON COLUMN city_object_history.type IS 'class of CityJSON 2.0, e.g. Building, Bridge, TINRelief';

COMMENT ON COLUMN city_object_history.parent_code IS 'city object it is a part of';

COMMENT ON COLUMN city_object_history.building_code IS 'building of the register it shows, where one was found';

COMMENT ON COLUMN city_object_history.match_method IS 'how the building was found: code, footprint; empty = none';

COMMENT ON COLUMN city_object_history.match_score IS 'overlap of the footprints (intersection over union), 0-1';

COMMENT ON COLUMN city_object_history.highest_lod IS 'highest level of detail kept, e.g. 2.2';

COMMENT ON COLUMN city_object_history.base_m IS 'lowest point [m] in the city''s vertical datum';

COMMENT ON COLUMN city_object_history.top_m IS 'highest point [m] in the city''s vertical datum';

COMMENT ON COLUMN city_object_history.status IS 'existing or retired';

COMMENT ON COLUMN city_object_history.geom IS 'seen from above; empty without geometry; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN city_object_history.attributes IS 'further attributes of the source';

COMMENT ON COLUMN city_object_history.version IS '1, 2, … per row';

COMMENT ON COLUMN city_object_history.valid_from IS 'from when this state is true';

COMMENT ON COLUMN city_object_history.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN city_object_history.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN city_object_history.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN city_object_history.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN city_object_history.content_hash IS 'hash of the mapped record: equal hash = unchanged';

COMMENT ON COLUMN city_object_history.valid_to IS 'until when this state was true';

COMMENT ON COLUMN city_object_history.retired_by IS 'change set that ended this state';

CREATE TABLE planning_control_history (
	id UUID,
	code TEXT,
	county_code TEXT,
	control TEXT,
	name TEXT,
	land_use TEXT,
	height_limit_m FLOAT,
	elevation_limit_m FLOAT,
	far_max FLOAT,
	far_min FLOAT,
	coverage_max FLOAT,
	green_ratio_min FLOAT,
	setback_m FLOAT,
	plan_name TEXT,
	plan_status TEXT,
	approved_on DATE,
	approval_no TEXT,
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

CREATE INDEX planning_control_history_geom_gist ON planning_control_history USING gist (geom);

CREATE INDEX planning_control_history_code_btree ON planning_control_history (code, valid_from);

COMMENT ON TABLE planning_control_history IS 'Earlier states of planning_control';

COMMENT ON COLUMN planning_control_history.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN planning_control_history.code IS 'code of the zone, assigned once, never changed or reused';

COMMENT ON COLUMN planning_control_history.county_code IS '6 digits, frozen at assignment';

COMMENT ON COLUMN planning_control_history.control IS 'kind of control';

COMMENT ON COLUMN planning_control_history.land_use IS 'land use code of GB 50137 or the national classification, as given';

COMMENT ON COLUMN planning_control_history.height_limit_m IS 'greatest height above ground [m]';

COMMENT ON COLUMN planning_control_history.elevation_limit_m IS 'greatest elevation [m] in the city''s vertical datum';

COMMENT ON COLUMN planning_control_history.far_max IS 'greatest floor area ratio';

COMMENT ON COLUMN planning_control_history.far_min IS 'least floor area ratio';

COMMENT ON COLUMN planning_control_history.coverage_max IS 'greatest building coverage, 0-1';

COMMENT ON COLUMN planning_control_history.green_ratio_min IS 'least green ratio, 0-1';

COMMENT ON COLUMN planning_control_history.setback_m IS 'least distance of buildings from the edge [m]';

COMMENT ON COLUMN planning_control_history.plan_name IS 'plan the rule comes from';

COMMENT ON COLUMN planning_control_history.plan_status IS 'draft, approved or withdrawn';

COMMENT ON COLUMN planning_control_history.approved_on IS 'day of approval';

COMMENT ON COLUMN planning_control_history.approval_no IS 'number of the approval';

COMMENT ON COLUMN planning_control_history.status IS 'existing or retired';

COMMENT ON COLUMN planning_control_history.geom IS 'area the rule holds for; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN planning_control_history.attributes IS 'further attributes of the source';

COMMENT ON COLUMN planning_control_history.version IS '1, 2, … per row';

COMMENT ON COLUMN planning_control_history.valid_from IS 'from when this state is true';

COMMENT ON COLUMN planning_control_history.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN planning_control_history.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN planning_control_history.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN planning_control_history.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN planning_control_history.content_hash IS 'hash of the mapped record: equal hash = unchanged';

COMMENT ON COLUMN planning_control_history.valid_to IS 'until when this state was true';

COMMENT ON COLUMN planning_control_history.retired_by IS 'change set that ended this state';

CREATE TABLE city_object (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	code TEXT NOT NULL,
	county_code TEXT NOT NULL,
	type TEXT NOT NULL,
	name TEXT,
	parent_code TEXT,
	building_code TEXT,
	match_method TEXT,
	match_score FLOAT,
	highest_lod TEXT,
	base_m FLOAT,
	top_m FLOAT,
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
	CONSTRAINT city_object_pk PRIMARY KEY (id),
	CONSTRAINT city_object_code_key UNIQUE (code),
	CONSTRAINT city_object_county_code_check CHECK (county_code ~ '^[0-9]{6}$'),
	CONSTRAINT city_object_type_check CHECK (type IN ('Building', 'BuildingPart', 'BuildingInstallation', 'BuildingRoom', 'BuildingStorey', 'BuildingUnit', 'BuildingFurniture', 'BuildingConstructiveElement', 'Bridge', 'BridgePart', 'BridgeInstallation', 'Tunnel', 'TunnelPart', 'TunnelInstallation', 'Road', 'Railway', 'Waterway', 'TransportSquare', 'WaterBody', 'PlantCover', 'SolitaryVegetationObject', 'TINRelief', 'LandUse', 'CityFurniture', 'OtherConstruction', 'CityObjectGroup', 'GenericCityObject')),
	CONSTRAINT city_object_status_check CHECK (status IN ('existing', 'retired')),
	CONSTRAINT city_object_building_code_fk FOREIGN KEY(building_code) REFERENCES building (code)
);

CREATE UNIQUE INDEX city_object_county_code_id_key ON city_object (county_code, id);

CREATE INDEX city_object_building_code_btree ON city_object (building_code);

CREATE INDEX city_object_geom_gist ON city_object USING gist (geom);

CREATE INDEX city_object_source_btree ON city_object (source_dataset, source_key);

COMMENT ON TABLE city_object IS 'City objects of city models; those that show a building of the register carry its code';

COMMENT ON COLUMN city_object.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN city_object.code IS 'code of the city object, assigned once, never changed or reused';

COMMENT ON COLUMN city_object.county_code IS '6 digits, frozen at assignment';

COMMENT ON COLUMN city_object.type IS 'class of CityJSON 2.0, e.g. Building, Bridge, TINRelief';

COMMENT ON COLUMN city_object.parent_code IS 'city object it is a part of';

COMMENT ON COLUMN city_object.building_code IS 'building of the register it shows, where one was found';

COMMENT ON COLUMN city_object.match_method IS 'how the building was found: code, footprint; empty = none';

COMMENT ON COLUMN city_object.match_score IS 'overlap of the footprints (intersection over union), 0-1';

COMMENT ON COLUMN city_object.highest_lod IS 'highest level of detail kept, e.g. 2.2';

COMMENT ON COLUMN city_object.base_m IS 'lowest point [m] in the city''s vertical datum';

COMMENT ON COLUMN city_object.top_m IS 'highest point [m] in the city''s vertical datum';

COMMENT ON COLUMN city_object.status IS 'existing or retired';

COMMENT ON COLUMN city_object.geom IS 'seen from above; empty without geometry; EPSG:4490 (CGCS2000), longitude latitude [deg]';

COMMENT ON COLUMN city_object.attributes IS 'further attributes of the source';

COMMENT ON COLUMN city_object.version IS '1, 2, … per row';

COMMENT ON COLUMN city_object.valid_from IS 'from when this state is true';

COMMENT ON COLUMN city_object.recorded_at IS 'when the store learnt it';

COMMENT ON COLUMN city_object.change_set_id IS 'change set that wrote this state';

COMMENT ON COLUMN city_object.source_dataset IS 'name of the dataset this state came from';

COMMENT ON COLUMN city_object.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN city_object.content_hash IS 'hash of the mapped record: equal hash = unchanged';

CREATE TABLE representation (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	object_code TEXT NOT NULL,
	building_code TEXT,
	county_code TEXT NOT NULL,
	lod TEXT NOT NULL,
	cim_level SMALLINT NOT NULL,
	geometry_type TEXT NOT NULL,
	vertices BYTEA NOT NULL,
	boundaries JSONB NOT NULL,
	semantics JSONB,
	appearance JSONB,
	faces BYTEA NOT NULL,
	surfaces BYTEA NOT NULL,
	colours BYTEA,
	texture_coordinates BYTEA,
	texture_of_face BYTEA,
	textures TEXT[],
	n_faces INTEGER NOT NULL,
	is_valid BOOLEAN NOT NULL,
	faults JSONB DEFAULT '[]'::jsonb NOT NULL,
	dataset_id UUID NOT NULL,
	content_hash TEXT NOT NULL,
	valid_from TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	valid_to TIMESTAMP WITH TIME ZONE,
	CONSTRAINT representation_pk PRIMARY KEY (id),
	CONSTRAINT representation_validity_check CHECK (valid_to > valid_from),
	CONSTRAINT representation_object_code_fk FOREIGN KEY(object_code) REFERENCES city_object (code) ON DELETE CASCADE,
	CONSTRAINT representation_building_code_fk FOREIGN KEY(building_code) REFERENCES building (code),
	CONSTRAINT representation_dataset_id_fk FOREIGN KEY(dataset_id) REFERENCES dataset (id)
);

CREATE INDEX representation_building_code_btree ON representation (building_code);

CREATE INDEX representation_object_code_btree ON representation (object_code, valid_from);

CREATE UNIQUE INDEX representation_current_key ON representation (object_code, lod) WHERE valid_to IS NULL;

COMMENT ON TABLE representation IS 'Geometries of city objects per level of detail, current and earlier ones';

COMMENT ON COLUMN representation.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN representation.building_code IS 'building of the register it shows, empty = none';

COMMENT ON COLUMN representation.county_code IS '6 digits, of the city object';

COMMENT ON COLUMN representation.lod IS 'level of detail, e.g. 1.2, 2, 3';

COMMENT ON COLUMN representation.cim_level IS 'CIM level: 2 blocks, 3 roof forms, 4 openings, 5 interiors';

COMMENT ON COLUMN representation.geometry_type IS 'Solid, MultiSurface, CompositeSurface, MultiSolid, CompositeSolid';

COMMENT ON COLUMN representation.vertices IS 'little-endian float64 longitude, latitude [deg], EPSG:4490, and elevation [m] in the city''s vertical datum';

COMMENT ON COLUMN representation.boundaries IS 'boundaries of CityJSON: nested lists of vertex indices';

COMMENT ON COLUMN representation.semantics IS 'semantics of CityJSON: surfaces and values';

COMMENT ON COLUMN representation.appearance IS 'materials and textures of the geometry by theme, with the objects they name';

COMMENT ON COLUMN representation.faces IS 'little-endian int32, three vertices per triangle, counter-clockwise from outside';

COMMENT ON COLUMN representation.surfaces IS 'uint8 per triangle: position in the list of surface types';

COMMENT ON COLUMN representation.colours IS 'uint8 r, g, b, a per triangle; a = 0 has no colour; empty = none has';

COMMENT ON COLUMN representation.texture_coordinates IS 'little-endian float32 u, v per corner of each triangle, v upwards; NaN = none';

COMMENT ON COLUMN representation.texture_of_face IS 'little-endian int32 per triangle: position in textures, -1 = none';

COMMENT ON COLUMN representation.textures IS 'sha256 of the texture images';

COMMENT ON COLUMN representation.n_faces IS 'triangles';

COMMENT ON COLUMN representation.is_valid IS 'no fault was found, see faults';

COMMENT ON COLUMN representation.faults IS 'faults found: rule, place, what';

COMMENT ON COLUMN representation.content_hash IS 'hash of the geometry and its appearance: equal = unchanged';

COMMENT ON COLUMN representation.valid_from IS 'from when this state is true';

COMMENT ON COLUMN representation.valid_to IS 'until when this state was true; empty = now';

-- Sequences of the codes of city objects and planning zones: they never go back.
CREATE SEQUENCE city_object_code_seq;
CREATE SEQUENCE planning_control_code_seq;

DO $$
DECLARE
    versioned record;
BEGIN
    FOR versioned IN SELECT * FROM (VALUES
        ('city_object', 'city-objects'), ('planning_control', 'planning-controls')) AS t (name, collection)
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON %I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_keep_history(%L)', versioned.name || '_history_update', versioned.name, versioned.name || '_history');
        EXECUTE format('CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_keep_history(%L)', versioned.name || '_history_delete', versioned.name, versioned.name || '_history');
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %I REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_emit_changes(%L)', versioned.name || '_event_insert', versioned.name, versioned.collection);
        EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON %I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_emit_changes(%L)', versioned.name || '_event_update', versioned.name, versioned.collection);
        EXECUTE format('CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_emit_changes(%L)', versioned.name || '_event_delete', versioned.name, versioned.collection);
        PERFORM cim_make_as_of(versioned.name::regclass);
    END LOOP;
    PERFORM cim_make_as_of('building'::regclass);
END
$$;
