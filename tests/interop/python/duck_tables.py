"""The parts of the battery's statements: outer tables, left sides, and subqueries."""

import dataclasses
import itertools


@dataclasses.dataclass(frozen=True)
class Query:
    """A subquery. {x} is the compared column of the outer table, {key} its column for correlation."""

    sql: str
    # Whether it has at most one row, so that it can be a scalar.
    one_row: bool = False
    # Whether it reads image_actions without a condition on the image. A comparison by =, and EXISTS, supply the ids that
    # they need. For < and > the server covers the account's own images, by design; DuckDB has the rows of all images.
    open: bool = False


@dataclasses.dataclass(frozen=True)
class Frame:
    """An outer table, with the parts of statements over it."""

    name: str
    # The FROM clause.
    tables: str
    # A unique column.
    id: str
    # The columns for {x} and {key} in subqueries.
    x: str
    key: str
    # The left sides of comparisons: for rows, and for groups by `key`.
    lefts: dict[str, str]
    grouped: dict[str, str]
    # Conditions without a subquery, and with one.
    others: list[str]
    seconds: list[str]
    queries: dict[str, Query]
    # The WITH clauses, by name.
    data: dict[str, str]


def _relation(name, columns, rows):
    values = ", ".join("(" + ", ".join("NULL" if v is None else str(v) for v in row) + ")" for row in rows)
    return f"{name} ({columns}) AS (VALUES {values})"


# Keys that match no row, one row or several; keys with NULL among their values, or with NULL only.
LEFT = [(1, 1, 1), (2, 1, 2), (3, 2, None), (4, 2, 3), (5, 3, 5), (6, None, 2), (7, 4, None), (8, 5, 7)]
RIGHT = [(1, 1, 1), (2, 1, 3), (3, 2, None), (4, 2, 2), (5, None, 2), (6, 3, None), (7, 6, 9)]


def _data():
    """l and r, with NULLs on either side, or without rows on the right (known at planning, or not)."""
    lefts = {"NULLs": LEFT, "no NULLs": [row for row in LEFT if None not in row]}
    rights = {
        "NULLs": _relation("r", "id, k, v", RIGHT),
        "no NULLs": _relation("r", "id, k, v", [row for row in RIGHT if None not in row]),
        "only NULLs": _relation("r", "id, k, v", [(id, k, "CAST(NULL AS BIGINT)") for id, k, _ in RIGHT]),
        "empty": _relation("z", "id, k, v", RIGHT) + ", r AS (SELECT * FROM z WHERE id > 100)",
        "never": _relation("z", "id, k, v", RIGHT) + ", r AS (SELECT * FROM z WHERE false)",
    }
    for (left, rows), (right, relation) in itertools.product(lefts.items(), rights.items()):
        yield f"left {left}, right {right}", f"WITH {_relation('l', 'id, k, x', rows)}, {relation} "


LEFTS = {
    "column": "{x}",
    "constant": "2",
    "NULL": "CAST(NULL AS BIGINT)",
    "expression": "{x} + 1",
    "both columns": "{x} * {key}",
    "CASE": "CASE WHEN {x} > 2 THEN {x} ELSE {key} END",
}
GROUPED = {
    "key": "{key}",
    "aggregate": "max({x})",
    "count": "count(*)",
    "constant": "2",
    "NULL": "CAST(NULL AS BIGINT)",
}


def _lefts(texts, x, key):
    return {name: text.format(x=x, key=key) for name, text in texts.items()}


