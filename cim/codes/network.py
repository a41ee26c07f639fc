"""Codes of points and lines of municipal networks (CIM-NET-v1): kind, county, letter, year, sequence."""

PREFIX = {
    "water": "WA", "rainwater": "RA", "sewage": "SE", "gas": "GA", "heat": "HE", "power": "PO", "lighting": "LI",
    "telecom": "TE", "road": "RO", "tunnel": "UT",
}  # fmt: skip
CODE_SCHEME = "CIM-NET-v1"
MAX_SEQUENCE = 9_999_999
POINT, LINE = "N", "L"
