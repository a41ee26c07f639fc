"""Colours of the maps: by use for buildings, by kind for networks (after the usual colours of Chinese pipeline maps, CJJ/T 61)."""

USES: dict[str, str] = {
    "residential": "#f2c14e", "commercial": "#d1495b", "office": "#8d6cab", "education": "#edae49", "medical": "#e07a5f",
    "culture": "#c97b84", "sports": "#66a182", "hotel": "#b56576", "industrial": "#8d99ae", "storage": "#a5a58d",
    "transport": "#6d6875", "infrastructure": "#577590", "religious": "#9a8c98", "agricultural": "#90a955", "mixed": "#cb997e",
    "other": "#b8b8b8",
}  # fmt: skip
"""Use of a building: fill."""

UNKNOWN = "#c9ced3"

KINDS: dict[str, str] = {
    "water": "#0077ff", "rainwater": "#00b4a0", "sewage": "#8b5a2b", "gas": "#ff3ea5", "heat": "#ff8c00", "power": "#e01e1e",
    "lighting": "#d4b400", "telecom": "#1fa83c", "road": "#7a7f87", "tunnel": "#6f5fa8",
}  # fmt: skip
"""Kind of a network: line and point."""

OTHERS: dict[str, str] = {
    "divisions": "#5c677d", "units": "#bfa15a", "addresses": "#23395b", "bim-models": "#2a9d8f", "bim-storeys": "#52b69a",
    "bim-spaces": "#99d98c", "bim-elements": "#168aad", "city-objects": "#7f5539", "planning-controls": "#c1121f",
}  # fmt: skip


def colour_of(collection_id: str, kind: str | None) -> str:
    """Return the one colour of a collection."""
    if kind is not None:
        return KINDS.get(kind, UNKNOWN)
    return OTHERS.get(collection_id, "#3d7ea6")