SMALL_QUERIES = {
    # Uncorrelated.
    "plain": Query("SELECT r.v FROM r"),
    "expression": Query("SELECT r.v + 1 FROM r"),
    "DISTINCT": Query("SELECT DISTINCT r.v FROM r"),
    "UNION": Query("SELECT r.v FROM r UNION SELECT r.k FROM r"),
    "UNION ALL": Query("SELECT r.v FROM r WHERE r.id < 3 UNION ALL SELECT r.k FROM r WHERE r.id > 4"),
    "EXCEPT": Query("SELECT r.v FROM r EXCEPT SELECT r.k FROM r"),
    "aggregate": Query("SELECT max(r.v) FROM r", one_row=True),
    "count": Query("SELECT count(*) FROM r", one_row=True),
    "GROUP BY": Query("SELECT max(r.v) FROM r GROUP BY r.k"),
    "HAVING": Query("SELECT r.k FROM r GROUP BY r.k HAVING count(*) > 1"),
    "HAVING alone": Query("SELECT sum(r.v) FROM r HAVING count(*) > 3", one_row=True),
    "LIMIT": Query("SELECT r.v FROM r ORDER BY r.v DESC NULLS LAST, r.id LIMIT 2"),
    "LIMIT 1": Query("SELECT r.v FROM r ORDER BY r.id LIMIT 1", one_row=True),
    "LIMIT 0": Query("SELECT r.v FROM r ORDER BY r.id LIMIT 0", one_row=True),
    "OFFSET": Query("SELECT r.v FROM r ORDER BY r.id LIMIT 3 OFFSET 2"),
    "window": Query("SELECT max(r.v) OVER (PARTITION BY r.k) FROM r"),
    "nested": Query("SELECT r.v FROM r WHERE r.k NOT IN (SELECT q.v FROM r q WHERE q.v IS NOT NULL)"),
    "constant": Query("SELECT 2", one_row=True),
    "NULL": Query("SELECT CAST(NULL AS BIGINT) FROM r"),
    "VALUES": Query("SELECT t.c FROM (VALUES (1), (NULL), (5)) t (c)"),
    # Correlated.
    "by =": Query("SELECT r.v FROM r WHERE r.k = {key}"),
    "by = AND": Query("SELECT r.v FROM r WHERE r.k = {key} AND r.v IS NOT NULL"),
    "by <": Query("SELECT r.v FROM r WHERE r.k < {key}"),
    "by <>": Query("SELECT r.v FROM r WHERE r.k <> {key}"),
    "by OR": Query("SELECT r.v FROM r WHERE r.k = {key} OR r.v = 9"),
    "by IS NOT DISTINCT FROM": Query("SELECT r.v FROM r WHERE r.k IS NOT DISTINCT FROM {key}"),
    "by an expression": Query("SELECT r.v FROM r WHERE r.k = {key} + 1"),
    "by the column compared": Query("SELECT r.v FROM r WHERE r.v = {x}"),
    "by the column compared <": Query("SELECT r.v FROM r WHERE r.v < {x}"),
    "by the outer row alone": Query("SELECT r.v FROM r WHERE {key} > 1"),
    "by two columns": Query("SELECT r.v FROM r WHERE r.k = {key} AND r.v >= {x}"),
    "in its list": Query("SELECT r.v + {key} FROM r"),
    "only the outer column": Query("SELECT {key} FROM r"),
    "aggregate by =": Query("SELECT max(r.v) FROM r WHERE r.k = {key}", one_row=True),
    "count by =": Query("SELECT count(*) FROM r WHERE r.k = {key}", one_row=True),
    "count of values by =": Query("SELECT count(r.v) + 1 FROM r WHERE r.k = {key}", one_row=True),
    "coalesce of an aggregate by =": Query("SELECT coalesce(sum(r.v), 2) FROM r WHERE r.k = {key}", one_row=True),
    "aggregate by <": Query("SELECT min(r.v) FROM r WHERE r.k < {key}", one_row=True),
    "count by <": Query("SELECT count(*) FROM r WHERE r.k < {key}", one_row=True),
    "GROUP BY by =": Query("SELECT max(r.v) FROM r WHERE r.k = {key} GROUP BY r.id"),
    "HAVING by =": Query("SELECT sum(r.v) FROM r WHERE r.k = {key} HAVING count(*) > 1", one_row=True),
    "HAVING the outer column": Query("SELECT r.k FROM r GROUP BY r.k HAVING count(*) >= {key}"),
    "DISTINCT by =": Query("SELECT DISTINCT r.v FROM r WHERE r.k = {key}"),
    "UNION by =": Query("SELECT r.v FROM r WHERE r.k = {key} UNION SELECT 2"),
    "UNION ALL by =": Query("SELECT r.v FROM r WHERE r.k = {key} UNION ALL SELECT r.k FROM r WHERE r.v = {key}"),
    "LIMIT by =": Query("SELECT r.v FROM r WHERE r.k = {key} ORDER BY r.v DESC NULLS LAST, r.id LIMIT 1", one_row=True),
    "row by its id": Query("SELECT r.v FROM r WHERE r.id = {key}", one_row=True),
    "JOIN by =": Query("SELECT r.v FROM r JOIN l m ON m.id = r.id WHERE r.k = {key}"),
    "LEFT JOIN by =": Query("SELECT m.x FROM r LEFT JOIN l m ON m.id = r.v WHERE r.k = {key}"),
    "derived by =": Query("SELECT d.v FROM (SELECT r.k, r.v FROM r WHERE r.id < 7) d WHERE d.k = {key}"),
    "derived aggregate by =": Query(
        "SELECT d.m FROM (SELECT r.k, max(r.v) AS m FROM r GROUP BY r.k) d WHERE d.k = {key}"
    ),
    "nested by =": Query("SELECT r.v FROM r WHERE r.k = {key} AND r.v IN (SELECT q.v FROM r q WHERE q.k = r.k)"),
    "nested by the outermost": Query("SELECT r.v FROM r WHERE EXISTS (SELECT 1 FROM r q WHERE q.k = {key})"),
    "window by =": Query("SELECT sum(r.v) OVER (ORDER BY r.id) FROM r WHERE r.k = {key}"),
    # Over the outer table itself.
    "same table": Query("SELECT m.x FROM l m"),
    "same table by =": Query("SELECT m.x FROM l m WHERE m.k = {key}"),
    "same table by <": Query("SELECT m.x FROM l m WHERE m.id < {key}"),
    "same table, same alias": Query("SELECT l.x FROM l"),
    "same table, same alias, aggregate": Query("SELECT max(l.x) FROM l", one_row=True),
    "same table, same alias, no NULLs": Query("SELECT l.x FROM l WHERE l.x IS NOT NULL"),
}

