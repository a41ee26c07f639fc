-- Review list, authority of sources, building safety, personal data, gaps of codes, as-of functions. Frozen.;

ALTER TABLE division ADD COLUMN effective_from date, ADD COLUMN effective_to date, ADD COLUMN successor_code text;
ALTER TABLE division_history ADD COLUMN effective_from date, ADD COLUMN effective_to date, ADD COLUMN successor_code text;
ALTER TABLE building ADD COLUMN attribute_sources jsonb DEFAULT '{}'::jsonb NOT NULL;
ALTER TABLE building_history ADD COLUMN attribute_sources jsonb;
ALTER TABLE address ADD COLUMN norm_text text, ADD COLUMN components jsonb DEFAULT '{}'::jsonb NOT NULL,
    ADD COLUMN match_score double precision, ADD COLUMN match_evidence jsonb DEFAULT '{}'::jsonb NOT NULL;
ALTER TABLE address_history ADD COLUMN norm_text text, ADD COLUMN components jsonb, ADD COLUMN match_score double precision,
    ADD COLUMN match_evidence jsonb;
ALTER TABLE change_set ADD COLUMN source text, ADD COLUMN project_code text,
    ADD COLUMN undoes uuid CONSTRAINT change_set_undoes_fk REFERENCES change_set (id);
ALTER TABLE building_lineage DROP CONSTRAINT building_lineage_operation_check,
    ADD CONSTRAINT building_lineage_operation_check CHECK (operation IN ('split', 'merge', 'rebuild', 'demolish', 'undo'));
CREATE INDEX change_set_undoes_btree ON change_set (undoes);
CREATE INDEX change_set_recorded_at_btree ON change_set (recorded_at);
CREATE INDEX building_name_trgm ON building USING gin (name gin_trgm_ops);
CREATE INDEX address_norm_text_trgm ON address USING gin (norm_text gin_trgm_ops);

CREATE TABLE code_gap (
	id BIGINT GENERATED ALWAYS AS IDENTITY,
	scheme TEXT NOT NULL,
	area TEXT NOT NULL,
	year SMALLINT NOT NULL,
	first_sequence BIGINT NOT NULL,
	last_sequence BIGINT NOT NULL,
	reason TEXT NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT code_gap_pk PRIMARY KEY (id),
	CONSTRAINT code_gap_order_check CHECK (last_sequence >= first_sequence)
);

CREATE INDEX code_gap_scheme_btree ON code_gap (scheme, area, year);

COMMENT ON TABLE code_gap IS 'Sequences that were skipped on purpose and will never be issued';

COMMENT ON COLUMN division.effective_from IS 'day the code came into force, where known';

COMMENT ON COLUMN division.effective_to IS 'day the code was withdrawn; empty = in force';

COMMENT ON COLUMN division.successor_code IS 'code that took its place, where one did';

COMMENT ON COLUMN building.attribute_sources IS 'attribute -> kind of source its value came from, where it is not the one of source_dataset';

COMMENT ON COLUMN division_history.effective_from IS 'day the code came into force, where known';

COMMENT ON COLUMN division_history.effective_to IS 'day the code was withdrawn; empty = in force';

COMMENT ON COLUMN division_history.successor_code IS 'code that took its place, where one did';

COMMENT ON COLUMN building_history.attribute_sources IS 'attribute -> kind of source its value came from, where it is not the one of source_dataset';

COMMENT ON COLUMN address_history.norm_text IS 'address folded for comparison: simplified characters, half width, no spaces';

COMMENT ON COLUMN address_history.components IS 'parsed components, GA/T 2000.32 names';

COMMENT ON COLUMN address_history.match_score IS 'confidence of the link to the building, 0-1';

COMMENT ON COLUMN address_history.match_evidence IS 'why the building was chosen';

CREATE TABLE attribute_authority (
	collection TEXT NOT NULL,
	attribute TEXT NOT NULL,
	source TEXT NOT NULL,
	rank SMALLINT NOT NULL,
	CONSTRAINT attribute_authority_pk PRIMARY KEY (collection, attribute, source),
	CONSTRAINT attribute_authority_rank_check CHECK (rank > 0),
	CONSTRAINT attribute_authority_source_check CHECK (source IN ('edit', 'completion', 'appraisal', 'bim', 'permit', 'census', 'change_detection', 'terrain'))
);

COMMENT ON TABLE attribute_authority IS 'One datum, one source: which kind of source decides an attribute';

COMMENT ON COLUMN attribute_authority.source IS 'kind of source';

COMMENT ON COLUMN attribute_authority.rank IS '1 is the authority; a higher number cannot overwrite a lower one';

COMMENT ON COLUMN change_set.operation IS 'ingest, edit, split, merge, demolish, rebuild, review, safety, undo, link';

COMMENT ON COLUMN change_set.source IS 'document, permit or survey that the change rests on';

COMMENT ON COLUMN change_set.project_code IS 'construction project, where the change belongs to one';

COMMENT ON COLUMN change_set.undoes IS 'change set that this one takes back';

COMMENT ON COLUMN address.norm_text IS 'address folded for comparison: simplified characters, half width, no spaces';

