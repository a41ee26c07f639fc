"""Registry of code schemes: pattern, segments, check, explain. Codes are issued by the store (`cim.db.codes`)."""
