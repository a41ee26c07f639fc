-- Functions and triggers of the first schema version.

CREATE FUNCTION cim_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    -- RFC 9562, section 5.7: 48 bits of Unix milliseconds over a random UUID, version bits set to 7.
    SELECT encode(
        set_bit(set_bit(overlay(
            uuid_send(gen_random_uuid())
            PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
        ), 52, 1), 53, 1), 'hex')::uuid
$$;

CREATE FUNCTION cim_mod11_2(body text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    -- ISO/IEC 7064 MOD 11-2: weights 2^(i+1) mod 11 from the right, period 10.
    SELECT substr('10X98765432', 1 + (
        sum(substr(body, length(body) - i, 1)::int * (ARRAY[2, 4, 8, 5, 10, 9, 7, 3, 6, 1])[1 + i % 10]) % 11
    )::int, 1)
    FROM generate_series(0, length(body) - 1) AS i
$$;

CREATE FUNCTION cim_keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
-- Statement level, so that bulk updates cost one insert. Argument 0: name of the history table.
DECLARE
    columns text;
    keys text := CASE WHEN TG_TABLE_NAME LIKE 'network\_%' THEN 'o.kind = n.kind AND o.id = n.id' ELSE 'o.id = n.id' END;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_attribute WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped;
    IF TG_OP = 'UPDATE' THEN
        EXECUTE format(
            'INSERT INTO %I (%s, valid_to, retired_by) SELECT %s, n.valid_from, n.change_set_id FROM old_rows o JOIN new_rows n ON %s',
            TG_ARGV[0], columns, (SELECT string_agg('o.' || quote_ident(attname), ', ' ORDER BY attnum)
                                  FROM pg_attribute WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped), keys);
    ELSE
        EXECUTE format(
            'INSERT INTO %I (%s, valid_to, retired_by) SELECT %s, now(), nullif(current_setting(''cim.change_set'', true), '''')::uuid FROM old_rows o',
            TG_ARGV[0], columns, columns);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION cim_box(g geometry) RETURNS geometry LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN g IS NULL THEN NULL
                ELSE ST_MakeEnvelope(ST_XMin(g), ST_YMin(g), ST_XMax(g), ST_YMax(g), 4490) END
$$;

CREATE FUNCTION cim_emit_changes() RETURNS trigger LANGUAGE plpgsql AS $$
-- Argument 0: collection id, or '-points' / '-lines' to be put behind the network kind.
DECLARE
    collection text := CASE WHEN TG_ARGV[0] LIKE '-%' THEN 'kind || ' || quote_literal(TG_ARGV[0]) ELSE quote_literal(TG_ARGV[0]) END;
    keys text := CASE WHEN TG_TABLE_NAME LIKE 'network\_%' THEN 'o.kind = n.kind AND o.id = n.id' ELSE 'o.id = n.id' END;
    owner text := 'coalesce(change_set_id, nullif(current_setting(''cim.change_set'', true), '''')::uuid)';
BEGIN
    IF TG_OP = 'INSERT' THEN
        EXECUTE 'INSERT INTO change_event (change_set_id, collection, code, action, bbox) '
             || 'SELECT ' || owner || ', ' || collection || ', code, ''create'', cim_box(geom) FROM new_rows';
    ELSIF TG_OP = 'UPDATE' THEN
        EXECUTE 'INSERT INTO change_event (change_set_id, collection, code, action, bbox) '
             || 'SELECT n.change_set_id, ' || replace(collection, 'kind', 'n.kind') || ', n.code, '
             || 'CASE WHEN n.status IN (''demolished'', ''retired'', ''abandoned'') AND n.status <> o.status THEN ''retire'' ELSE ''update'' END, '
             || 'cim_box(ST_Collect(ST_Force2D(o.geom), ST_Force2D(n.geom))) FROM old_rows o JOIN new_rows n ON ' || keys;
    ELSE
        EXECUTE 'INSERT INTO change_event (change_set_id, collection, code, action, bbox) '
             || 'SELECT coalesce(nullif(current_setting(''cim.change_set'', true), '''')::uuid, change_set_id), '
             || collection || ', code, ''retire'', cim_box(geom) FROM old_rows';
    END IF;
    RETURN NULL;
END
$$;

DO $$
DECLARE
    versioned record;
BEGIN
    FOR versioned IN SELECT * FROM (VALUES
        ('division', 'divisions'), ('building', 'buildings'), ('unit', 'units'), ('address', 'addresses'),
        ('network_node', '-points'), ('network_edge', '-lines')) AS t (name, collection)
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON %I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_keep_history(%L)', versioned.name || '_history_update', versioned.name, versioned.name || '_history');
        EXECUTE format('CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_keep_history(%L)', versioned.name || '_history_delete', versioned.name, versioned.name || '_history');
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %I REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_emit_changes(%L)', versioned.name || '_event_insert', versioned.name, versioned.collection);
        EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON %I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_emit_changes(%L)', versioned.name || '_event_update', versioned.name, versioned.collection);
        EXECUTE format('CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_emit_changes(%L)', versioned.name || '_event_delete', versioned.name, versioned.collection);
    END LOOP;
END
$$;