COMMENT ON COLUMN address.components IS 'parsed components, GA/T 2000.32 names';

COMMENT ON COLUMN address.match_score IS 'confidence of the link to the building, 0-1';

COMMENT ON COLUMN address.match_evidence IS 'why the building was chosen';

CREATE TABLE personal_data (
	id BIGINT GENERATED ALWAYS AS IDENTITY,
	building_code TEXT NOT NULL,
	field TEXT NOT NULL,
	ciphertext TEXT NOT NULL,
	dataset_id UUID NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT personal_data_pk PRIMARY KEY (id),
	CONSTRAINT personal_data_building_code_field_key UNIQUE (building_code, field),
	CONSTRAINT personal_data_building_code_fk FOREIGN KEY(building_code) REFERENCES building (code),
	CONSTRAINT personal_data_dataset_id_fk FOREIGN KEY(dataset_id) REFERENCES dataset (id)
);

COMMENT ON TABLE personal_data IS 'Personal data kept by order of a mapping profile, encrypted; no service reads this table';

COMMENT ON COLUMN personal_data.field IS 'name in the source, e.g. hzxm';

COMMENT ON COLUMN personal_data.ciphertext IS 'sm4gcm$<key id>$<nonce>$<ciphertext and tag>, base64';

COMMENT ON COLUMN building_lineage.operation IS 'split, merge, rebuild, demolish, undo';

CREATE TABLE review_case (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	dataset_id UUID NOT NULL,
	dataset_name TEXT NOT NULL,
	source_key TEXT NOT NULL,
	place TEXT NOT NULL,
	candidates JSONB NOT NULL,
	record JSONB NOT NULL,
	state TEXT DEFAULT 'open' NOT NULL,
	note TEXT,
	resolved_by UUID,
	resolved_at TIMESTAMP WITH TIME ZONE,
	geom geometry(MULTIPOLYGON,4490) NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT review_case_pk PRIMARY KEY (id),
	CONSTRAINT review_case_state_check CHECK (state IN ('open', 'matched', 'new', 'dismissed')),
	CONSTRAINT review_case_dataset_id_fk FOREIGN KEY(dataset_id) REFERENCES dataset (id),
	CONSTRAINT review_case_resolved_by_fk FOREIGN KEY(resolved_by) REFERENCES change_set (id)
);

CREATE INDEX review_case_geom_gist ON review_case USING gist (geom);

CREATE UNIQUE INDEX review_case_open_key ON review_case (dataset_name, source_key) WHERE state = 'open';

COMMENT ON TABLE review_case IS 'Survey records that may be one of several buildings, to be decided by a person';

COMMENT ON COLUMN review_case.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN review_case.source_key IS 'natural key of the record in its source';

COMMENT ON COLUMN review_case.place IS 'where in the source: layer, row';

COMMENT ON COLUMN review_case.candidates IS 'buildings it may be: code, iou, score, evidence; best first';

COMMENT ON COLUMN review_case.record IS 'mapped register values, as they would be written';

COMMENT ON COLUMN review_case.note IS 'reason of the decision';

COMMENT ON COLUMN review_case.resolved_by IS 'change set of the decision';

COMMENT ON COLUMN review_case.geom IS 'footprint of the record; EPSG:4490 (CGCS2000), longitude latitude [deg]';

CREATE TABLE attribute_conflict (
	id BIGINT GENERATED ALWAYS AS IDENTITY,
	collection TEXT NOT NULL,
	code TEXT NOT NULL,
	attribute TEXT NOT NULL,
	kept JSONB,
	kept_source TEXT NOT NULL,
	refused JSONB,
	refused_source TEXT NOT NULL,
	settled_by UUID,
	change_set_id UUID NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT attribute_conflict_pk PRIMARY KEY (id),
	CONSTRAINT attribute_conflict_settled_by_fk FOREIGN KEY(settled_by) REFERENCES change_set (id),
	CONSTRAINT attribute_conflict_change_set_id_fk FOREIGN KEY(change_set_id) REFERENCES change_set (id)
);

CREATE INDEX attribute_conflict_code_btree ON attribute_conflict (code, attribute);

CREATE UNIQUE INDEX attribute_conflict_open_key ON attribute_conflict (collection, code, attribute) WHERE settled_by IS NULL;

COMMENT ON TABLE attribute_conflict IS 'Values refused because a source with more authority has another one';

COMMENT ON COLUMN attribute_conflict.kept IS 'value that stays';

COMMENT ON COLUMN attribute_conflict.refused IS 'value of the source with less authority';

COMMENT ON COLUMN attribute_conflict.settled_by IS 'change set that settled it; empty = open';

CREATE TABLE safety_appraisal (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	building_code TEXT NOT NULL,
	grade TEXT NOT NULL,
	appraised_on DATE NOT NULL,
	valid_until DATE,
	appraiser TEXT NOT NULL,
	report_no TEXT,
	note TEXT,
	change_set_id UUID NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT safety_appraisal_pk PRIMARY KEY (id),
	CONSTRAINT safety_appraisal_grade_check CHECK (grade IN ('A', 'B', 'C', 'D')),
	CONSTRAINT safety_appraisal_validity_check CHECK (valid_until >= appraised_on),
	CONSTRAINT safety_appraisal_building_code_fk FOREIGN KEY(building_code) REFERENCES building (code),
	CONSTRAINT safety_appraisal_change_set_id_fk FOREIGN KEY(change_set_id) REFERENCES change_set (id)
);

