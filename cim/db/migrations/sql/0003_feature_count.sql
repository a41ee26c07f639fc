-- Rows per collection, kept by triggers: the exact total of a collection without counting it.

CREATE TABLE feature_count (
	id BIGINT GENERATED ALWAYS AS IDENTITY,
	collection TEXT NOT NULL,
	n BIGINT NOT NULL,
	CONSTRAINT feature_count_pk PRIMARY KEY (id)
);

CREATE INDEX feature_count_collection_btree ON feature_count (collection);

COMMENT ON TABLE feature_count IS 'Rows per collection: the sum of its entries; writers add entries and fold those nobody else holds';

COMMENT ON COLUMN feature_count.n IS 'rows added by this entry, negative for removed ones';

CREATE FUNCTION cim_add_count(wanted text, added bigint) RETURNS void LANGUAGE plpgsql AS $$
-- No writer waits for another one: entries that somebody else is folding are left alone.
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        INSERT INTO feature_count (collection, n) VALUES (wanted, added);
        RETURN;
    END IF;
    WITH seen AS (SELECT id FROM feature_count WHERE collection = wanted FOR UPDATE SKIP LOCKED),
         folded AS (DELETE FROM feature_count f USING seen WHERE f.id = seen.id RETURNING f.n)
    INSERT INTO feature_count (collection, n) SELECT wanted, added + coalesce(sum(n), 0)::bigint FROM folded;
END
$$;

CREATE FUNCTION cim_count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
-- Argument 0: collection id, or '-points' / '-lines' to be put behind the network kind.
DECLARE
    changed record;
    added bigint;
BEGIN
    IF TG_ARGV[0] LIKE '-%' THEN
        FOR changed IN EXECUTE 'SELECT kind, count(*) AS n FROM changed_rows GROUP BY kind' LOOP
            PERFORM cim_add_count(changed.kind || TG_ARGV[0], CASE TG_OP WHEN 'DELETE' THEN -changed.n ELSE changed.n END);
        END LOOP;
    ELSE
        SELECT count(*) INTO added FROM changed_rows;
        IF added > 0 THEN
            PERFORM cim_add_count(TG_ARGV[0], CASE TG_OP WHEN 'DELETE' THEN -added ELSE added END);
        END IF;
    END IF;
    RETURN NULL;
END
$$;

DO $$
DECLARE
    counted record;
BEGIN
    FOR counted IN SELECT * FROM (VALUES
        ('division', 'divisions'), ('building', 'buildings'), ('unit', 'units'), ('address', 'addresses'),
        ('network_node', '-points'), ('network_edge', '-lines')) AS t (name, collection)
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %I REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_count_rows(%L)', counted.name || '_count_insert', counted.name, counted.collection);
        EXECUTE format('CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_count_rows(%L)', counted.name || '_count_delete', counted.name, counted.collection);
    END LOOP;
END
$$;

INSERT INTO feature_count (collection, n)
SELECT 'divisions', count(*) FROM division UNION ALL SELECT 'buildings', count(*) FROM building
UNION ALL SELECT 'units', count(*) FROM unit UNION ALL SELECT 'addresses', count(*) FROM address
UNION ALL SELECT kind || '-points', count(*) FROM network_node GROUP BY kind
UNION ALL SELECT kind || '-lines', count(*) FROM network_edge GROUP BY kind;
