-- in: none
-- out: newest event id, number of change sets
-- index: change_event_pk
SELECT coalesce((SELECT max(id) FROM change_event), 0), (SELECT count(*) FROM change_set)
