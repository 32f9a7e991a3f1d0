"""Joins with ADBC, pandas and Polars: the rows of the simulated account's API, with the minimum number of requests."""

import collections
import itertools
import types

import pandas
import polars
import pytest

import page

# Queries that users run first.
STUCK = """\
SELECT i.name, a.type, a.status, a.region_slug, now() - a.started_at AS age
FROM images i JOIN image_actions a ON a.image_id = i.id
WHERE NOT i.public AND a.status <> 'completed' ORDER BY age DESC;
"""
TRANSFERS = """\
SELECT r.name, count(*) AS n,
       approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY date_part('epoch', a.completed_at - a.started_at)) AS p95_s
FROM image_actions a JOIN regions r ON r.slug = a.region_slug
WHERE a.type = 'transfer' AND a.status = 'completed' GROUP BY r.name;
"""
MISSING = """\
SELECT i.id, i.name, r.slug AS missing_in
FROM images i CROSS JOIN regions r
WHERE array_has(i.tags, 'golden') AND array_has(r.features, 'image_transfer') AND NOT array_has(i.regions, r.slug);
"""
JOIN = """\
SELECT i.name, i.tags, a.*
FROM images i JOIN image_actions a ON a.image_id = i.id
WHERE i.id = ? AND a.status = ?
"""


@pytest.fixture
def requests(account):
    """requests() is the number of requests since the test began, or since the last call."""
    last = account.requests()

    def requests():
        nonlocal last
        before, last = last, account.requests()
        return last - before

    return requests


@pytest.fixture(scope="module")
def api(account):
    """The API's own rows: images, regions, and the actions of the account's images, with the numbers of pages."""
    images, _ = account.rows("images")
    lists = {image["id"]: account.rows(f"images/{image['id']}/actions") for image in images if not image["public"]}
    return types.SimpleNamespace(
        images=images,
        own=[image for image in images if not image["public"]],
        regions=account.rows("regions")[0],
        actions={image: rows for image, (rows, _) in lists.items()},
        pages=sum(pages for _, pages in lists.values()),
    )


def with_pandas(connection, sql):
    frame = pandas.read_sql(sql, connection)
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def with_polars(connection, sql):
    return polars.read_database(sql, connection).to_dicts()


@pytest.mark.parametrize("read", [with_pandas, with_polars])
class TestQuestions:
    def test_what_is_stuck_or_failed(self, connection, api, requests, read):
        requests()
        rows = read(connection, STUCK)

        assert requests() == 1 + api.pages
        expected = [
            (image["name"], action["type"], action["status"], action["region_slug"])
            for image in api.own
            for action in api.actions[image["id"]]
            if action["status"] != "completed"
        ]
        found = [tuple(row[name] for name in ("name", "type", "status", "region_slug")) for row in rows]
        assert collections.Counter(found) == collections.Counter(expected)
        ages = [row["age"] for row in rows]
        assert ages == sorted(ages, reverse=True)

    def test_how_long_transfers_take_by_region(self, connection, api, requests, read):
        requests()
        rows = read(connection, TRANSFERS)

        assert requests() == 2 + api.pages
        name = {region["slug"]: region["name"] for region in api.regions}
        expected = collections.Counter(
            name[action["region_slug"]]
            for action in itertools.chain(*api.actions.values())
            if (action["type"], action["status"]) == ("transfer", "completed") and action["region_slug"] in name
        )
        assert {row["name"]: row["n"] for row in rows} == expected
        # NULL if no transfer to the region has an end.
        assert all(row["p95_s"] is None or row["p95_s"] >= 0 for row in rows)
        assert any(row["p95_s"] for row in rows)

    def test_where_golden_images_are_missing(self, connection, api, requests, read):
        requests()
        rows = read(connection, MISSING)

        assert requests() == 2
        assert sorted((row["id"], row["name"], row["missing_in"]) for row in rows) == sorted(
            (image["id"], image["name"], region["slug"])
            for image in api.images
            for region in api.regions
            if "golden" in image["tags"]
            and "image_transfer" in region["features"]
            and region["slug"] not in image["regions"]
        )


