"""CQL2 text and JSON to the typed tree; everything a client can get wrong is said here, before the store is asked."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import cql2
import orjson
import shapely

from cim.cql2.tree import ARITHMETIC, ARRAY, COMPARISONS, FUNCTIONS, SPATIAL, TEMPORAL, Fields, Node, Type
from cim.errors import InvalidParameterError

MAX_LENGTH = 60_000
MAX_DEPTH = 60
MAX_NODES = 4_000
_SHAPES = {"Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection"}
_OPEN = ".."

Place = Callable[[Any], Any]
"""Brings a geometry of the filter's CRS to the store CRS (lon/lat)."""


def parse_filter(text: str, language: str, fields: Fields, place: Place) -> Node:
    """Read a filter expression.

    Parameters
    ----------
    text
        The expression.
    language
        ``cql2-text`` or ``cql2-json``.
    fields
        Queryables with their types.
    place
        Brings geometries to the store CRS.

    Raises
    ------
    InvalidParameterError
        Not an expression, a name that is no queryable or function, types that do not fit, or too large.

    Examples
    --------
    >>> parse_filter("height_m > 30", "cql2-text", {"height_m": "number"}, lambda shape: shape).op
    '>'
    """
    if len(text) > MAX_LENGTH:
        raise _wrong(text, f"at most {MAX_LENGTH} characters")
    document = _from_text(text) if language == "cql2-text" else _from_json(text)
    node = _Builder(fields, place, text).build(document, 0)
    if node.type != "boolean":
        raise _wrong(text, "an expression that is true or false")
    return node


def _wrong(text: object, expected: str) -> InvalidParameterError:
    return InvalidParameterError("filter", str(text)[:120], expected)


def _from_text(text: str) -> Any:  # noqa: ANN401 - any JSON value
    # The parser is recursive: nesting is bounded before it is called.
    deepest = depth = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH or text.upper().count("NOT") > MAX_DEPTH * 4 or text.count("-") > MAX_NODES or "\x00" in text:
        raise _wrong(text, f"at most {MAX_DEPTH} nested brackets and no NUL characters")
    try:
        return cql2.parse_text(text).to_json()
    except (cql2.ParseError, ValueError, RecursionError) as error:
        where = next((line.strip() for line in str(error).splitlines() if "-->" in line), "")
        raise _wrong(text, f"CQL2 text, e.g. height_m > 30 AND use = 'office' {where}".strip()) from error


def _from_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _wrong(text, f'CQL2 JSON, e.g. {{"op":">","args":[{{"property":"height_m"}},30]}} ({error})') from error


