"""EPANET and SWMM models with the present state of their parts: the file as received, only what changed in the store is rewritten.

Curves, patterns, controls, rain and comments stay as they are, and so does every value that the store still has.

Sources: EPANET 2.2 User Manual, appendix C; Storm Water Management Model User's Manual 5.2, appendix D.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
_US = {"CFS", "GPM", "MGD", "IMGD", "AFD"}
_FOOT_M, _INCH_MM = 0.3048, 25.4
_NODE_SECTIONS = {
    "JUNCTIONS", "RESERVOIRS", "TANKS", "DEMANDS", "EMITTERS", "QUALITY", "SOURCES", "MIXING", "COORDINATES", "OUTFALLS", "STORAGE",
    "DIVIDERS", "INFLOWS", "DWF", "RDII",
}  # fmt: skip
_LINK_SECTIONS = {
    "PIPES", "PUMPS", "VALVES", "STATUS", "VERTICES", "CONDUITS", "ORIFICES", "WEIRS", "OUTLETS", "XSECTIONS", "LOSSES", "LEAKAGE",
}  # fmt: skip
_TOPOLOGY = {"PIPES", "PUMPS", "VALVES", "CONDUITS", "ORIFICES", "WEIRS", "OUTLETS"}


@dataclass
class Written:
    """A model as written.

    Parameters
    ----------
    text
        The .inp file.
    changed
        Parts whose values differ from the file as received.
    removed
        Parts that are out of use.
    mentioned
        Removed parts that controls or rules still name: the engine will refuse them.
    """

    text: str
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    mentioned: list[str] = field(default_factory=list)


def _lines(text: str) -> Iterator[tuple[str, str, list[str]]]:
    section = ""
    for line in text.splitlines():
        words = line.partition(";")[0].split()
        if words and words[0].startswith("["):
            section = words[0].strip("[]").upper()
            words = []
        yield section, line, words


def _option(text: str, name: str, default: str) -> str:
    found = re.search(rf"(?im)^\s*{name}\s+([\w-]+)", text)
    return found.group(1).upper() if found else default


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


class _Editor:
    """Replaces words of one line, leaving what is the same."""

    def __init__(self, line: str, words: list[str]) -> None:
        self.words, self._line, self._told, self.is_changed = list(words), line, line.partition(";")[2], False

    def number(self, at: int, value: float | None, *, factor: float = 1.0) -> None:
        """Set a number, given in the units of the store, where it differs by more than the store's rounding (0.1 mm)."""
        old = _number(self.words[at]) if at < len(self.words) else None
        if value is None or old is None:
            return
        value /= factor
        if abs(value - old) > 1e-4 / factor + 1e-6 * abs(old):
            self.words[at] = f"{value:.10g}"
            self.is_changed = True

    def word(self, at: int, value: str) -> None:
        self.words += ["0"] * (at - len(self.words))
        self.words[at:] = [value, *self.words[at + 1 :]]
        self.is_changed = True

    def text(self) -> str:
        if not self.is_changed:
            return self._line
        return " " + "\t".join(self.words) + (f"\t;{self._told}" if self._told else "")


def _gone(text: str, nodes: Mapping[str, Row], edges: Mapping[str, Row]) -> tuple[set[str], set[str]]:
    out_nodes = {key for key, row in nodes.items() if row["status"] == "abandoned"}
    out_links = {key for key, row in edges.items() if row["status"] == "abandoned"}
    for section, _, words in _lines(text):
        if section in _TOPOLOGY and len(words) > 2 and {words[1], words[2]} & out_nodes:
            out_links.add(words[0])
    return out_nodes, out_links


