"""Statements with a subquery predicate: every predicate in every position, over every kind of subquery.

Each pair of a predicate and a position is used several times, with different tables of `duck_tables`. The other parts
(the subquery, the operator, the left side, the NULLs) are drawn from shuffled decks, so that all combinations of two
values are about equally frequent. Every run has the same statements, in SQL that DuckDB accepts.
"""

import dataclasses
import itertools
import random

import duck_tables

OPERATORS = ("=", "<>", "<", "<=", ">", ">=")

# The predicates over the left side and the subquery.
PREDICATES = {
    "IN": "{left} IN ({query})",
    "NOT IN": "{left} NOT IN ({query})",
    "ANY": "{left} {op} ANY ({query})",
    "ALL": "{left} {op} ALL ({query})",
    "EXISTS": "EXISTS ({query})",
    "NOT EXISTS": "NOT EXISTS ({query})",
    "scalar": "{left} {op} ({query})",
    "scalar on the left": "({query}) {op} {left}",
}

# The positions of the predicate {p}. {other} is a condition without a subquery, {second} one with another subquery.
# Some positions return the rows for which it is true, others its value for each row.
POSITIONS = {
    "WHERE": "SELECT {id} FROM {tables} WHERE {p}",
    "WHERE AND": "SELECT {id} FROM {tables} WHERE {other} AND {p}",
    "WHERE OR": "SELECT {id} FROM {tables} WHERE {other} OR {p}",
    "WHERE NOT": "SELECT {id} FROM {tables} WHERE NOT ({p})",
    "WHERE NOT AND": "SELECT {id} FROM {tables} WHERE NOT ({other} AND {p})",
    "WHERE NOT OR": "SELECT {id} FROM {tables} WHERE NOT ({other} OR {p})",
    "WHERE two AND": "SELECT {id} FROM {tables} WHERE {p} AND {second}",
    "WHERE two OR": "SELECT {id} FROM {tables} WHERE {second} OR {p}",
    "WHERE equal to another": "SELECT {id} FROM {tables} WHERE ({p}) = ({second})",
    "IS NULL": "SELECT {id} FROM {tables} WHERE ({p}) IS NULL",
    "IS NOT NULL": "SELECT {id} FROM {tables} WHERE ({p}) IS NOT NULL",
    "IS TRUE": "SELECT {id} FROM {tables} WHERE ({p}) IS TRUE",
    "IS NOT TRUE": "SELECT {id} FROM {tables} WHERE ({p}) IS NOT TRUE",
    "IS FALSE": "SELECT {id} FROM {tables} WHERE ({p}) IS FALSE",
    "WHERE coalesce": "SELECT {id} FROM {tables} WHERE coalesce({p}, true)",
    "WHERE CASE": "SELECT {id} FROM {tables} WHERE CASE WHEN {other} THEN true ELSE {p} END",
    "SELECT": "SELECT {id}, {p} AS p FROM {tables}",
    "SELECT NOT": "SELECT {id}, NOT ({p}) AS p FROM {tables}",
    "SELECT IS NULL": "SELECT {id}, ({p}) IS NULL AS p FROM {tables}",
    "SELECT AND, OR": "SELECT {id}, {other} AND {p} AS a, {other} OR {p} AS o FROM {tables}",
    "SELECT CASE": "SELECT {id}, CASE WHEN {p} THEN 1 ELSE 0 END AS p FROM {tables} WHERE {other}",
    "SELECT CASE NOT": "SELECT {id}, CASE WHEN {p} THEN 'yes' WHEN NOT ({p}) THEN 'no' ELSE 'unknown' END AS p"
    " FROM {tables}",
    "derived table": "SELECT d.a, d.p FROM (SELECT {id} AS a, {p} AS p FROM {tables}) d WHERE d.p IS NULL OR NOT d.p",
    "ORDER BY": "SELECT {id} FROM {tables} ORDER BY {p} NULLS FIRST, {id}",
    "ORDER BY CASE": "SELECT {id} FROM {tables} ORDER BY CASE WHEN {p} THEN 0 ELSE 1 END, {id}",
    "GROUP BY": "SELECT {p} AS p, count(*) AS n FROM {tables} GROUP BY {p}",
    "count": "SELECT count(*) AS n, count(CASE WHEN {p} THEN 1 END) AS p FROM {tables}",
    "count FILTER": "SELECT count(*) FILTER (WHERE {p}) AS n FROM {tables}",
    "JOIN ON": "SELECT {id}, j.n FROM {tables} JOIN (VALUES (1), (2)) j (n) ON {p} AND j.n > 1",
    "LEFT JOIN ON": "SELECT {id}, j.n FROM {tables} LEFT JOIN (VALUES (1), (2)) j (n) ON j.n > 1 AND {p}",
}

