-- in: none
-- out: document [jsonb, no row before a profile is stored]
SELECT document FROM city_profile
