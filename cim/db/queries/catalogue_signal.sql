-- in: none
-- out: signal [text; equal = nothing was published, loaded, edited or removed in between]
-- index: change_event_pk
SELECT concat_ws(
    '/',
    (SELECT max(id) FROM change_event),
    (SELECT count(*) FROM change_set),
    (SELECT count(*) || ' ' || coalesce(max(loaded_at)::text, '') FROM dataset),
    (SELECT count(*) || ' ' || coalesce(max(recorded_at)::text, '') FROM bim_model),
    (SELECT count(*) || ' ' || coalesce(max(built_at)::text, '') FROM tileset),
    (SELECT max(updated_at)::text FROM city_profile)
) AS signal