CREATE INDEX safety_appraisal_building_code_btree ON safety_appraisal (building_code);

COMMENT ON TABLE safety_appraisal IS 'Appraisals of building safety; never deleted';

COMMENT ON COLUMN safety_appraisal.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN safety_appraisal.grade IS 'A safe, B locally affected, C local danger, D whole building dangerous';

COMMENT ON COLUMN safety_appraisal.appraiser IS 'appraising body';

CREATE TABLE safety_hazard (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	building_code TEXT NOT NULL,
	kind TEXT NOT NULL,
	level TEXT NOT NULL,
	description TEXT NOT NULL,
	found_by TEXT NOT NULL,
	found_on DATE NOT NULL,
	state TEXT DEFAULT 'found' NOT NULL,
	photos JSONB DEFAULT '[]'::jsonb NOT NULL,
	change_set_id UUID NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT safety_hazard_pk PRIMARY KEY (id),
	CONSTRAINT safety_hazard_state_check CHECK (state IN ('found', 'measures', 'eliminated', 'rechecked')),
	CONSTRAINT safety_hazard_level_check CHECK (level IN ('low', 'medium', 'high')),
	CONSTRAINT safety_hazard_building_code_fk FOREIGN KEY(building_code) REFERENCES building (code),
	CONSTRAINT safety_hazard_change_set_id_fk FOREIGN KEY(change_set_id) REFERENCES change_set (id)
);

CREATE INDEX safety_hazard_building_code_btree ON safety_hazard (building_code);

COMMENT ON TABLE safety_hazard IS 'Hazards found in buildings; never deleted, only closed';

COMMENT ON COLUMN safety_hazard.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN safety_hazard.kind IS 'structure, facade, fire, gas, electric, illegal_alteration, foundation, other';

COMMENT ON COLUMN safety_hazard.level IS 'low, medium, high';

COMMENT ON COLUMN safety_hazard.found_by IS 'census, inspection, report, sensor, or a body';

COMMENT ON COLUMN safety_hazard.state IS 'found, measures, eliminated, rechecked';

COMMENT ON COLUMN safety_hazard.photos IS 'names of photo files';

CREATE TABLE safety_hazard_step (
	id BIGINT GENERATED ALWAYS AS IDENTITY,
	hazard_id UUID NOT NULL,
	state TEXT NOT NULL,
	done_on DATE NOT NULL,
	done_by TEXT NOT NULL,
	note TEXT,
	change_set_id UUID NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT safety_hazard_step_pk PRIMARY KEY (id),
	CONSTRAINT safety_hazard_step_state_check CHECK (state IN ('found', 'measures', 'eliminated', 'rechecked')),
	CONSTRAINT safety_hazard_step_hazard_id_fk FOREIGN KEY(hazard_id) REFERENCES safety_hazard (id),
	CONSTRAINT safety_hazard_step_change_set_id_fk FOREIGN KEY(change_set_id) REFERENCES change_set (id)
);

CREATE INDEX safety_hazard_step_hazard_id_btree ON safety_hazard_step (hazard_id);

COMMENT ON TABLE safety_hazard_step IS 'Steps of a hazard: found, measures, eliminated, rechecked; never deleted';

COMMENT ON COLUMN safety_hazard_step.state IS 'state reached';

COMMENT ON COLUMN safety_hazard_step.note IS 'measures, result of the re-check';

CREATE TABLE safety_inspection (
	id UUID DEFAULT cim_uuid7() NOT NULL,
	building_code TEXT NOT NULL,
	inspected_on DATE NOT NULL,
	inspector TEXT NOT NULL,
	result TEXT NOT NULL,
	note TEXT,
	hazard_id UUID,
	change_set_id UUID NOT NULL,
	recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
	CONSTRAINT safety_inspection_pk PRIMARY KEY (id),
	CONSTRAINT safety_inspection_result_check CHECK (result IN ('no_finding', 'finding', 'not_accessible')),
	CONSTRAINT safety_inspection_building_code_fk FOREIGN KEY(building_code) REFERENCES building (code),
	CONSTRAINT safety_inspection_hazard_id_fk FOREIGN KEY(hazard_id) REFERENCES safety_hazard (id),
	CONSTRAINT safety_inspection_change_set_id_fk FOREIGN KEY(change_set_id) REFERENCES change_set (id)
);

CREATE INDEX safety_inspection_building_code_btree ON safety_inspection (building_code);

COMMENT ON TABLE safety_inspection IS 'Safety inspections of buildings; never deleted';

COMMENT ON COLUMN safety_inspection.id IS 'internal id, UUIDv7, immutable';

COMMENT ON COLUMN safety_inspection.result IS 'no_finding, finding, not_accessible';

COMMENT ON COLUMN safety_inspection.hazard_id IS 'hazard that it found or re-checked';
