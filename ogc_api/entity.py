"""Entity tags (RFC 9110, clause 8.8.3): strong tags of states, and comparing them."""

import hashlib


def tag_of(*parts: object) -> str:
    """Return the strong entity tag of a state."""
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}"'


def matches(header: str, tag: str) -> bool:
    """Return whether a tag is among those of an If-Match or If-None-Match header."""
    if not header:
        return False
    return header.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in header.split(",")]
