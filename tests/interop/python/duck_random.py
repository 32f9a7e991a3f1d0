"""Random statements without subqueries: expressions of mixed types, alone and in unions, aggregates and windows.

The same seed gives the same statements. Semantics that differ between the engines are avoided:

- `/`: of two integers it is a DOUBLE in DuckDB and an integer in DataFusion, of DECIMALs a DOUBLE in DuckDB and a
  DECIMAL of a scale of its own in DataFusion. So one side is always a DOUBLE. `avg` of DECIMALs likewise.
- The type of a literal: 2.5 is a DECIMAL in DuckDB and a DOUBLE in DataFusion, 7 takes the width of what it meets in
  DuckDB and is a BIGINT in DataFusion. So every fraction is a multiple of 1/8, which both hold exactly, and the
  numbers are small enough that no type overflows.
- A cast to fewer digits: DuckDB rounds to an integer, DataFusion truncates.
- The default of `lag` and `lead`: DuckDB casts it to the column's type. So it is a value of that type, though it may
  be written as a literal of another type.
- Negative zero: DataFusion's `nullif`, `CASE x WHEN`, long IN lists and `rank` distinguish it from zero. So no expression
  returns it.
- The text of a DOUBLE, a DECIMAL and a TIMESTAMP, and how tightly `||` binds.
- The difference of two times: an INTERVAL or a duration.
- The order of NULLs, which is always written out.
"""

import dataclasses
import random
import re

COLUMNS = {
    "id": "BIGINT",
    "s": "SMALLINT",
    "i": "INT",
    "b": "BIGINT",
    "d": "DECIMAL(10,2)",
    "e": "DECIMAL(12,1)",
    "f": "DOUBLE",
    "x": "VARCHAR",
    "q": "BOOLEAN",
    "y": "DATE",
    "z": "TIMESTAMP",
}
VALUES = """\
(1, 3, 7, 700, 1.25, 0.5, 2.5, 'a', true, '2024-02-29', '2024-02-29 12:30:00'),
(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(3, -4, 9, -5, -2.75, 7.5, -0.5, 'b', false, '2023-12-31', '2023-12-31 23:59:59'),
(4, 1, NULL, 0, 4, 4, 4, 'a', NULL, '2024-02-29', NULL),
(5, NULL, 2, 2, NULL, 2, NULL, '', true, NULL, '1999-01-01 00:00:00'),
(6, 4, 4, 4, 4, -1, 4.125, 'ä', false, '2024-03-01', '2024-03-01 00:00:00')"""
# The same columns from the account's tables.
TABLES = {
    "images": (
        *("id", "min_disk_size % 10", "length(name)", "min_disk_size", "floor(size_gigabytes * 4) / CAST(4 AS DOUBLE)"),
        *("min_disk_size", "floor(size_gigabytes)", "distribution", "public", "created_at", "created_at"),
    ),
    "droplets": (
        *("id", "vcpus", "disk", "memory", "vcpus", "disk", "vcpus / CAST(8 AS DOUBLE)", "size_slug", "locked"),
        *("created_at", "created_at"),
    ),
    "image_actions WHERE image_id = 62137902": (
        *("id", "length(status)", "length(type)", "NULL", "length(region_slug)", "id % 7"),
        *("id % 9 / CAST(8 AS DOUBLE)", "region_slug", "status = 'completed'", "started_at", "completed_at"),
    ),
}


def _source(values, table):
    # Each has an alias, because DataFusion gives two casts of one column the same name.
    casts = ", ".join(f"CAST({value} AS {type}) AS {name}" for value, (name, type) in zip(values, COLUMNS.items()))
    return f"WITH t AS (SELECT {casts} FROM {table}) "


# Most statements read VALUES, which needs no request to the API.
SOURCES = [
    *[_source(COLUMNS, f"(VALUES {VALUES}) v ({', '.join(COLUMNS)})")] * 5,
    *[_source(values, table) for table, values in TABLES.items()],
]

