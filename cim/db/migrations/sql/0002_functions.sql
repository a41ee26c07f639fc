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

-- The outbox: one look at the change sets per statement instead of a foreign key per row.
ALTER TABLE change_event DROP CONSTRAINT change_event_change_set_id_fk;
DROP INDEX change_event_change_set_id_btree;
CREATE INDEX change_event_change_set_id_brin ON change_event USING brin (change_set_id) WITH (pages_per_range = 16, autosummarize = on);

CREATE OR REPLACE FUNCTION cim_emit_changes() RETURNS trigger LANGUAGE plpgsql AS $$
-- Argument 0: collection id, or '-points' / '-lines' to be put behind the network kind.
DECLARE
    collection text := CASE WHEN TG_ARGV[0] LIKE '-%' THEN 'kind || ' || quote_literal(TG_ARGV[0]) ELSE quote_literal(TG_ARGV[0]) END;
    keys text := CASE WHEN TG_TABLE_NAME LIKE 'network\_%' THEN 'o.kind = n.kind AND o.id = n.id' ELSE 'o.id = n.id' END;
    current uuid := nullif(current_setting('cim.change_set', true), '')::uuid;
    unknown uuid;
BEGIN
    IF TG_OP = 'INSERT' THEN
        EXECUTE 'INSERT INTO change_event (change_set_id, collection, code, action, bbox) '
             || 'SELECT coalesce(change_set_id, $1), ' || collection || ', code, ''create'', cim_box(geom) FROM new_rows' USING current;
    ELSIF TG_OP = 'UPDATE' THEN
        EXECUTE 'INSERT INTO change_event (change_set_id, collection, code, action, bbox) '
             || 'SELECT n.change_set_id, ' || replace(collection, 'kind', 'n.kind') || ', n.code, '
             || 'CASE WHEN n.status IN (''demolished'', ''retired'', ''abandoned'') AND n.status <> o.status THEN ''retire'' ELSE ''update'' END, '
             || 'CASE WHEN o.geom = n.geom THEN cim_box(n.geom) ELSE cim_box(ST_Collect(ST_Force2D(o.geom), ST_Force2D(n.geom))) END '
             || 'FROM old_rows o JOIN new_rows n ON ' || keys;
    ELSE
        EXECUTE 'INSERT INTO change_event (change_set_id, collection, code, action, bbox) '
             || 'SELECT coalesce($1, change_set_id), ' || collection || ', code, ''retire'', cim_box(geom) FROM old_rows' USING current;
        SELECT s.id INTO unknown FROM (SELECT DISTINCT coalesce(current, change_set_id) AS id FROM old_rows) s
        WHERE NOT EXISTS (SELECT 1 FROM change_set c WHERE c.id = s.id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        SELECT s.id INTO unknown FROM (SELECT DISTINCT coalesce(change_set_id, current) AS id FROM new_rows) s
        WHERE NOT EXISTS (SELECT 1 FROM change_set c WHERE c.id = s.id);
    END IF;
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION '%: change set % does not exist', TG_TABLE_NAME, unknown USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END
$$;
