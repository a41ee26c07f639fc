-- in: none
-- out: kind, name, licence, provider, is_synthetic [newest version of each dataset]
SELECT DISTINCT ON (kind, name) kind, name, licence, provider, is_synthetic
FROM dataset
ORDER BY kind, name, version DESC