# Positions in HAVING, which can only use the key of a group.
HAVING = {
    "HAVING": "SELECT {key} AS k, count(*) AS n FROM {tables} GROUP BY {key} HAVING {p}",
    "HAVING OR": "SELECT {key} AS k, count(*) AS n FROM {tables} GROUP BY {key} HAVING count(*) > 2 OR {p}",
    "HAVING IS NULL": "SELECT {key} AS k, count(*) AS n FROM {tables} GROUP BY {key} HAVING ({p}) IS NULL",
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """A statement, and the parts that it is made of."""

    sql: str
    ordered: bool
    predicate: str
    position: str
    query: str
    left: str
    data: str


class Deck:
    """Deals all its cards in a random order, and then again. The order is the same in every run."""

    def __init__(self, name, cards):
        self._random = random.Random(name)
        self._cards = list(cards)
        self._left = []

    def deal(self):
        if not self._left:
            self._left = self._random.sample(self._cards, len(self._cards))
        return self._left.pop()


class Battery:
    def __init__(self):
        self._decks = {}

    def cells(self, times=1):
        """All statements, without duplicates; `times` multiplies those over the small tables."""
        pairs = itertools.product(PREDICATES, [*POSITIONS, *HAVING])
        found = [cell for pair in pairs for cell in self._pair(*pair, times)]
        return list({cell.sql: cell for cell in found}.values())

    def _pair(self, predicate, position, times):
        small, bare, join = duck_tables.SMALL
        account = [duck_tables.ACCOUNT[self._deal("account", range(len(duck_tables.ACCOUNT)))] for _ in range(2)]
        frames = [*[small] * 4, bare, join] * times + account
        return [self._cell(frame, predicate, position) for frame in frames]

    def _cell(self, frame, predicate, position):
        having = position in HAVING
        query = self._deal(f"query {frame.name} {having}", self._queries(frame, predicate, having))
        lefts = frame.grouped if having else frame.lefts
        left = self._deal(f"left {frame.name} {having} {predicate}", _first_more(lefts, 3))
        data = self._deal(f"data {frame.name} {predicate}", _first_more(frame.data, 4))
        op = self._deal(f"operator {predicate}", OPERATORS)
        sql = frame.queries[query].sql.format(x=frame.x, key=frame.key)
        shape = {**POSITIONS, **HAVING}[position]
        sql = shape.format(
            id=frame.id,
            key=frame.key,
            tables=frame.tables,
            other=self._deal(f"other {frame.name}", frame.others),
            second=self._deal(f"second {frame.name}", frame.seconds),
            p=PREDICATES[predicate].format(left=lefts[left], op=op, query=sql),
        )
        return Cell(
            sql=frame.data[data] + sql,
            ordered=position.startswith("ORDER BY"),
            predicate=predicate,
            position=position,
            query=query,
            left=left,
            data=f"{frame.name}, {data}",
        )

    def _queries(self, frame, predicate, having):
        """The subqueries that fit the predicate. Each set of subqueries has its own deck."""
        kept = frame.queries
        if having:
            kept = {name: query for name, query in kept.items() if "{x}" not in query.sql}
        if predicate.startswith("scalar"):
            kept = {name: query for name, query in kept.items() if query.one_row}
        if predicate in ("ANY", "ALL"):
            kept = {name: query for name, query in kept.items() if not query.open}
        return sorted(kept)

    def _deal(self, name, cards):
        cards = tuple(cards)
        return self._decks.setdefault((name, cards), Deck(f"{name} {cards}", cards)).deal()


def _first_more(cards, times):
    """The cards, with the first one repeated."""
    cards = list(cards)
    return [*cards, *itertools.repeat(cards[0], times - 1)]