# Statements without aliases of tables, and mostly without qualifiers of columns.
BARE_QUERIES = {
    "bare": Query("SELECT x FROM l"),
    "bare, no NULLs": Query("SELECT x FROM l WHERE x IS NOT NULL"),
    "bare, filtered": Query("SELECT x FROM l WHERE k > 1"),
    "bare, the other column": Query("SELECT k FROM l"),
    "bare, its own rows": Query("SELECT x FROM l WHERE l.k = k"),
    "bare aggregate": Query("SELECT max(x) FROM l", one_row=True),
    "bare count": Query("SELECT count(x) FROM l", one_row=True),
    "bare GROUP BY": Query("SELECT max(x) FROM l GROUP BY k"),
    "bare DISTINCT": Query("SELECT DISTINCT x FROM l"),
    "bare UNION": Query("SELECT x FROM l UNION SELECT k FROM l"),
    "bare LIMIT": Query("SELECT x FROM l ORDER BY id LIMIT 2"),
    "bare column of both": Query("SELECT v FROM r WHERE k = l.k"),
    "bare outer column": Query("SELECT v FROM r WHERE v = {x}"),
    "bare outer column in an aggregate": Query("SELECT max(v) FROM r WHERE v < {x}", one_row=True),
    "bare, nested": Query("SELECT x FROM l WHERE k IN (SELECT k FROM l WHERE x > 1)"),
    "bare, nested by =": Query("SELECT v FROM r WHERE EXISTS (SELECT 1 FROM r q WHERE q.k = l.k)"),
}

SMALL = [
    Frame(
        name="small",
        tables="l",
        id="l.id",
        x="l.x",
        key="l.k",
        lefts=_lefts(LEFTS, "l.x", "l.k"),
        grouped=_lefts(GROUPED, "l.x", "l.k"),
        others=["l.x = 5", "l.id > 2", "l.x IS NULL", "l.k < 3"],
        seconds=[
            "l.x IN (SELECT q.v FROM r q)",
            "l.k NOT IN (SELECT q.k FROM r q)",
            "l.x > (SELECT min(q.v) FROM r q)",
        ],
        queries=SMALL_QUERIES,
        data=dict(_data()),
    ),
    Frame(
        name="bare",
        tables="l",
        id="id",
        x="x",
        key="k",
        lefts=_lefts(LEFTS, "x", "k"),
        grouped=_lefts(GROUPED, "x", "k"),
        others=["x = 5", "id > 2", "x IS NULL"],
        seconds=["x IN (SELECT v FROM r)", "k NOT IN (SELECT k FROM l)"],
        queries=BARE_QUERIES,
        data=dict(_data()),
    ),
    Frame(
        name="join",
        tables="l LEFT JOIN r s ON s.k = l.x",
        id="l.id * 100 + coalesce(s.id, 0)",
        x="s.v",
        key="l.k",
        lefts=_lefts(LEFTS, "s.v", "l.k"),
        grouped=_lefts(GROUPED, "s.v", "l.k"),
        others=["l.x = 1", "s.v IS NULL", "s.id < 4"],
        seconds=["s.v IN (SELECT q.v FROM r q)", "l.k NOT IN (SELECT q.k FROM r q)"],
        queries=SMALL_QUERIES,
        data=dict(_data()),
    ),
]

