"""What a code scheme is: a pattern cut into segments, and a check."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from cim.errors import CodeError


@dataclass(frozen=True)
class Segment:
    """One part of a code.

    Parameters
    ----------
    name
        English id.
    start, end
        Half-open character range, 0-based.
    title_en, title_zh
        Words for people.
    """

    name: str
    start: int
    end: int
    title_en: str
    title_zh: str


@dataclass(frozen=True)
class CodeScheme:
    """A named layout of codes.

    Parameters
    ----------
    id
        Name kept in ``code_scheme`` columns, e.g. ``CIM-BC27-v1``.
    title_en, title_zh
        Words for people.
    pattern
        Regular expression of a full code.
    segments
        Parts in order.
    check
        Function body -> check characters, or None where the scheme has no check.
    n_check
        Number of check characters at the end.
    issued
        Whether the store issues codes of this scheme.
    source
        Standard and clause.
    """

    id: str
    title_en: str
    title_zh: str
    pattern: str
    segments: tuple[Segment, ...]
    check: Callable[[str], str] | None
    n_check: int
    issued: bool
    source: str

    def verify(self, code: str) -> None:
        """Check a code.

        Raises
        ------
        CodeError
            Wrong length, a character out of place, or a wrong check digit; says which and what was expected.
        """
        length = self.segments[-1].end
        if len(code) != length:
            raise CodeError(f"code {code!r}: found {len(code)} characters, {self.id} has {length}")
        if not re.fullmatch(self.pattern, code):
            raise CodeError(f"code {code!r}: does not match {self.id} ({self.pattern})", hint=f"cim codes explain {code}")
        if self.check is not None:
            body, found = code[: -self.n_check], code[-self.n_check :]
            expected = self.check(body)
            if found != expected:
                raise CodeError(
                    f"code {code!r}: check digit is {found}, expected {expected} for {body}",
                    hint="one digit is wrong or two digits are swapped; compare with the source document",
                )

    def split(self, code: str) -> dict[str, str]:
        """Cut a code into its segments, unchecked."""
        return {segment.name: code[segment.start : segment.end] for segment in self.segments}
