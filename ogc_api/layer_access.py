"""Who may see which 3D layer. Files of a layer mix places: a principal with a row filter gets tiles made for him instead."""

from cim.access import Principal
from cim.db.published import Tileset, fetch_visible_models
from cim.db.read_pool import ReadPool
from cim.errors import ForbiddenError

_WITHOUT_ROWS = ("terrain/", "imagery/")
"""Folders of the tile store with neither features nor codes."""


async def visible_layers(principal: Principal, pool: ReadPool, tilesets: tuple[Tileset, ...]) -> list[Tileset]:
    """Return the layers whose files a principal may read."""
    seen = [one for one in tilesets if principal.sees(one.collection)]
    if principal.scope is None:
        return seen
    models = await fetch_visible_models(pool, principal.scope)
    return [one for one in seen if one.kind == "bim" and one.layer.removeprefix("bim/") in models]


async def require_file(principal: Principal, pool: ReadPool, tilesets: tuple[Tileset, ...], path: str) -> None:
    """Refuse a file of the tile store that a restricted principal may not read.

    Raises
    ------
    ForbiddenError
        Its layer is not granted, or mixes rows inside and outside of the filter.
    """
    if not principal.is_restricted or path.startswith(_WITHOUT_ROWS):
        return
    if any(path.startswith(f"{one.layer}/") for one in await visible_layers(principal, pool, tilesets)):
        return
    hint = ""
    if principal.scope is not None and path.startswith("buildings/") and principal.sees("buildings"):
        hint = "take /3dtiles/buildings/live/tileset.json: tiles made of the buildings you may see"
    raise ForbiddenError(f"tile {path[:200]!r}: not among the layers of this token", hint=hint)