_SIZE = {
    "column": "i.size_gigabytes",
    "constant": "20",
    "NULL": "CAST(NULL AS DOUBLE)",
    "expression": "i.size_gigabytes * 2",
}
_IMAGE = {"column": "i.id", "constant": "62137902", "NULL": "CAST(NULL AS BIGINT)", "expression": "i.id + 0"}
_IMAGE_GROUPED = {"aggregate": "max(i.id)", "count": "count(*)", "constant": "62137902"}
NO_CTE = {"as they are": ""}

# image_actions is read by ids from the outer table or from a list. Some of its rows are in progress, and complete while
# the statements run: so no statement depends on either status.
IMAGE_QUERIES = {
    "actions": Query("SELECT a.image_id FROM image_actions a", open=True),
    "actions, filtered": Query("SELECT a.image_id FROM image_actions a WHERE a.status = 'errored'", open=True),
    "actions by =": Query("SELECT a.resource_id FROM image_actions a WHERE a.image_id = {key}"),
    "actions by =, filtered": Query(
        "SELECT a.image_id FROM image_actions a WHERE a.image_id = {key} AND a.type = 'transfer'"
    ),
    "count of actions by =": Query("SELECT count(*) FROM image_actions a WHERE a.image_id = {key}", one_row=True),
    "aggregate of actions by =": Query(
        "SELECT max(a.resource_id) FROM image_actions a WHERE a.image_id = {key}", one_row=True
    ),
    "actions GROUP BY": Query(
        "SELECT a.image_id FROM image_actions a WHERE a.image_id = {key} GROUP BY a.image_id HAVING count(*) > 10"
    ),
    "actions of one image": Query("SELECT a.resource_id FROM image_actions a WHERE a.image_id = 62137902"),
    "droplets' images": Query("SELECT d.image['id'] FROM droplets d"),
    "droplets' images, no NULLs": Query("SELECT d.image['id'] FROM droplets d WHERE d.image['id'] IS NOT NULL"),
    "droplets' images by =": Query("SELECT d.image['id'] FROM droplets d WHERE d.image['id'] = {key}"),
    "snapshots": Query("SELECT TRY_CAST(s.id AS BIGINT) FROM snapshots s"),
    "snapshots by <": Query("SELECT TRY_CAST(s.id AS BIGINT) FROM snapshots s WHERE s.size_gigabytes < {x}"),
    "account's actions": Query("SELECT c.resource_id FROM actions c WHERE c.resource_type = 'image'"),
    "account's actions by =": Query("SELECT c.resource_id FROM actions c WHERE c.resource_id = {key}"),
    "account's last action": Query("SELECT c.resource_id FROM actions c ORDER BY c.id DESC LIMIT 1", one_row=True),
    "images with actions": Query(
        "SELECT m.id FROM images m JOIN image_actions a ON a.image_id = m.id WHERE a.status = 'errored'"
    ),
    "images with actions by =": Query(
        "SELECT m.id FROM images m JOIN image_actions a ON a.image_id = m.id WHERE m.id = {key}"
    ),
}

SIZE_QUERIES = {
    "same table": Query("SELECT m.size_gigabytes FROM images m"),
    "same table, same alias": Query("SELECT i.size_gigabytes FROM images i WHERE i.size_gigabytes IS NOT NULL"),
    "same table by =": Query("SELECT m.size_gigabytes FROM images m WHERE m.distribution = {key}"),
    "same table by <>": Query("SELECT m.size_gigabytes FROM images m WHERE m.distribution <> {key} AND m.public"),
    "aggregate": Query("SELECT avg(m.size_gigabytes) FROM images m", one_row=True),
    "aggregate by =": Query("SELECT max(m.size_gigabytes) FROM images m WHERE m.distribution = {key}", one_row=True),
    "snapshots' sizes": Query("SELECT s.size_gigabytes FROM snapshots s"),
    "snapshots' sizes by <": Query("SELECT s.size_gigabytes FROM snapshots s WHERE s.min_disk_size < {x}"),
    "droplets' disks": Query("SELECT d.disk FROM droplets d GROUP BY d.disk"),
    "UNION": Query("SELECT s.size_gigabytes FROM snapshots s UNION SELECT d.disk FROM droplets d"),
}

