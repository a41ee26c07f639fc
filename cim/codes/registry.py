"""The registry of schemes, and which scheme a code belongs to."""

from cim.codes import building, national
from cim.codes.scheme import CodeScheme
from cim.errors import CodeError

SCHEMES: dict[str, CodeScheme] = {scheme.id: scheme for scheme in (building.BUILDING, building.UNIT, *national.ALL)}


def scheme(scheme_id: str) -> CodeScheme:
    """Return a scheme by id.

    Raises
    ------
    CodeError
        Unknown id; lists the known ones.
    """
    try:
        return SCHEMES[scheme_id]
    except KeyError:
        raise CodeError(f"code scheme {scheme_id!r} is unknown, expected one of {', '.join(SCHEMES)}") from None


def recognise(code: str) -> CodeScheme:
    """Return the scheme whose length a code has (every shipped scheme has a length of its own).

    Raises
    ------
    CodeError
        No scheme has this length.
    """
    for candidate in SCHEMES.values():
        if candidate.segments[-1].end == len(code):
            return candidate
    lengths = ", ".join(f"{s.segments[-1].end} ({s.id})" for s in SCHEMES.values())
    raise CodeError(f"code {code!r}: no scheme has {len(code)} characters, expected {lengths}")


def explain(code: str, chosen: CodeScheme | None = None) -> list[tuple[str, str, str, str]]:
    """Cut a code into words.

    Parameters
    ----------
    code
        The code.
    chosen
        Scheme, or None to recognise it by length.

    Returns
    -------
    list
        Rows (segment id, characters, English title, Chinese title).

    Raises
    ------
    CodeError
        No scheme has this length.
    """
    chosen = chosen or recognise(code)
    return [(segment.name, code[segment.start : segment.end], segment.title_en, segment.title_zh) for segment in chosen.segments]
