-- Totals of city objects and planning zones; parts of a city object by index. Frozen.

CREATE INDEX city_object_parent_code_btree ON city_object (parent_code);

DO $$
DECLARE
    counted record;
BEGIN
    FOR counted IN SELECT * FROM (VALUES
        ('city_object', 'city-objects'), ('planning_control', 'planning-controls')) AS t (name, collection)
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %I REFERENCING NEW TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_count_rows(%L)', counted.name || '_count_insert', counted.name, counted.collection);
        EXECUTE format('CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS changed_rows FOR EACH STATEMENT EXECUTE FUNCTION cim_count_rows(%L)', counted.name || '_count_delete', counted.name, counted.collection);
    END LOOP;
END
$$;

INSERT INTO feature_count (collection, n)
SELECT 'city-objects', count(*) FROM city_object UNION ALL SELECT 'planning-controls', count(*) FROM planning_control;