BARE_IMAGE_QUERIES = {
    "bare": Query("SELECT size_gigabytes FROM images"),
    "bare, no NULLs": Query("SELECT size_gigabytes FROM images WHERE size_gigabytes IS NOT NULL"),
    "bare, filtered": Query("SELECT size_gigabytes FROM images WHERE NOT public"),
    "bare aggregate": Query("SELECT max(size_gigabytes) FROM images", one_row=True),
    "bare, other table": Query("SELECT size_gigabytes FROM snapshots"),
    "bare, other table by <": Query("SELECT size_gigabytes FROM snapshots WHERE size_gigabytes < {x}"),
    "bare GROUP BY": Query("SELECT max(size_gigabytes) FROM images GROUP BY distribution"),
}

ACTION_QUERIES = {
    "images": Query("SELECT i.id FROM images i"),
    "images, filtered": Query("SELECT i.id FROM images i WHERE NOT i.public"),
    "images by =": Query("SELECT i.id FROM images i WHERE i.id = {key} AND i.status = 'available'"),
    "images by <": Query("SELECT i.id FROM images i WHERE i.name < {x}"),
    "count of images by <": Query("SELECT count(*) FROM images i WHERE i.id < {key}", one_row=True),
    "regions by =": Query("SELECT {key} FROM regions r WHERE r.slug = {x} AND r.available"),
    "same table by =": Query(
        "SELECT b.image_id FROM image_actions b WHERE b.image_id = {key} AND b.status = 'errored'"
    ),
    "same table, aggregate by =": Query(
        "SELECT max(b.image_id) FROM image_actions b WHERE b.image_id = {key} AND b.region_slug > {x}", one_row=True
    ),
    "droplets' images": Query("SELECT d.image['id'] FROM droplets d"),
}

ACCOUNT = [
    Frame(
        name="images by id",
        tables="images i",
        id="i.id",
        x="i.size_gigabytes",
        key="i.id",
        lefts=_IMAGE,
        grouped=_IMAGE_GROUPED,
        others=["i.public", "i.size_gigabytes > 3", "i.slug IS NULL"],
        seconds=["i.id IN (SELECT d.image['id'] FROM droplets d)"],
        queries=IMAGE_QUERIES,
        data=NO_CTE,
    ),
    Frame(
        name="images by size",
        tables="images i",
        id="i.id",
        x="i.size_gigabytes",
        key="i.distribution",
        lefts=_SIZE,
        grouped={"aggregate": "max(i.size_gigabytes)", "count": "count(*)", "constant": "20"},
        others=["i.public", "i.size_gigabytes > 3", "i.slug IS NULL"],
        seconds=["i.size_gigabytes NOT IN (SELECT s.size_gigabytes FROM snapshots s)"],
        queries=SIZE_QUERIES,
        data=NO_CTE,
    ),
    Frame(
        name="images without an alias",
        tables="images",
        id="id",
        x="images.size_gigabytes",
        key="distribution",
        lefts={"column": "size_gigabytes", "constant": "20", "expression": "size_gigabytes + min_disk_size"},
        grouped={"aggregate": "max(size_gigabytes)", "count": "count(*)"},
        others=["public", "slug IS NULL"],
        seconds=["size_gigabytes IN (SELECT size_gigabytes FROM snapshots)"],
        queries=BARE_IMAGE_QUERIES,
        data=NO_CTE,
    ),
    Frame(
        name="joined actions",
        tables="images g JOIN image_actions a ON a.image_id = g.id",
        id="a.id",
        x="a.region_slug",
        key="a.image_id",
        lefts={"column": "a.image_id", "constant": "62137902", "nullable": "a.resource_id"},
        grouped={"key": "a.image_id", "aggregate": "max(a.resource_id)", "count": "count(*)"},
        others=["a.status = 'errored'", "a.region_slug IS NULL"],
        seconds=["a.image_id IN (SELECT d.image['id'] FROM droplets d)"],
        queries=ACTION_QUERIES,
        data=NO_CTE,
    ),
]
