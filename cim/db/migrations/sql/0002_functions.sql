-- As-of reads, append-only tables, default authority of sources.

CREATE FUNCTION cim_make_as_of(versioned regclass) RETURNS void LANGUAGE plpgsql AS $$
-- Makes <table>_as_of(moment): the rows as they stood at a moment. Called again by any migration that adds a column.
DECLARE
    name text := (SELECT relname FROM pg_class WHERE oid = versioned);
    columns text;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_attribute WHERE attrelid = versioned AND attnum > 0 AND NOT attisdropped;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION %1$I(moment timestamptz) RETURNS SETOF %2$s LANGUAGE sql STABLE PARALLEL SAFE AS $body$
            SELECT %3$s FROM %2$s WHERE valid_from <= moment
            UNION ALL
            SELECT %3$s FROM %4$I WHERE valid_from <= moment AND valid_to > moment
        $body$', name || '_as_of', versioned, columns, name || '_history');
END
$$;

SELECT cim_make_as_of(t::regclass)
FROM unnest(ARRAY['division', 'building', 'unit', 'address', 'network_node', 'network_edge']) AS t;

CREATE FUNCTION cim_never_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: rows are never deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['safety_appraisal', 'safety_hazard', 'safety_hazard_step', 'safety_inspection', 'building_lineage',
                                'code_gap', 'change_set'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE DELETE OR TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION cim_never_delete()',
                       kept || '_never_delete', kept);
    END LOOP;
END
$$;

-- Geometry and physical facts: as-built papers before models before surveys; a grade comes from an appraisal only.
INSERT INTO attribute_authority (collection, attribute, source, rank)
SELECT 'buildings', attribute, source, rank
FROM unnest(ARRAY['geom', 'height_m', 'storeys_above', 'storeys_below', 'floor_area_m2', 'structure', 'year_built']) AS attribute,
     unnest(ARRAY['edit', 'completion', 'bim', 'permit', 'census', 'change_detection']) WITH ORDINALITY AS s (source, rank)
UNION ALL
SELECT 'buildings', attribute, source, rank
FROM unnest(ARRAY['name', 'address', 'use', 'status']) AS attribute,
     unnest(ARRAY['edit', 'completion', 'census', 'permit', 'bim', 'change_detection']) WITH ORDINALITY AS s (source, rank)
UNION ALL
SELECT 'buildings', 'safety_grade', source, rank
FROM unnest(ARRAY['appraisal', 'edit', 'census']) WITH ORDINALITY AS s (source, rank);