class _Builder:
    def __init__(self, fields: Fields, place: Place, text: str) -> None:
        self._fields = fields
        self._place = place
        self._text = text
        self._n = 0

    def build(self, document: Any, depth: int) -> Node:  # noqa: ANN401 - any JSON value
        self._n += 1
        if depth > MAX_DEPTH or self._n > MAX_NODES:
            raise _wrong(self._text, f"at most {MAX_DEPTH} levels and {MAX_NODES} parts")
        if isinstance(document, bool):
            return Node("literal", "boolean", value=document)
        if isinstance(document, int | float):
            if not math.isfinite(document):
                raise _wrong(document, "finite numbers")
            return Node("literal", "number", value=document)
        if isinstance(document, str):
            if "\x00" in document:
                raise _wrong(document, "text without NUL characters")
            return Node("literal", "string", value=document)
        if isinstance(document, list):
            return Node("array", "array", tuple(self.build(one, depth + 1) for one in document))
        if not isinstance(document, dict):
            raise _wrong(document, "a CQL2 expression")
        return self._object(document, depth)

    def _object(self, document: dict[str, Any], depth: int) -> Node:
        if "op" in document:
            args = document.get("args")
            if not isinstance(document["op"], str) or not isinstance(args, list):
                raise _wrong(document, "op and args")
            return self._operation(document["op"].lower(), args, depth)
        if "property" in document:
            return self._property(document["property"])
        for name in ("date", "timestamp"):
            if name in document:
                return _instant(document[name], name)
        if "interval" in document:
            return self._interval(document["interval"], depth)
        if "bbox" in document:
            return self._box(document["bbox"])
        if document.get("type") in _SHAPES:
            return self._geometry(document)
        raise _wrong(document, "a CQL2 expression")

    def _property(self, name: object) -> Node:
        if not isinstance(name, str) or name not in self._fields:
            raise _wrong(name, f"one of the queryables {', '.join(self._fields)}")
        return Node("property", self._fields[name], value=name)

    def _operation(self, op: str, args: list[Any], depth: int) -> Node:
        made = tuple(self.build(one, depth + 1) for one in args)
        if op in {"and", "or"}:
            _count(op, made, 2, None)
            return Node(op, "boolean", tuple(_need(one, "boolean", op) for one in made))
        if op == "not":
            _count(op, made, 1)
            return Node(op, "boolean", (_need(made[0], "boolean", op),))
        if op == "isnull":
            _count(op, made, 1)
            return Node(op, "boolean", made)
        if op in COMPARISONS:
            _count(op, made, 2)
            return Node(op, "boolean", _alike(op, made))
        if op in {"between", "in", "like"}:
            return _predicate(op, made)
        if op in ARITHMETIC:
            return _arithmetic(op, made)
        if op in {"casei", "accenti"}:
            _count(op, made, 1)
            return Node(op, "string", (_need(made[0], "string", op),))
        if op in SPATIAL:
            _count(op, made, 2)
            return Node(op, "boolean", tuple(_need(one, "geometry", op) for one in made))
        if op in TEMPORAL:
            _count(op, made, 2)
            return Node(op, "boolean", tuple(_need_time(one, op) for one in made))
        if op in ARRAY:
            _count(op, made, 2)
            return Node(op, "boolean", tuple(_need(one, "array", op) for one in made))
        if op in FUNCTIONS:
            function = FUNCTIONS[op]
            _count(op, made, len(function.arguments))
            return Node(op, function.returns, tuple(_need(one, kind, op) for one, kind in zip(made, function.arguments, strict=True)))
        raise _wrong(op, f"an operator of CQL2 or one of the functions {', '.join(FUNCTIONS)}")

    def _interval(self, ends: Any, depth: int) -> Node:  # noqa: ANN401 - any JSON value
        if not isinstance(ends, list) or len(ends) != 2:
            raise _wrong(ends, "an interval of two instants")
        made = []
        for place, end in enumerate(ends):
            if end == _OPEN:
                made.append(Node("literal", "null", value="-infinity" if place == 0 else "infinity"))
            elif isinstance(end, str):
                made.append(_instant(end, "timestamp" if "T" in end.upper() else "date"))
            else:
                made.append(_need_time(self.build(end, depth + 1), "interval"))
        first, last = made
        if first.op == last.op == "literal" and "null" not in (first.type, last.type) and _moment(first) > _moment(last):
            raise _wrong(ends, "an interval whose start is before its end")
        return Node("interval", "interval", (first, last))

    def _box(self, numbers: Any) -> Node:  # noqa: ANN401 - any JSON value
        if (
            not isinstance(numbers, list)
            or len(numbers) not in {4, 6}
            or not all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in numbers)
        ):
            raise _wrong(numbers, "a box of 4 or 6 numbers")
        half = len(numbers) // 2
        west, south, east, north = numbers[0], numbers[1], numbers[half], numbers[half + 1]
        if south > north:
            raise _wrong(numbers, "a box with low before high")
        if west > east:
            shape = shapely.multipolygons([shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)])
        else:
            shape = shapely.box(west, south, east, north)
        return Node("literal", "geometry", value=self._placed(shape, numbers))

    def _geometry(self, document: dict[str, Any]) -> Node:
        try:
            shape = shapely.from_geojson(orjson.dumps(document).decode())
        except (shapely.errors.GEOSException, TypeError, ValueError) as error:
            raise _wrong(document, f"a geometry ({error})") from error
        if shape is None or shapely.is_empty(shape) or not shapely.is_valid(shape):
            raise _wrong(document, f"a valid geometry ({shapely.is_valid_reason(shape)})")
        return Node("literal", "geometry", value=self._placed(shapely.force_2d(shape), document))

    def _placed(self, shape: Any, sent: object) -> Any:  # noqa: ANN401 - shapely geometry
        made = self._place(shape)
        places = shapely.get_coordinates(made)
        if not (abs(places[:, 0]) <= 180.0).all() or not (abs(places[:, 1]) <= 90.0).all():
            raise _wrong(sent, "a geometry inside the area of use of filter-crs, in its axis order")
        return made


