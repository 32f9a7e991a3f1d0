"""Statements that are large, or that become large while they are planned."""


def statements():
    """Name and SQL of each statement."""
    digits = ", ".join(str(n) for n in range(30))
    columns = ", ".join(f"value AS c{n}" for n in range(30))
    names = ", ".join(f"c{n}" for n in range(30))
    series = "generate_series(1, 10)"

    yield "spaces", "SELECT 1" + " " * 15_000_000
    yield "spaces-below-limit", "SELECT 1" + " " * 1_000_000
    yield "comment", "SELECT 1 /*" + "x" * 1_000_000 + "*/"
    yield "comment-nested", "/*" * 100_000 + "*/" * 100_000 + "SELECT 1"
    yield "text", f"SELECT '{'x' * 1_000_000}'"
    yield "quotes", f"SELECT '{chr(39) * 1_000_000}'"
    yield "open-quote", "SELECT '" + "x" * 1_000_000
    yield "identifier", f'SELECT "{"x" * 1_000_000}"'
    yield "digits", "SELECT " + "1" * 1_000_000
    yield "digits-after-point", "SELECT 0." + "1" * 1_000_000
    yield "nul-bytes", "SELECT 1" + "\0" * 100_000
    yield "semicolons", ";" * 1_000_000
    yield "many-statements", "SELECT 1;" * 100_000
    yield "columns-20000", "SELECT " + ", ".join(f"{n} AS c{n}" for n in range(20_000))
    yield "columns-2000", "SELECT " + ", ".join(f"value AS c{n}" for n in range(2_000)) + f" FROM {series}"
    yield "columns-1500", "SELECT " + ", ".join(f"{n} AS c{n}" for n in range(1_500))
    yield "columns-of-sums", "SELECT " + ", ".join(f"value + {n} AS c{n}" for n in range(1_500)) + f" FROM {series}"
    yield "stars-1000", "SELECT " + ", ".join(["*"] * 1_000) + f" FROM {series}"
    yield "stars-of-images", "SELECT " + ", ".join(["*"] * 1_000) + " FROM images"
    yield "stars-doubled", doubled("SELECT *, a.* FROM {} a", 20)
    yield "comma-joins-500", "SELECT count(*) FROM " + ", ".join(f"{series} t{n}" for n in range(500))
    yield "comma-joins-60", "SELECT count(*) FROM " + ", ".join(f"{series} t{n}" for n in range(60))
    yield "comma-joins-of-images", "SELECT count(*) FROM " + ", ".join(f"images t{n}" for n in range(60))
    yield "joins-in-a-chain", f"SELECT count(*) FROM {series} t0" + "".join(
        f" JOIN {series} t{n} ON t{n}.value = t{n - 1}.value" for n in range(1, 90)
    )
    yield "natural-joins", f"SELECT count(*) FROM {series} t0" + "".join(f" NATURAL JOIN {series} t{n}" for n in range(1, 90))
    yield "full-joins-using", f"SELECT count(*) FROM {series} t0" + "".join(
        f" FULL JOIN {series} t{n} USING (value)" for n in range(1, 60)
    )
    yield "with-doubled-20", with_doubled("SELECT * FROM {0} UNION ALL SELECT * FROM {0}", 20)
    yield "with-joined-20", with_doubled("SELECT a.value FROM {0} a JOIN {0} b ON a.value = b.value", 20)
    yield "with-in-20", with_doubled("SELECT value FROM {0} WHERE value IN (SELECT value FROM {0})", 20)
    yield "with-scalar-20", with_doubled("SELECT value + (SELECT max(value) FROM {0}) AS value FROM {0}", 20)
    yield "with-tenfold-10", with_doubled(" UNION ALL ".join(["SELECT * FROM {0}"] * 10), 10)
    yield "with-1000-members", "WITH " + ", ".join(f"m{n} AS (SELECT {n})" for n in range(1_000)) + " SELECT * FROM m0"
    yield "with-chain-1000", "WITH m0 AS (SELECT 1 AS x), " + ", ".join(
        f"m{n} AS (SELECT x + 1 AS x FROM m{n - 1})" for n in range(1, 1_000)
    ) + " SELECT * FROM m999"
    yield "with-nested", doubled("WITH m AS (SELECT * FROM {0}) SELECT * FROM m", 200)
    yield "cube-30", f"SELECT {names}, count(*) FROM (SELECT {columns} FROM {series}) GROUP BY CUBE ({names})"
    yield "cube-12", f"SELECT count(*) FROM (SELECT {columns} FROM {series}) GROUP BY CUBE ({', '.join(f'c{n}' for n in range(12))})"
    yield "rollup-1000", "SELECT count(*) FROM generate_series(1, 10) GROUP BY ROLLUP (" + ", ".join(f"value + {n}" for n in range(1_000)) + ")"
    yield "grouping-sets-product", "SELECT count(*) FROM generate_series(1, 10) GROUP BY " + ", ".join(
        f"GROUPING SETS ((value + {n}), (value + {n + 100}))" for n in range(30)
    )
    yield "grouping-sets-5000", "SELECT count(*) FROM generate_series(1, 10) GROUP BY GROUPING SETS (" + ", ".join(
        f"(value + {n})" for n in range(5_000)
    ) + ")"
    yield "cube-nested", doubled(f"SELECT max(value) AS value FROM {{}} GROUP BY CUBE ({', '.join(f'value + {n}' for n in range(10))})", 5)
    yield "group-by-1000", "SELECT count(*) FROM generate_series(1, 10) GROUP BY " + ", ".join(f"value + {n}" for n in range(1_000))
    yield "order-by-1000", "SELECT value FROM generate_series(1, 10) ORDER BY " + ", ".join(f"value + {n}" for n in range(1_000))
    yield "partition-by-1000", "SELECT count(*) OVER (PARTITION BY " + ", ".join(f"value + {n}" for n in range(1_000)) + f") FROM {series}"
    yield "windows-500", "SELECT " + ", ".join(f"sum(value) OVER (PARTITION BY value % {n + 1})" for n in range(500)) + f" FROM {series}"
    yield "aggregates-500", "SELECT " + ", ".join(f"sum(value + {n})" for n in range(500)) + f" FROM {series}"
    yield "aggregates-1000", "SELECT " + ", ".join(f"sum(value + {n})" for n in range(1_000)) + f" FROM {series}"
    yield "distinct-aggregates-100", "SELECT " + ", ".join(f"count(DISTINCT value + {n})" for n in range(100)) + f" FROM {series}"
    yield "plus-chain-300", "SELECT " + " + ".join(["value"] * 300) + f" FROM {series}"
    yield "plus-chain-900", "SELECT " + " + ".join(["value"] * 900) + f" FROM {series}"
    yield "plus-chain-100000", "SELECT " + " + ".join(["1"] * 100_000)
    yield "minus-chain-900", "SELECT " + " - ".join(["value"] * 900) + f" FROM {series}"
    yield "times-chain-900", "SELECT " + " * ".join(["value"] * 900) + f" FROM {series}"
    yield "float-chain-900", "SELECT " + " + ".join(["CAST(value AS DOUBLE)"] * 900) + f" FROM {series}"
    yield "decimal-chain-300", "SELECT " + " * ".join(["CAST(value AS DECIMAL(10, 2))"] * 300) + f" FROM {series}"
    yield "concat-chain-1000", "SELECT " + " || ".join(["'a'"] * 1_000)
    yield "concat-chain-of-column", "SELECT " + " || ".join(["CAST(value AS TEXT)"] * 900) + f" FROM {series}"
    yield "and-chain-5000", f"SELECT count(*) FROM {series} WHERE " + " AND ".join(f"value <> {n}" for n in range(5_000))
    yield "or-chain-5000", f"SELECT count(*) FROM {series} WHERE " + " OR ".join(f"value = {n}" for n in range(5_000))
    yield "or-of-ands", f"SELECT count(*) FROM {series} WHERE " + " OR ".join(f"(value > {n} AND value < {n + 2})" for n in range(2_000))
    yield "and-of-ors", f"SELECT count(*) FROM {series} WHERE " + " AND ".join(f"(value > {n} OR value < {n + 2})" for n in range(2_000))
    yield "or-of-image-ids", "SELECT count(*) FROM images WHERE " + " OR ".join(f"id = {n}" for n in range(5_000))
    yield "not-chain", "SELECT " + "NOT " * 100_000 + "true"
    yield "minus-signs", "SELECT " + "- " * 100_000 + "1"
    yield "parentheses", "SELECT " + "(" * 100_000 + "1" + ")" * 100_000
    yield "brackets", "SELECT " + "[" * 10_000 + "1" + "]" * 10_000
    yield "subqueries-deep", "SELECT * FROM " + "(SELECT * FROM " * 1_000 + series + ")" * 1_000
    yield "subqueries-150", doubled("SELECT value + 1 AS value FROM {}", 150)
    yield "exists-deep", doubled("SELECT 1 AS value WHERE EXISTS {}", 40)
    yield "scalar-deep", "SELECT " + "(SELECT " * 200 + "1" + ")" * 200
    yield "scalar-500", "SELECT " + ", ".join(f"(SELECT max(value) + {n} FROM {series})" for n in range(500))
    yield "in-list-50000", f"SELECT count(*) FROM {series} WHERE value IN (" + ", ".join(str(n) for n in range(50_000)) + ")"
    yield "in-list-of-texts", f"SELECT count(*) FROM {series} WHERE CAST(value AS TEXT) IN (" + ", ".join(f"'{n}'" for n in range(50_000)) + ")"
    yield "in-list-of-columns", f"SELECT count(*) FROM {series} WHERE value IN (" + ", ".join(f"value + {n}" for n in range(2_000)) + ")"
    yield "in-list-of-image-ids", "SELECT count(*) FROM images WHERE id IN (" + ", ".join(str(n) for n in range(50_000)) + ")"
    yield "not-in-image-ids", "SELECT count(*) FROM images WHERE id NOT IN (" + ", ".join(str(n) for n in range(50_000)) + ")"
    yield "values-50000", "SELECT count(*) FROM (VALUES " + ", ".join(f"({n})" for n in range(50_000)) + ")"
    yield "values-2000-wide", "SELECT count(*) FROM (VALUES " + ", ".join(["(" + digits + ")"] * 1_900) + ")"
    yield "values-wide", "SELECT count(*) FROM (VALUES " + ", ".join(["(" + digits + ")"] * 3_000) + ")"
    yield "values-of-expressions", "SELECT count(*) FROM (VALUES " + ", ".join(f"({n} + {n} * 2)" for n in range(20_000)) + ")"
    yield "union-all-50", " UNION ALL ".join([f"SELECT value FROM {series}"] * 50)
    yield "union-all-5000", " UNION ALL ".join(["SELECT 1"] * 5_000)
    yield "union-90", " UNION ".join([f"SELECT value FROM {series}"] * 90)
    yield "except-90", " EXCEPT ".join([f"SELECT value FROM {series}"] * 90)
    yield "intersect-90", " INTERSECT ".join([f"SELECT value FROM {series}"] * 90)
    yield "case-5000", "SELECT CASE " + " ".join(f"WHEN value = {n} THEN {n + 1}" for n in range(5_000)) + f" END FROM {series}"
    yield "case-nested", f"SELECT {nested('CASE WHEN value > {n} THEN {n} ELSE ', 'value', ' END', 300)} FROM {series}"
    yield "coalesce-nested", f"SELECT {nested('coalesce(nullif(value, {n}), ', 'value', ')', 300)} FROM {series}"
    yield "functions-nested", f"SELECT {nested('abs(', 'value', ')', 300)} FROM {series}"
    yield "functions-nested-10000", f"SELECT {nested('abs(', 'value', ')', 10_000)} FROM {series}"
    yield "casts-nested", f"SELECT {nested('CAST(CAST(', 'value', ' AS TEXT) AS BIGINT)', 300)} FROM {series}"
    yield "arguments-50000", "SELECT concat(" + ", ".join(["'a'"] * 50_000) + ")"
    yield "array-of-100000", "SELECT [" + ", ".join(str(n % 10) for n in range(100_000)) + "]"
    yield "struct-of-3000", "SELECT struct(" + ", ".join(str(n) for n in range(3_000)) + ")"
    yield "greatest-5000", "SELECT greatest(" + ", ".join(f"value + {n}" for n in range(5_000)) + f") FROM {series}"
    yield "expression-doubled-20", doubled("SELECT value + value AS value FROM {}", 20)
    yield "text-doubled-30", doubled("SELECT CAST(value AS TEXT) || CAST(value AS TEXT) AS value FROM {}", 30)
    yield "condition-doubled-20", doubled("SELECT CASE WHEN value > 3 THEN value ELSE value + 1 END AS value FROM {}", 20)
    yield "filter-doubled", doubled("SELECT value FROM (SELECT value + value AS value FROM {} a) b WHERE value > 3", 15)
    yield "unnest-deep", "SELECT " + "unnest(" * 50 + "[" * 50 + "1" + "]" * 50 + ")" * 50
    yield "between-5000", f"SELECT count(*) FROM {series} WHERE " + " OR ".join(f"value BETWEEN {n} AND {n + 1}" for n in range(3_000))
    yield "like-1000", "SELECT count(*) FROM images WHERE " + " OR ".join(f"name LIKE '%{n}%'" for n in range(1_000))
    yield "regexp-1000", "SELECT count(*) FROM images WHERE " + " OR ".join(f"name ~ 'x{n}.*y'" for n in range(1_000))
    yield "interval-chain", "SELECT now() " + "+ INTERVAL '1 day' " * 900
    yield "interval-products", "SELECT INTERVAL '1 day'" + " * 1" * 390
    yield "interval-products-of-columns", f"SELECT INTERVAL '1 day'{' * value' * 390} FROM {series}"
    yield "products-chain", f"SELECT value{' * value' * 390} FROM {series}"
    yield "escapes-nested", "SELECT " + nested("{fn LOCATE('a', 'a', ", "1", ")}", 40)
    yield "escapes-of-months", "SELECT " + nested("{fn TIMESTAMPDIFF(SQL_TSI_MONTH, now(), {fn TIMESTAMPADD(SQL_TSI_MONTH, ", "1", ", now())})}", 20)
    yield "is-null-chain", "SELECT " + "1" + " IS NULL" * 900
    yield "lateral-chain", f"SELECT count(*) FROM {series} t0" + "".join(
        f", LATERAL (SELECT t{n - 1}.value + 1 AS value) t{n}" for n in range(1, 40)
    )
    yield "correlated-deep", correlated(12)
    yield "explain-analyze", "EXPLAIN ANALYZE SELECT count(*) FROM generate_series(1, 100000000000)"
    yield "explain-verbose", "EXPLAIN VERBOSE SELECT " + " + ".join(["value"] * 300) + f" FROM {series}"
    yield "explain-of-joins", "EXPLAIN VERBOSE SELECT count(*) FROM " + ", ".join(f"images t{n}" for n in range(40))


