"""Filter expressions to SQL: names from the allow-list of queryables, every value a bound parameter.

An instant is the interval from itself to itself, a date the instant its day begins in UTC; the relations are those of OGC 21-065r2,
clause 7.9. Division by zero is no value (NULL), so one odd row never fails a request.
"""

from collections.abc import Callable
from typing import Any

import shapely
from psycopg import sql as pg

from cim.cql2.tree import ARITHMETIC, ARRAY, COMPARISONS, SPATIAL, TEMPORAL, Fields, Node, Type
from cim.crs import STORE_SRID
from cim.db.catalog import Collection, FieldType
from cim.db.feature_sql import Condition

_TYPES: dict[FieldType, Type] = {
    "string": "string", "integer": "number", "number": "number", "boolean": "boolean", "date": "date", "date-time": "timestamp",
}  # fmt: skip
_CASTS: dict[Type, str] = {
    "string": "text", "number": "double precision", "boolean": "boolean", "date": "date", "timestamp": "timestamptz",
}  # fmt: skip
_SPATIAL = {
    "s_intersects": "ST_Intersects({0}, {1})", "s_equals": "ST_Equals({0}, {1})", "s_disjoint": "NOT ST_Intersects({0}, {1})",
    "s_touches": "ST_Touches({0}, {1})", "s_within": "ST_Within({0}, {1})", "s_overlaps": "ST_Overlaps({0}, {1})",
    "s_crosses": "ST_Crosses({0}, {1})", "s_contains": "ST_Contains({0}, {1})",
}  # fmt: skip
_TEMPORAL = {
    "t_after": "{s1} > {e2}", "t_before": "{e1} < {s2}", "t_contains": "{s1} < {s2} AND {e1} > {e2}",
    "t_disjoint": "{e1} < {s2} OR {s1} > {e2}", "t_during": "{s1} > {s2} AND {e1} < {e2}", "t_equals": "{s1} = {s2} AND {e1} = {e2}",
    "t_finishedby": "{s1} < {s2} AND {e1} = {e2}", "t_finishes": "{s1} > {s2} AND {e1} = {e2}",
    "t_intersects": "{s1} <= {e2} AND {e1} >= {s2}", "t_meets": "{e1} = {s2}", "t_metby": "{s1} = {e2}",
    "t_overlappedby": "{s1} > {s2} AND {s1} < {e2} AND {e1} > {e2}", "t_overlaps": "{s1} < {s2} AND {e1} > {s2} AND {e1} < {e2}",
    "t_startedby": "{s1} = {s2} AND {e1} > {e2}", "t_starts": "{s1} = {s2} AND {e1} < {e2}",
}  # fmt: skip
_ARRAY = {"a_equals": "{0} @> {1} AND {0} <@ {1}", "a_contains": "{0} @> {1}", "a_containedby": "{0} <@ {1}", "a_overlaps": "{0} && {1}"}
_ARITHMETIC = {
    "+": "({0} + {1})", "-": "({0} - {1})", "*": "({0} * {1})", "/": "({0}::float8 / nullif({1}, 0))",
    "%": "mod({0}::numeric, nullif({1}, 0)::numeric)::float8", "div": "trunc({0}::float8 / nullif({1}, 0))", "^": "power({0}, {1})",
}  # fmt: skip
_FUNCTIONS = {
    "lower": "lower({0})", "upper": "upper({0})", "length": "length({0})", "abs": "abs({0})", "floor": "floor({0})", "ceil": "ceil({0})",
    "year": "extract(year FROM {0}::timestamptz AT TIME ZONE 'UTC')::float8", "area_m2": "ST_Area({0}::geography)",
    "length_m": "ST_Length({0}::geography)", "s_dwithin": "ST_DWithin({0}::geography, {1}::geography, {2})",
}  # fmt: skip
_WHOLE = 2**53


def field_types(collection: Collection) -> Fields:
    """Return the queryables of a collection with their types; its geometry is ``geometry``."""
    return {**{one.name: _TYPES[one.type] for one in collection.queryables}, "geometry": "geometry"}


def compile_filter(node: Node, collection: Collection) -> Condition:
    """Return the condition of a typed tree over the columns of a collection.

    Parameters
    ----------
    node
        From `cim.cql2.parse.parse_filter` with `field_types` of this collection.
    """
    compiler = _Compiler(collection)
    statement = pg.SQL("({})").format(compiler.made(node))
    return Condition(statement, compiler.parameters, statement.as_string(None))