def write_epanet(text: str, nodes: Mapping[str, Row], edges: Mapping[str, Row]) -> Written:
    """Return an EPANET model with the state of the store.

    Parameters
    ----------
    text
        The file as received.
    nodes, edges
        Source key → elevation_m, status; diameter_mm, roughness, length_m (None = not told), state, status.
    """
    units = _option(text, "UNITS", "GPM")
    metre, milli = (_FOOT_M, _INCH_MM) if units in _US else (1.0, 1.0)
    rough = metre if _option(text, "HEADLOSS", "H-W") == "D-W" else 1.0
    out_nodes, out_links = _gone(text, nodes, edges)
    status = {words[0]: words[1].upper() for section, _, words in _lines(text) if section == "STATUS" and len(words) > 1}
    made, moved = Written(""), dict[str, str]()
    lines: list[tuple[str, str]] = []
    for section, line, words in _lines(text):
        if not words:
            lines.append((section, line))
            continue
        key, edit = words[0], _Editor(line, words)
        if (section in _NODE_SECTIONS and key in out_nodes) or (section in _LINK_SECTIONS and key in out_links):
            continue
        if section == "JUNCTIONS" and key in nodes:
            edit.number(1, nodes[key]["elevation_m"], factor=metre)
        elif section in ("PIPES", "PUMPS", "VALVES") and key in edges:
            row = edges[key]
            if section == "PIPES":
                edit.number(3, row["length_m"], factor=metre)
                edit.number(4, row["diameter_mm"], factor=milli)
                edit.number(5, row["roughness"], factor=rough)
            elif section == "VALVES":
                edit.number(3, row["diameter_mm"], factor=milli)
            inline = words[7].upper() if section == "PIPES" and len(words) > 7 else "OPEN"
            was_shut, is_shut = status.get(key, inline) == "CLOSED", row["state"] == "closed"
            if was_shut != is_shut and inline != "CV":
                moved[key] = "CLOSED" if is_shut else "OPEN"
                if section == "PIPES":
                    edit.word(7, moved[key])
        if edit.is_changed or key in moved:
            made.changed.append(key)
        lines.append((section, edit.text()))
    return _finish(made, _restate(lines, moved), out_nodes, out_links)


def _restate(lines: list[tuple[str, str]], moved: Mapping[str, str]) -> list[tuple[str, str]]:
    """Put new states into [STATUS], in the place of old ones."""
    kept = [(section, line) for section, line in lines if not (section == "STATUS" and line.split() and line.split()[0] in moved)]
    rows = [("STATUS", f" {key}\t{word}") for key, word in moved.items()]
    if not rows:
        return kept
    heads = [i for i, (_, line) in enumerate(kept) if line.strip().upper() == "[STATUS]"]
    end = next((i for i, (_, line) in enumerate(kept) if line.strip().upper() == "[END]"), len(kept))
    if heads:
        return [*kept[: heads[0] + 1], *rows, *kept[heads[0] + 1 :]]
    return [*kept[:end], ("STATUS", "[STATUS]"), *rows, ("", ""), *kept[end:]]


def write_swmm(text: str, nodes: Mapping[str, Row], edges: Mapping[str, Row]) -> Written:
    """Return a SWMM model with the state of the store; parameters as `write_epanet`."""
    metre = _FOOT_M if _option(text, "FLOW_UNITS", "CFS") in _US else 1.0
    out_nodes, out_links = _gone(text, nodes, edges)
    made, lines = Written(""), list[tuple[str, str]]()
    for section, line, words in _lines(text):
        if not words:
            lines.append((section, line))
            continue
        key, edit = words[0], _Editor(line, words)
        if (section in _NODE_SECTIONS and key in out_nodes) or (section in _LINK_SECTIONS and key in out_links):
            continue
        if section in ("JUNCTIONS", "OUTFALLS", "STORAGE", "DIVIDERS") and key in nodes:
            edit.number(1, nodes[key]["elevation_m"], factor=metre)
        elif section == "CONDUITS" and key in edges:
            edit.number(3, edges[key]["length_m"], factor=metre)
            edit.number(4, edges[key]["roughness"])
        elif section == "XSECTIONS" and key in edges and words[1].upper() in ("CIRCULAR", "FORCE_MAIN", "FILLED_CIRCULAR"):
            edit.number(2, edges[key]["diameter_mm"], factor=metre * 1000)
        if edit.is_changed:
            made.changed.append(key)
        lines.append((section, edit.text()))
    return _finish(made, lines, out_nodes, out_links)


def _finish(made: Written, lines: list[tuple[str, str]], out_nodes: set[str], out_links: set[str]) -> Written:
    made.removed = sorted(out_nodes | out_links)
    told = {word for section, line in lines if section in ("CONTROLS", "RULES") for word in line.split()}
    made.mentioned = sorted((out_nodes | out_links) & told)
    made.text = "\n".join(line for _, line in lines) + "\n"
    return made