def _count(op: str, args: tuple[Node, ...], least: int, most: int | None = 0) -> None:
    if len(args) < least or (most is not None and len(args) != least):
        raise _wrong(f"{op} with {len(args)} arguments", f"{least}{' or more' if most is None else ''}")


def _need(node: Node, wanted: Type, op: str) -> Node:
    if node.type == wanted:
        return node
    if wanted == "timestamp" and node.type in ("date", "string"):
        return _need_time(node, op) if node.op == "literal" or node.type == "date" else _mismatch(node, wanted, op)
    return _mismatch(node, wanted, op)


def _mismatch(node: Node, wanted: str, op: str) -> Node:
    raise _wrong(f"{op}: {node.value if node.value is not None else node.op} ({node.type})", f"{wanted} there")


def _need_time(node: Node, op: str) -> Node:
    if node.type in ("date", "timestamp", "interval"):
        return node
    if node.op == "literal" and node.type == "string":
        return _instant(node.value, "timestamp" if "T" in node.value.upper() else "date")
    return _mismatch(node, "a date, timestamp or interval", op)


def _alike(op: str, args: tuple[Node, ...]) -> tuple[Node, ...]:
    """Bring the operands of a comparison to one type: texts next to dates are read as dates."""
    types = {one.type for one in args}
    if types & {"date", "timestamp"}:
        args = tuple(_need_time(one, op) for one in args)
        types = {one.type for one in args}
        if types == {"date", "timestamp"}:
            types = {"timestamp"}
    if len(types) != 1 or types & {"geometry", "interval", "array"} or (types == {"boolean"} and op not in {"=", "<>"}):
        raise _wrong(f"{' '.join(sorted(one.type for one in args))} {op}", "operands of one type that can be compared")
    return args


def _predicate(op: str, args: tuple[Node, ...]) -> Node:
    if op == "between":
        _count(op, args, 3)
        made = _alike(op, args)
        if made[0].type not in ("number", "date", "timestamp"):
            raise _wrong(op, "numbers or dates")
        return Node(op, "boolean", made)
    _count(op, args, 2)
    if op == "like":
        text, pattern = (_need(one, "string", op) for one in args)
        inner = pattern
        while inner.op in {"casei", "accenti"}:
            inner = inner.args[0]
        if inner.op != "literal" or (inner.value.endswith("\\") and (len(inner.value) - len(inner.value.rstrip("\\"))) % 2):
            raise _wrong(inner.value, "a pattern in quotes that does not end with a single backslash")
        return Node(op, "boolean", (text, pattern))
    if args[1].op != "array" or not args[1].args:
        raise _wrong(op, "a list with at least one value")
    made = _alike("=", (args[0], *args[1].args))
    return Node(op, "boolean", made)


def _arithmetic(op: str, args: tuple[Node, ...]) -> Node:
    if op == "-" and len(args) == 1:
        return Node("negate", "number", (_need(args[0], "number", op),))
    if op == "*" and len(args) == 2 and args[0].op == "literal" and args[0].value == -1:
        return Node("negate", "number", (_need(args[1], "number", op),))
    _count(op, args, 2)
    return Node(op, "number", tuple(_need(one, "number", op) for one in args))


def _instant(text: object, kind: str) -> Node:
    expected = "a date such as 2024-01-01" if kind == "date" else "an instant such as 2024-01-01T00:00:00Z"
    if not isinstance(text, str):
        raise _wrong(text, expected)
    try:
        if kind == "date":
            return Node("literal", "date", value=date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _wrong(text, expected) from error
    if moment.tzinfo is None:
        raise _wrong(text, f"{expected}, with a time zone")
    try:
        return Node("literal", "timestamp", value=moment.astimezone(UTC))
    except OverflowError as error:
        raise _wrong(text, expected) from error


def _moment(node: Node) -> datetime:
    if isinstance(node.value, datetime):
        return node.value
    return datetime(node.value.year, node.value.month, node.value.day, tzinfo=UTC)