def doubled(query, times):
    """`query`, whose table is itself, `times` deep; the innermost one reads ten rows."""
    sql = "generate_series(1, 10)"
    for _ in range(times):
        sql = "(" + query.format(sql) + ")"
    return sql[1:-1]


def with_doubled(query, times):
    """A WITH with `times` members, each of which is `query` of the one before."""
    members = ["m0 AS (SELECT value FROM generate_series(1, 10))"]
    members += [f"m{n} AS ({query.format(f'm{n - 1}')})" for n in range(1, times + 1)]
    return f"WITH {', '.join(members)} SELECT count(*) FROM m{times}"


def nested(before, inner, after, times):
    """`inner` between `times` of `before` and `after`; `{n}` in `before` is the depth."""
    return "".join(before.replace("{n}", str(n)) for n in range(times)) + inner + after * times


def correlated(times):
    """Subqueries of subqueries, each of which names the row of the one around it."""
    sql = f"SELECT max(value) FROM generate_series(1, 10) t{times} WHERE t{times}.value = t{times - 1}.value"
    for n in range(times - 1, 0, -1):
        sql = f"SELECT max(value) FROM generate_series(1, 10) t{n} WHERE t{n}.value = t{n - 1}.value AND t{n}.value > ({sql})"
    return f"SELECT ({sql}) FROM generate_series(1, 10) t0"
