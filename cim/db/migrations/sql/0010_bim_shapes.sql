CREATE TABLE bim_shape (
	hash TEXT NOT NULL,
	step_m FLOAT NOT NULL,
	points BYTEA NOT NULL,
	faces BYTEA NOT NULL,
	face_materials BYTEA NOT NULL,
	colours BYTEA NOT NULL,
	CONSTRAINT bim_shape_pk PRIMARY KEY (hash)
);

COMMENT ON TABLE bim_shape IS 'Triangle meshes that BIM elements have, each once';

COMMENT ON COLUMN bim_shape.hash IS 'of the content, hexadecimal: equal shapes are kept once, whatever the model';

COMMENT ON COLUMN bim_shape.step_m IS 'length of a step [m]';

COMMENT ON COLUMN bim_shape.points IS 'little-endian int32 x, y, z, steps from the middle of the shape';

COMMENT ON COLUMN bim_shape.faces IS 'little-endian int32 vertex indices, three per triangle';

COMMENT ON COLUMN bim_shape.face_materials IS 'little-endian int32 per triangle: index into colours, -1 none';

COMMENT ON COLUMN bim_shape.colours IS 'little-endian float32 r, g, b, a per material, 0-1';

CREATE TABLE bim_definition (
	key TEXT NOT NULL,
	shape_hash TEXT NOT NULL,
	matrix DOUBLE PRECISION[] NOT NULL,
	CONSTRAINT bim_definition_pk PRIMARY KEY (key),
	CONSTRAINT bim_definition_shape_hash_fk FOREIGN KEY(shape_hash) REFERENCES bim_shape (hash) ON DELETE CASCADE
);

CREATE INDEX bim_definition_shape_hash_btree ON bim_definition (shape_hash);

COMMENT ON TABLE bim_definition IS 'Shapes by what defines them in a file: what was meshed once is never meshed again';

COMMENT ON COLUMN bim_definition.key IS 'hash of what decides a shape in the file, hexadecimal';

COMMENT ON COLUMN bim_definition.matrix IS 'row-major 3x4: shape to the element''s own frame [m]';


ALTER TABLE bim_mesh ADD COLUMN shape_hash TEXT, ADD COLUMN matrix DOUBLE PRECISION[];