# The grammar: the expansions of a name in braces. Two names with the same #number have the same expansion.
SHAPES = {
    "rows": ["SELECT id, {any} AS v, {any} AS w FROM t"],
    "names": ["SELECT id, CAST({exact#1} AS INT), CAST({exact#1} AS {wide}) FROM t", "SELECT {any}, {any} FROM t"],
    "filtered": ["SELECT id, {any} AS v FROM t WHERE {condition}"],
    "sorted": [
        "SELECT id, {any} AS v FROM t ORDER BY coalesce({number}, i) ASC NULLS FIRST, id",
        "SELECT id, {any} AS v FROM t ORDER BY nullif({number}, 4) DESC NULLS LAST, id",
    ],
    "union": [
        "SELECT {number} AS v FROM t {set#1} SELECT {literal} AS v",
        "SELECT {literal} AS v {set#1} SELECT {number} AS v FROM t",
        "SELECT {column} AS v FROM t {set#1} SELECT {number} AS v FROM t {set#1} SELECT {number} AS v FROM t",
        "SELECT NULL AS v FROM t {set#1} SELECT {number} AS v FROM t",
        "SELECT {time} AS v FROM t {set#1} SELECT {time} AS v FROM t",
        "SELECT {moment} AS v {set#1} SELECT {time} AS v FROM t {set#1} SELECT NULL AS v FROM t",
        "SELECT {text} AS v FROM t {set#1} SELECT {text} AS v FROM t {set#1} SELECT NULL",
    ],
    "grouped": ["SELECT {key#1} AS k, {aggregate} AS v, {aggregate} AS w FROM t GROUP BY {key#1}"],
    "ratio": [
        "SELECT x, CASE WHEN count({column}) = 0 THEN {zero}"
        " ELSE 1.0 * count(*) FILTER (WHERE {condition}) / count(*) END AS v FROM t GROUP BY x"
    ],
    "window": ["SELECT id, {window} AS v, {window} AS w FROM t"],
    "values": ["SELECT v.c, v.c + 1 AS d FROM (VALUES ({literal}), (NULL), ({literal}), ({literal})) v (c)"],
    "joined": [
        "SELECT l.id, r.id AS other, coalesce(l.{column#1}, r.{column#2}) AS v"
        " FROM t l {join} t r ON l.{column#1} = r.{column#2}"
    ],
}
GRAMMAR = {
    "any": ["{number}", "{number}", "{number}", "{condition}", "{text}", "{time}"],
    "number": [
        "{number_leaf}",
        "({number} + {number})",
        "({number} - {number})",
        "({number} * {factor})",
        "({number_leaf} - {number_leaf} * {literal} - {number_leaf})",
        "({number} / CAST({power} AS DOUBLE))",
        "({exact} % {divisor})",
        "CASE WHEN {condition} THEN {number} ELSE {number} END",
        "CASE WHEN {condition} THEN {number} WHEN {condition} THEN {number} END",
        "CASE {number_leaf} WHEN {number_leaf} THEN {number} ELSE {number} END",
        "coalesce({number}, {number})",
        "coalesce({column}, NULL, {number}, {literal})",
        "nullif({number}, {number})",
        "greatest({number}, {number})",
        "least({number}, {number})",
        "abs({number})",
        "floor({number})",
        "(ceil({number}) + 0)",
        "(0 - {number})",
        "CAST({number} AS DOUBLE)",
        "CAST({exact} AS {wide})",
        "CAST(({condition}) AS INT)",
        "length({text})",
        "extract({part} FROM {time})",
    ],
    "condition": [
        "{condition_leaf}",
        "{number} {compare} {number}",
        "{number} IS DISTINCT FROM {number}",
        "{number} IS NOT DISTINCT FROM {number}",
        "{number} IN ({literal}, {number_leaf}, {literal})",
        "{number} NOT IN ({literal}, NULL, {literal})",
        "{number} BETWEEN {number_leaf} AND {number_leaf}",
        "({condition} AND {condition})",
        "({condition} OR {condition})",
        "({condition_leaf} OR {condition} AND NOT {condition_leaf})",
        "q IS DISTINCT FROM true",
        "NOT ({condition})",
        "({condition}) IS {truth}",
        "{time} {compare} {time_leaf}",
        "{text} {compare} {text_leaf}",
        "x LIKE '%a'",
        "x NOT LIKE 'b%'",
    ],
    "text": [
        "{text_leaf}",
        "({text} || {text_leaf})",
        "upper({text})",
        "lower({text})",
        "substr({text}, 1, 2)",
        "CASE WHEN {condition} THEN {text} ELSE {text} END",
        "coalesce({text}, {text})",
        "nullif({text}, {text})",
        "CAST({exact} AS VARCHAR)",
        "CAST(q AS VARCHAR)",
        "CAST(y AS VARCHAR)",
    ],
    "time": [
        "{time_leaf}",
        "CASE WHEN {condition} THEN {time} ELSE {time} END",
        "coalesce({time}, {time})",
        "nullif({time_leaf}, {time_leaf})",
        "(CAST({time} AS TIMESTAMP) + INTERVAL '{period}')",
        "(CAST({time} AS TIMESTAMP) - INTERVAL '{period}')",
        "CAST({time} AS DATE)",
        "CAST({time} AS TIMESTAMP)",
    ],
    "aggregate": [
        "sum({number})",
        "avg(CAST({number} AS DOUBLE))",
        "min({number})",
        "max({number})",
        "count({number})",
        "count(DISTINCT {number})",
        "sum({number}) FILTER (WHERE {condition})",
        "coalesce(sum({number}), {literal})",
        "CASE WHEN count(*) > 1 THEN max({number}) ELSE {literal} END",
        "min({time})",
        "max({text})",
        "count(*) + {literal}",
    ],
    "window": [
        "{lag}({lagged}) OVER ({partition}{order})",
        "coalesce({lag}({number}) OVER ({partition}{order}), {literal})",
        "sum({number}) OVER ({partition}{order}{frame})",
        "avg(CAST({number} AS DOUBLE)) OVER ({partition}{order}{frame})",
        "min({number}) OVER ({partition}{order}{frame})",
        "count({number}) OVER ({partition}{order}{frame})",
        "first_value({number}) OVER ({partition}{order}{frame})",
        "last_value({number}) OVER ({partition}{order}{frame})",
        "row_number() OVER ({partition}{order})",
        "rank() OVER ({partition}ORDER BY {number} NULLS LAST)",
        "dense_rank() OVER ({partition}ORDER BY {number} NULLS FIRST)",
        "sum({number#1}) OVER ({partition}) - {number#1}",
    ],
}
# The terminals. GRAMMAR's names are also expanded to terminals (`_leaf`) at the maximum depth.
WORDS = {
    "number_leaf": ["{literal}", "{column}"],
    "condition_leaf": ["q", "s > 2", "x = 'a'", "i IS NULL", "f <= 2.5", "y > DATE '2024-01-01'"],
    "text_leaf": ["x", "x", "'a'", "'zz'", "''"],
    "time_leaf": ["y", "z", "{moment}"],
    "moment": ["DATE '2024-02-29'", "TIMESTAMP '2024-02-29 06:00:00'"],
    "literal": [
        *("0", "1", "2", "-3", "4", "2.5", "-0.5", "0.125", "4.0", "CAST(2 AS SMALLINT)", "CAST(4 AS INT)"),
        *("CAST(5 AS BIGINT)", "CAST(2.25 AS DECIMAL(6,2))", "CAST(7 AS DECIMAL(4,0))", "CAST(0.5 AS DOUBLE)"),
        "CAST('3' AS SMALLINT)",
    ],
    "column": ["s", "i", "b", "d", "e", "f"],
    "exact": ["s", "i", "b"],
    "wide": ["BIGINT", "DECIMAL(14,3)", "DOUBLE"],
    "zero": ["0", "NULL", "0.0", "CAST(-1 AS SMALLINT)"],
    "power": ["2", "4", "8"],
    "factor": ["2", "4", "2.5", "0.125", "CAST(3 AS SMALLINT)", "CAST(2.25 AS DECIMAL(6,2))"],
    "divisor": ["3", "-4", "CAST(5 AS SMALLINT)"],
    "part": ["year", "month", "day"],
    "period": ["1 day", "2 months", "90 minutes"],
    "compare": ["=", "<>", "<", "<=", ">", ">="],
    "truth": ["NULL", "NOT NULL", "TRUE", "NOT TRUE", "FALSE"],
    "set": ["UNION ALL", "UNION ALL", "UNION", "INTERSECT", "EXCEPT"],
    "join": ["JOIN", "LEFT JOIN", "FULL JOIN"],
    "key": ["q", "x", "s > 2", "y", "coalesce(s, i)"],
    "lag": ["lag", "lead"],
    "lagged": [
        *("f, 1, 0", "f, 2, 2.5", "b, 1, CAST(7 AS SMALLINT)", "i, 1, 5", "d, 2, 1", "d, 1, CAST(2.5 AS DECIMAL(4,1))"),
        *("e, 1, CAST(3 AS BIGINT)", "s, 2, 0", "CAST(s AS DOUBLE), 1, 0.5", "b, 1, 4.0", "i, 1, NULL", "x, 1, 'none'"),
    ],
    "partition": ["", "PARTITION BY q ", "PARTITION BY x "],
    "order": ["ORDER BY id", "ORDER BY id DESC"],
    "frame": [
        "",
        " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
        " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    ],
}


@dataclasses.dataclass(frozen=True)
class Statement:
    sql: str
    ordered: bool
    shape: str


def statements(seed, count):
    """`count` statements, the same number of each shape."""
    shapes = [list(SHAPES)[number % len(SHAPES)] for number in range(count)]
    return [_statement(random.Random(f"{seed} {number}"), shape) for number, shape in enumerate(shapes)]


def _statement(dice, shape):
    text = _expanded(dice, dice.choice(SHAPES[shape]), depth=3)
    return Statement(dice.choice(SOURCES) + text, shape == "sorted", shape)


def _expanded(dice, text, depth):
    """The text with all names expanded, with at most `depth` nested expansions of GRAMMAR."""
    chosen = {}

    def replace(match):
        name, again = match.groups()
        if again and (name, again) in chosen:
            return chosen[name, again]
        return chosen.setdefault((name, again or len(chosen)), _drawn(dice, name, depth))

    return re.sub(r"\{(\w+)(#\d)?\}", replace, text)


def _drawn(dice, name, depth):
    if depth <= 0 and f"{name}_leaf" in WORDS:
        name = f"{name}_leaf"
    productions = GRAMMAR.get(name) or WORDS[name]
    return _expanded(dice, dice.choice(productions), depth - (name in GRAMMAR))
