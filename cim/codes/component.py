"""Classes of municipal components after CJJ/T 106 and GB/T 30428.2: which part of a network gets a component code of which class."""

# Only 0101 is confirmed by a public source; the others follow common practice and can be overridden per profile.
COVERS = {
    "water": "0101", "sewage": "0102", "rainwater": "0103", "power": "0105", "lighting": "0106", "telecom": "0107", "heat": "0110",
    "gas": "0111",
}  # fmt: skip
_WELLS = ("MANHOLE", "VALVE_WELL", "METER_WELL", "HANDHOLE", "FIRE_WELL", "OVERFLOW", "DROP", "SEDIMENT_WELL", "FLUSH")
_ANY = {
    "GULLY": "0104", "HYDRANT": "0113", "LAMP": "0118", "TRANSFORMER": "0116", "SUBSTATION": "0116", "POLE": "0117",
    "TRAFFIC_SIGNAL": "0210", "BRIDGE": "0208", "FOOTBRIDGE": "0205", "VIADUCT": "0207",
    "BIN": "0305", "TOILET": "0301", "BUS_STOP": "0203", "SIGN": "0209",
}  # fmt: skip


def component_class(kind: str, part: str | None) -> str | None:
    """Return big and small class (4 digits) of a part of a network, None for parts that are no municipal component.

    Parameters
    ----------
    kind
        Kind of network.
    part
        Appendage of a point or feature of a line, e.g. MANHOLE.

    Examples
    --------
    >>> component_class("water", "VALVE_WELL"), component_class("water", "TEE")
    ('0101', None)
    """
    if part in _WELLS:
        return COVERS.get(kind)
    if part == "CABINET":
        return "0115" if kind == "telecom" else "0116"
    return _ANY.get(part or "")