class TestPrepared:
    def test_a_prepared_join_runs_again_with_other_values(self, connection, api):
        statuses = collections.Counter(action["status"] for action in api.actions[page.IMAGE])
        with connection.cursor() as cursor:
            counts = [
                cursor.execute(JOIN, (image, status)).fetch_arrow_table().num_rows
                for image, status in [(page.IMAGE, "errored"), (str(page.IMAGE), "completed"), (7, "errored")]
            ]

        assert counts == [statuses["errored"], statuses["completed"], 0]

    @pytest.mark.parametrize("distinct", ["", "DISTINCT "])
    def test_a_joins_schema_is_that_of_its_rows(self, connection, distinct):
        sql = JOIN.replace("SELECT ", f"SELECT {distinct}", 1)
        with connection.cursor() as cursor:
            schema = cursor.adbc_execute_schema(sql, (page.IMAGE, "errored"))
            rows = cursor.execute(sql, (page.IMAGE, "errored")).fetch_arrow_table()

        assert schema.names == ["name", "tags", *page.COLUMNS]
        assert rows.schema.equals(schema, check_metadata=True)
        assert rows.num_rows > 0

    @pytest.mark.parametrize("key", ["(CAST(? AS DOUBLE))", "(CAST('{}' AS DOUBLE))"], ids=["bound", "written"])
    def test_the_keys_of_a_pandas_column_with_nan(self, ask, requests, key):
        keys = pandas.DataFrame({"image_id": [page.IMAGE, None, 7, page.IMAGE]})["image_id"]
        assert keys.dtype == "float64"
        values = ", ".join(key.format(each) for each in keys)
        requests()
        rows = ask(
            f"SELECT k.image_id, count(a.id) AS n FROM (VALUES {values}) k (image_id)"
            " LEFT JOIN image_actions a ON a.image_id = k.image_id GROUP BY 1",
            tuple(keys) if "?" in key else None,
        ).to_pylist()

        assert requests() == 3
        assert {str(row["image_id"]): row["n"] for row in rows} == {
            f"{page.IMAGE}.0": 2 * page.ACTIONS,
            "7.0": 0,
            "nan": 0,
        }

    @pytest.mark.parametrize("column", ["i.id", "a.image_id"])
    @pytest.mark.parametrize("values, rows", [((page.IMAGE, None), page.ACTIONS), ((None, None), 0)])
    def test_a_null_among_the_values_adds_no_rows(self, ask, column, values, rows):
        join = f"FROM images i JOIN image_actions a ON a.image_id = i.id WHERE {column} IN (?, ?)"

        assert ask(f"SELECT count(*) AS n {join}", values)["n"].to_pylist() == [rows]


class TestWithoutAnImage:
    def test_a_stream_closed_early_requests_few_images(self, connection, ask, api, requests):
        requests()
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM image_actions LIMIT 100")
            assert len(cursor.fetchmany(10)) == 10

        assert ask("SELECT 1").num_rows == 1
        assert requests() < len(api.own)

    def test_not_in_requests_only_the_lists_of_its_rows(self, ask, requests):
        ids = f"FROM (VALUES ({page.IMAGE}), (7)) t (x) WHERE x IS NOT NULL AND"
        requests()

        assert ask(f"SELECT x {ids} x NOT IN (SELECT image_id FROM image_actions)")["x"].to_pylist() == [7]
        assert requests() == 3, "two pages of one image, and one of the other"


def test_droplets_with_gpus_are_droplets(ask, account, requests):
    gpus, others = account.rows("droplets", type="gpus")[0], account.rows("droplets")[0]
    requests()
    rows = ask("SELECT d.id, i.name FROM droplets d LEFT JOIN images i ON i.id = d.image['id']").to_pylist()

    assert requests() == 3
    assert len(gpus) > 0
    assert sorted(row["id"] for row in rows) == sorted(droplet["id"] for droplet in gpus + others)
