-- in: none
-- out: document [jsonb: one model without its placement matrix]
SELECT jsonb_build_object(
    'code', code, 'name', name, 'building_code', building_code, 'stage', stage, 'discipline', discipline,
    'ifc_schema', ifc_schema, 'authoring_tool', authoring_tool, 'sha256', sha256, 'file_size_bytes', file_size_bytes,
    'n_elements', n_elements, 'georef_method', georef_method, 'georef_note', georef_note, 'projected_crs', projected_crs,
    'status', status, 'note', note, 'recorded_at', recorded_at
) AS document
FROM bim_model
ORDER BY code
