"""Vocabulary of networks: which parts are valves, sources, sinks, customers, and when nothing passes."""

GRAVITY = frozenset({"rainwater", "sewage"})
"""Kinds that flow to their sinks; the others flow from their sources."""
ELECTRIC = frozenset({"power", "lighting", "telecom"})
VALVES = frozenset({"VALVE", "VALVE_WELL", "GATE", "GATE_VALVE", "SWITCH", "CHECK_VALVE", "PRV"})
"""Points and lines that can be closed. A valve chamber (VALVE_WELL) holds the valve it is named for."""
SOURCES = frozenset(
    {"SOURCE", "RESERVOIR", "SOURCE_WELL", "TOWER", "TANK", "WATER_PLANT", "REG_STATION", "STATION", "SUBSTATION", "HEAT_PLANT"}
)
SINKS = frozenset({"OUTFALL", "OUTLET", "TREATMENT_PLANT"})
CUSTOMERS = frozenset({"CUSTOMER", "METER", "METER_WELL", "HOUSE_IN", "HOUSE_OUT", "WATER_CONNECTION"})


def shut_state(kind: str) -> str:
    """Return the state in which nothing passes: a valve is closed, a switch is open.

    Examples
    --------
    >>> shut_state("water"), shut_state("power")
    ('closed', 'open')
    """
    return "open" if kind in ELECTRIC else "closed"


REGULATORS = frozenset({"PUMP", "PRV", "REGULATOR", "COMPRESSOR", "REG_STATION", "REG_BOX", "TRANSFORMER"})
"""Points and lines that set another pressure (voltage) behind them."""
REGULATING_TYPES = frozenset({"PRV", "PSV", "PBV", "FCV"})
"""Valve types of a hydraulic model that do the same (EPANET 2.2 User Manual, [VALVES])."""
FLOW_METERS = frozenset({"METER", "METER_WELL", "FLOW_METER", "FLOWMETER"})
"""Points and lines where flow is measured; points on the way to a dead end are customers' and bound no metered district."""
HYDRANTS = frozenset({"HYDRANT", "FIRE_WELL"})
MOST_HYDRANTS = 5
"""Most hydrants in a segment between valves (GB 50974-2014, 8.1.4)."""
