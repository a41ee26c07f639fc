ALTER TABLE bim_mesh
	ALTER COLUMN shape_hash SET NOT NULL,
	ALTER COLUMN matrix SET NOT NULL,
	ADD CONSTRAINT bim_mesh_shape_hash_fk FOREIGN KEY(shape_hash) REFERENCES bim_shape (hash),
	DROP COLUMN vertices,
	DROP COLUMN faces,
	DROP COLUMN face_materials,
	DROP COLUMN colours;

CREATE INDEX bim_mesh_shape_hash_btree ON bim_mesh (shape_hash);

COMMENT ON TABLE bim_mesh IS 'Shapes of BIM elements, source of the BIM tiles';

COMMENT ON COLUMN bim_mesh.matrix IS 'row-major 3x4: shape to the model''s frame [m]';
