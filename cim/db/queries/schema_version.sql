-- in: none
-- out: version_num [text]
SELECT version_num FROM alembic_version