class _Compiler:
    def __init__(self, collection: Collection) -> None:
        self._columns = {one.name: pg.Identifier(one.name) for one in collection.queryables}
        self.parameters: dict[str, Any] = {}

    def made(self, node: Node) -> pg.Composable:
        kinds: tuple[tuple[tuple[str, ...], Callable[[Node], pg.Composable]], ...] = (
            (("property",), self._property),
            (("literal",), self._literal),
            (("and", "or", "not", "isnull", "negate"), self._logical),
            ((*COMPARISONS, *ARITHMETIC), self._binary),
            (("between", "in", "like"), self._predicate),
            (("casei", "accenti"), self._folded),
            (SPATIAL, lambda one: pg.SQL(_SPATIAL[one.op]).format(*map(self.made, one.args))),
            (TEMPORAL, self._temporal),
            (ARRAY, lambda one: pg.SQL("({})").format(pg.SQL(_ARRAY[one.op]).format(*map(self.made, one.args)))),
            (("array",), self._array),
            (tuple(_FUNCTIONS), lambda one: pg.SQL(_FUNCTIONS[one.op]).format(*map(self.made, one.args))),
        )
        return next(make for ops, make in kinds if node.op in ops)(node)

    def _bind(self, value: object, cast: str) -> pg.Composable:
        name = f"where{len(self.parameters)}"
        self.parameters[name] = value
        return pg.SQL("{}::{}").format(pg.Placeholder(name), pg.SQL(cast))

    def _property(self, node: Node) -> pg.Composable:
        return pg.Identifier("geom") if node.type == "geometry" else self._columns[node.value]

    def _literal(self, node: Node) -> pg.Composable:
        if node.type == "geometry":
            wkb = shapely.to_wkb(shapely.set_srid(node.value, STORE_SRID), include_srid=True)
            return pg.SQL("ST_GeomFromEWKB({})").format(self._bind(wkb, "bytea"))
        if node.type == "null":
            return pg.SQL("'-infinity'::timestamptz" if node.value == "-infinity" else "'infinity'::timestamptz")
        if node.type == "number" and float(node.value).is_integer() and abs(node.value) < _WHOLE:
            return self._bind(int(node.value), "bigint")
        return self._bind(float(node.value) if node.type == "number" else node.value, _CASTS[node.type])

    def _logical(self, node: Node) -> pg.Composable:
        args = [self.made(one) for one in node.args]
        if node.op == "not":
            return pg.SQL("(NOT {})").format(*args)
        if node.op == "isnull":
            return pg.SQL("({} IS NULL)").format(*args)
        if node.op == "negate":
            return pg.SQL("(- {})").format(*args)
        return pg.SQL("({})").format(pg.SQL(" AND " if node.op == "and" else " OR ").join(args))

    def _binary(self, node: Node) -> pg.Composable:
        if node.op in ARITHMETIC:
            # Whole numbers would be divided and raised as such: 7 / 2 is 3.5 in CQL2.
            args = [pg.SQL("{}::float8").format(self.made(one)) for one in node.args]
            return pg.SQL(_ARITHMETIC[node.op]).format(*args)
        left, right = (self._comparable(one, node) for one in node.args)
        return pg.SQL("({} {} {})").format(left, pg.SQL(node.op), right)

    def _comparable(self, one: Node, within: Node) -> pg.Composable:
        made = self.made(one)
        mixed = {arg.type for arg in within.args} == {"date", "timestamp"}
        return pg.SQL("{}::timestamptz").format(made) if mixed and one.type == "date" else made

    def _predicate(self, node: Node) -> pg.Composable:
        first, *rest = (self._comparable(one, node) for one in node.args)
        if node.op == "between":
            return pg.SQL("({} BETWEEN {} AND {})").format(first, *rest)
        if node.op == "like":
            return pg.SQL("({} LIKE {})").format(first, *rest)
        return pg.SQL("({} IN ({}))").format(first, pg.SQL(", ").join(rest))

    def _folded(self, node: Node) -> pg.Composable:
        inner = self.made(node.args[0])
        if node.op == "casei":
            return pg.SQL("""lower({} COLLATE "und-x-icu")""").format(inner)
        # Letters without their combining marks (Unicode blocks 0300-036F).
        return pg.SQL(r"""regexp_replace(normalize({}, NFD), '[\u0300-\u036F]', '', 'g')""").format(inner)

    def _temporal(self, node: Node) -> pg.Composable:
        ends: dict[str, pg.Composable] = {}
        for place, one in enumerate(node.args, 1):
            first, last = one.args if one.op == "interval" else (one, one)
            ends[f"s{place}"], ends[f"e{place}"] = (pg.SQL("{}::timestamptz").format(self.made(end)) for end in (first, last))
        return pg.SQL("({})").format(pg.SQL(_TEMPORAL[node.op]).format(**ends))

    def _array(self, node: Node) -> pg.Composable:
        members = [pg.SQL("{}::text").format(self.made(one)) for one in node.args]
        return pg.SQL("ARRAY[{}]::text[]").format(pg.SQL(", ").join(members))
