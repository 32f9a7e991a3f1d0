"""ADBC's Flight SQL driver, with its DB-API. pandas, Polars and DuckDB use the same driver."""

import datetime
import decimal
import re
import threading

import adbc_driver_flightsql.dbapi
import pandas
import pyarrow
import pytest
from adbc_driver_flightsql import DatabaseOptions
from adbc_driver_flightsql.dbapi import ProgrammingError

import page
from errors import readable

REGION = pyarrow.struct(
    [
        ("name", pyarrow.string()),
        ("slug", pyarrow.string()),
        ("features", pyarrow.list_(pyarrow.string())),
        ("available", pyarrow.bool_()),
        ("sizes", pyarrow.list_(pyarrow.string())),
    ]
)
UTC_NANOSECONDS = pyarrow.timestamp("ns", tz="UTC")
TYPES = {
    "id": pyarrow.int64(),
    "resource_id": pyarrow.int64(),
    "completed_at": UTC_NANOSECONDS,
    "region": REGION,
    "region_slug": pyarrow.string(),
    "resource_type": pyarrow.string(),
    "started_at": UTC_NANOSECONDS,
    "status": pyarrow.string(),
    "type": pyarrow.string(),
    "image_id": pyarrow.int64(),
    "action_id": pyarrow.int64(),
}


def types(schema):
    # The name and nullability of a list's item are ignored.
    def plain(type):
        if pyarrow.types.is_list(type):
            return pyarrow.list_(plain(type.value_type))
        if pyarrow.types.is_struct(type):
            return pyarrow.struct([(field.name, plain(field.type)) for field in type])
        return type

    return {field.name: plain(field.type) for field in schema}


def one(table):
    """The only value of a table."""
    assert (table.num_rows, table.num_columns) == (1, 1)
    return table.column(0)[0].as_py()


class TestConnecting:
    @pytest.mark.filterwarnings("ignore:.*autocommit")
    def test_the_defaults_of_connect_are_enough(self, server):
        with adbc_driver_flightsql.dbapi.connect(server) as connection:
            with connection.cursor() as cursor:
                assert cursor.execute("SELECT 1").fetchone() == (1,)

    LOGINS = {
        "a password": {"username": "anybody", "password": "secret"},
        "a token": {DatabaseOptions.AUTHORIZATION_HEADER.value: "Bearer dop_v1_any"},
        "cookies": {DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true"},
    }

    @pytest.mark.parametrize("options", LOGINS.values(), ids=LOGINS)
    def test_a_login_is_accepted(self, server, options):
        with adbc_driver_flightsql.dbapi.connect(server, options, autocommit=True) as connection:
            with connection.cursor() as cursor:
                assert cursor.execute("SELECT 1").fetchone() == (1,)

    def test_two_cursors_of_a_connection_do_not_disturb_each_other(self, connection):
        with connection.cursor() as first, connection.cursor() as second:
            first.execute(page.LIST)
            second.execute(page.GET)

            assert len(second.fetchall()) == 1
            assert len(first.fetchall()) == page.ACTIONS

    def test_a_result_left_unread_does_not_hold_up_the_next_statement(self, connection):
        with connection.cursor() as cursor:
            cursor.execute(page.LIST)
            cursor.fetchone()

            assert len(cursor.execute(page.GET).fetchall()) == 1


class TestThePage:
    def test_the_list_example_returns_every_action(self, ask):
        table = ask(page.LIST)

        assert table.column_names == page.FIELDS
        assert table.num_rows == page.ACTIONS
        assert len(set(table["id"].to_pylist())) == page.ACTIONS

    def test_the_get_example_returns_the_action(self, ask):
        [row] = ask(page.GET).to_pylist()

        assert row["id"] == page.ACTION
        assert row["status"] and row["type"] and row["started_at"]

    def test_get_and_list_agree_on_the_action(self, ask):
        [got] = ask(page.GET).to_pylist()

        assert got in ask(page.LIST).to_pylist()

    def test_the_columns_have_the_types_of_the_api(self, ask):
        table = ask(f"SELECT * FROM image_actions WHERE image_id = {page.IMAGE}")

        assert table.column_names == page.COLUMNS
        assert types(table.schema) == TYPES

    def test_the_values_are_those_of_the_api(self, ask):
        rows = ask(f"SELECT * FROM image_actions WHERE image_id = {page.IMAGE}").to_pylist()

        assert {row["image_id"] for row in rows} == {page.IMAGE}
        assert all(row["action_id"] == row["id"] for row in rows)
        assert all(row["started_at"].utcoffset() == datetime.timedelta(0) for row in rows)
        assert all(row["region"]["slug"] == row["region_slug"] for row in rows if row["region"])
        assert any(row["region"] for row in rows)

    def test_an_empty_result_has_the_whole_schema(self, ask):
        full = ask(f"SELECT * FROM image_actions WHERE image_id = {page.IMAGE}")
        empty = ask("SELECT * FROM image_actions WHERE image_id = 1 AND image_id = 2")

        assert empty.num_rows == 0
        assert empty.schema.equals(full.schema)

    def test_an_image_that_does_not_exist_has_no_actions(self, ask):
        assert ask("SELECT * FROM image_actions WHERE image_id = 7").num_rows == 0


class TestSql:
    def test_count_star(self, ask):
        assert one(ask(f"SELECT count(*) FROM image_actions WHERE image_id = {page.IMAGE}")) == page.ACTIONS

    def test_limit(self, ask):
        assert ask(f"SELECT id FROM image_actions WHERE image_id = {page.IMAGE} LIMIT 1").num_rows == 1

    def test_order_by_with_a_limit_sees_every_row(self, ask):
        every = ask(f"SELECT id FROM image_actions WHERE image_id = {page.IMAGE}")["id"].to_pylist()
        top = ask(f"SELECT id FROM image_actions WHERE image_id = {page.IMAGE} ORDER BY id DESC LIMIT 3")

        assert top["id"].to_pylist() == sorted(every, reverse=True)[:3]

    def test_a_filter_on_a_field_sees_every_row(self, ask):
        rows = ask(page.LIST).to_pylist()
        kinds = ask(f"SELECT type, count(*) AS n FROM image_actions WHERE image_id = {page.IMAGE} GROUP BY type")

        assert sum(kinds["n"].to_pylist()) == page.ACTIONS
        for kind in kinds["type"].to_pylist():
            n = one(ask(f"SELECT count(*) FROM image_actions WHERE image_id = {page.IMAGE} AND type = '{kind}'"))
            assert n == sum(row["type"] == kind for row in rows)

    def test_arithmetic_on_timestamps(self, ask):
        [row] = ask(
            "SELECT count(*) AS n, now() - min(started_at) AS age, max(completed_at - started_at) AS longest"
            f" FROM image_actions WHERE image_id = {page.IMAGE} AND started_at < now() + INTERVAL '1 day'"
            " AND started_at > now() - INTERVAL '30 years'"
        ).to_pylist()

        assert row["n"] == page.ACTIONS
        assert row["age"] is not None and row["longest"] is not None

    def test_a_field_of_the_region(self, ask):
        slugs = ask(
            f"SELECT region['slug'] AS slug, region_slug FROM image_actions"
            f" WHERE image_id = {page.IMAGE} AND region IS NOT NULL"
        )

        assert slugs.num_rows > 0
        assert slugs["slug"].to_pylist() == slugs["region_slug"].to_pylist()

    def test_a_join_with_images(self, ask):
        sql = f"FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id = {page.IMAGE}"

        assert one(ask(f"SELECT count(*) {sql}")) == page.ACTIONS


class TestParameters:
    QMARK = "SELECT * FROM image_actions WHERE image_id = ?"
    DOLLAR = "SELECT * FROM image_actions WHERE image_id = $1"

    @pytest.mark.parametrize("sql", [QMARK, DOLLAR])
    @pytest.mark.parametrize("value, rows", [(page.IMAGE, page.ACTIONS), (str(page.IMAGE), page.ACTIONS), (None, 0)])
    def test_an_int_a_string_and_null(self, ask, sql, value, rows):
        table = ask(sql, (value,))

        assert table.num_rows == rows
        assert types(table.schema) == TYPES

    def test_question_marks_are_bound_by_position(self, ask):
        sql = "SELECT id FROM image_actions WHERE image_id = ? AND action_id = ?"

        assert ask(sql, (page.IMAGE, page.ACTION))["id"].to_pylist() == [page.ACTION]

    def test_numbers_are_bound_by_their_number(self, ask):
        sql = "SELECT id FROM image_actions WHERE action_id = $2 AND image_id = $1"

        assert ask(sql, (page.IMAGE, page.ACTION))["id"].to_pylist() == [page.ACTION]

    def test_the_tenth_parameter_comes_after_the_second(self, ask):
        sql = "SELECT " + ", ".join(f"CAST(${n} AS BIGINT) AS c{n}" for n in range(1, 12))

        [row] = ask(sql, tuple(range(1, 12))).to_pylist()
        assert list(row.values()) == list(range(1, 12))

    def test_a_prepared_statement_runs_again_with_other_values(self, connection):
        with connection.cursor() as cursor:
            counts = [
                cursor.execute(self.QMARK, (value,)).fetch_arrow_table().num_rows
                for value in (page.IMAGE, 7, None, str(page.IMAGE), page.IMAGE)
            ]

        assert counts == [page.ACTIONS, 0, 0, page.ACTIONS, page.ACTIONS]

    def test_prepare_returns_the_parameters_types(self, connection):
        with connection.cursor() as cursor:
            schema = cursor.adbc_prepare(f"{self.QMARK} AND status = ?")

        assert [field.type for field in schema] == [pyarrow.int64(), pyarrow.string()]
        assert all(field.nullable for field in schema)

    def test_a_statement_can_be_described_without_running_it(self, connection):
        with connection.cursor() as cursor:
            schema = cursor.adbc_execute_schema(page.LIST)

        assert types(schema) == {name: TYPES[name] for name in page.FIELDS}

    @pytest.mark.parametrize("values", [(), (page.IMAGE, 2)])
    def test_a_wrong_number_of_values_is_refused(self, ask, values):
        with pytest.raises(ProgrammingError) as refused:
            ask(self.QMARK, values)
        readable(refused)

    def test_a_text_that_is_not_a_number_is_rejected(self, ask):
        with pytest.raises(ProgrammingError) as refused:
            ask(self.QMARK, ("abc",))
        assert "abc" in readable(refused)


class TestMetadata:
    def objects(self, connection, **arguments):
        """get_objects as {catalog: {schema: {table: [columns]}}}, to the requested depth."""

        def tree(rows, name, *deeper):
            if rows is None or not deeper:
                return rows and [row[name] for row in rows]
            inner, name_inner, *rest = deeper
            return {row[name]: tree(row[inner], name_inner, *rest) for row in rows}

        return tree(
            connection.adbc_get_objects(**arguments).read_all().to_pylist(),
            "catalog_name",
            *("catalog_db_schemas", "db_schema_name"),
            *("db_schema_tables", "table_name"),
            *("table_columns", "column_name"),
        )

    def test_get_objects_lists_catalogs(self, connection):
        assert "digitalocean" in self.objects(connection, depth="catalogs")

    def test_get_objects_lists_schemas(self, connection):
        found = self.objects(connection, depth="db_schemas")

        assert {"compute", "information_schema"} <= set(found["digitalocean"])

    def test_get_objects_lists_tables(self, connection):
        found = self.objects(connection, depth="tables")

        assert {"image_actions", "images"} <= set(found["digitalocean"]["compute"])

    def test_get_objects_lists_columns(self, connection):
        found = self.objects(connection, depth="columns")

        assert found["digitalocean"]["compute"]["image_actions"] == page.COLUMNS

    def test_get_objects_has_no_keys(self, connection):
        # The driver does not ask for them.
        objects = connection.adbc_get_objects(depth="all", table_name_filter="images").read_all().to_pylist()
        schemas = [schema for catalog in objects for schema in catalog["catalog_db_schemas"]]

        [table] = [table for schema in schemas for table in schema["db_schema_tables"]]
        assert table["table_constraints"] == []

    def test_get_objects_filters(self, connection):
        found = self.objects(
            connection,
            depth="all",
            catalog_filter="digitalocean",
            db_schema_filter="comp%",
            table_name_filter="image\\_actions",
            table_types_filter=["TABLE"],
            column_name_filter="region%",
        )

        assert found == {"digitalocean": {"compute": {"image_actions": ["region", "region_slug"]}}}

    def test_get_objects_numbers_the_columns(self, connection):
        objects = connection.adbc_get_objects(
            depth="all", catalog_filter="digitalocean", db_schema_filter="compute", table_name_filter="image\\_actions"
        )
        [catalog] = objects.read_all().to_pylist()
        [table] = catalog["catalog_db_schemas"][0]["db_schema_tables"]

        assert table["table_type"] == "TABLE"
        assert [column["ordinal_position"] for column in table["table_columns"]] == list(range(1, 12))

    def test_get_table_schema(self, connection):
        named = connection.adbc_get_table_schema(
            "image_actions", catalog_filter="digitalocean", db_schema_filter="compute"
        )

        assert types(named) == TYPES
        assert types(connection.adbc_get_table_schema("image_actions")) == TYPES

    def test_get_table_schema_is_that_of_a_result(self, connection, ask):
        schema = connection.adbc_get_table_schema("image_actions", db_schema_filter="compute")

        data = ask(f"SELECT * FROM image_actions WHERE image_id = {page.IMAGE} LIMIT 1").schema
        # All columns of a result are nullable; those of the table have the declared nullability.
        assert list(zip(data.names, data.types)) == list(zip(schema.names, schema.types))
        assert [field.name for field in schema if not field.nullable] == ["id", "image_id", "action_id"]

    def test_each_columns_metadata_has_a_type_name(self, connection):
        schema = connection.adbc_get_table_schema("image_actions", db_schema_filter="compute")

        assert [field.name for field in schema if b"ARROW:FLIGHT:SQL:TYPE_NAME" not in (field.metadata or {})] == []

    def test_get_table_schema_of_no_table(self, connection):
        with pytest.raises(ProgrammingError):
            connection.adbc_get_table_schema("no_such_table")

    def test_get_table_types(self, connection):
        found = connection.adbc_get_table_types()

        assert "TABLE" in found
        assert len(set(found)) == len(found)

    def test_get_info(self, connection):
        info = connection.adbc_get_info()

        assert "oceanflight" in info["vendor_name"].lower()
        assert info["vendor_version"] and info["vendor_arrow_version"]


class TestErrors:
    def refused(self, ask, sql):
        with pytest.raises(ProgrammingError) as refused:
            ask(sql)
        return readable(refused)

    def test_sql_that_does_not_parse(self, ask):
        assert "SELEC" in self.refused(ask, "SELEC id FROM image_actions")

    def test_an_empty_statement(self, ask):
        self.refused(ask, "  -- nothing\n;")

    def test_an_unknown_table_names_the_nearest(self, ask):
        message = self.refused(ask, "SELECT id FROM image_action WHERE image_id = 1")

        assert "image_actions" in message
        assert "hint:" in message

    def test_an_unknown_column_names_the_nearest(self, ask):
        message = self.refused(ask, "SELECT statuss FROM image_actions WHERE image_id = 1")

        assert "statuss" in message
        assert re.search(r"\bstatus\b", message)

    def test_an_image_id_that_is_not_a_number(self, ask):
        assert "abc" in self.refused(ask, "SELECT * FROM image_actions WHERE image_id = 'abc'")

    @pytest.mark.parametrize(
        "sql",
        ["DELETE FROM image_actions", "CREATE TABLE images AS SELECT 1", "COPY (SELECT 1) TO 'f.csv'", "DROP TABLE images"],
    )
    def test_a_statement_that_writes_is_rejected(self, ask, sql):
        with pytest.raises(adbc_driver_flightsql.dbapi.Error) as refused:
            ask(sql)
        readable(refused)

    def test_the_connection_still_works_after_an_error(self, ask):
        self.refused(ask, "SELEC")

        assert ask(page.GET).num_rows == 1


class TestCancelling:
    ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000000)"

    @pytest.mark.parametrize("sql", [ENDLESS, "SELECT value FROM generate_series(1, 1000000000000)"])
    def test_a_query_is_cancelled(self, connection, ask, sql):
        ended = threading.Event()

        def cancel(cursor):
            # More than once: the first may come before the statement begins.
            while not ended.wait(0.3):
                cursor.adbc_cancel()

        with connection.cursor() as cursor:
            thread = threading.Thread(target=cancel, args=[cursor])
            thread.start()
            try:
                with pytest.raises(adbc_driver_flightsql.dbapi.Error, match="(?i)cancel"):
                    cursor.execute(sql).fetch_arrow_table()
            finally:
                ended.set()
                thread.join()

        assert ask(page.GET).num_rows == 1


class TestPandas:
    def test_read_sql(self, connection):
        frame = pandas.read_sql(page.LIST, connection)

        assert list(frame.columns) == page.FIELDS
        assert len(frame) == page.ACTIONS
        assert frame["id"].dtype == "int64"
        assert str(frame["started_at"].dtype) == "datetime64[ns, UTC]"


class TestRightAnswers:
    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            ("SELECT 1 AS x UNION ALL SELECT 2.5 ORDER BY x", [1.0, 2.5]),
            ("SELECT lag(x, 1, 0.5) OVER (ORDER BY x) AS y FROM (VALUES (1), (2)) t(x)", [0.5, 1.0]),
            ("SELECT count(*) FROM images WHERE id = 5 OR id NOT IN (SELECT CAST(NULL AS BIGINT))", [0]),
            ("SELECT DISTINCT public NOT IN (SELECT true) AS p FROM images ORDER BY p", [False, True]),
        ],
    )
    def test_a_value_is_what_sql_says(self, ask, sql, expected):
        assert ask(sql).column(0).to_pylist() == expected

    def test_the_maximum_is_not_below_any_value(self, ask):
        largest = "size_gigabytes >= ALL (SELECT size_gigabytes FROM images WHERE size_gigabytes IS NOT NULL)"

        assert ask(f"SELECT name FROM images WHERE {largest}").num_rows == 1

    @pytest.mark.parametrize(
        ("sql", "value", "expected"),
        [
            ("SELECT CAST(? AS BIGINT)", 5, 5),
            ("SELECT CAST(? AS BIGINT)", None, None),
            ("SELECT coalesce(?, 7)", None, 7),
            ("SELECT round(?, 2)", 1.237, 1.24),
            ("SELECT CAST(? AS REAL) = CAST(0.1 AS REAL)", 0.1, True),
            ("SELECT CAST(0.1 AS REAL) = ?", 0.1, False),
            ("SELECT CAST(? AS DECIMAL(10, 2)) = 1.56", decimal.Decimal("1.555"), True),
            ("SELECT DATE '2024-02-10' - INTERVAL ? DAY = DATE '2024-02-05'", 5, True),
            ("SELECT count(*) FROM generate_series(1, ?)", 3, 3),
            ("SELECT now() - INTERVAL ? < now()", "5 days", True),
            ("SELECT count(*) > 900 FROM account.actions WHERE started_at > now() - ?", datetime.timedelta(days=36500), True),
            ("SELECT CAST(? AS TIMESTAMP)", datetime.datetime(2024, 2, 3, 4, 5), pandas.Timestamp(2024, 2, 3, 4, 5)),
        ],
    )
    def test_the_value_that_arrives_is_the_one_that_was_set(self, connection, sql, value, expected):
        with connection.cursor() as cursor:
            cursor.execute(sql, (value,))
            assert one(cursor.fetch_arrow_table()) == expected

    @pytest.mark.parametrize(
        ("sql", "value"),
        [
            ("SELECT CAST(? AS BIGINT)", 5.5),
            ("SELECT CAST(? AS DATE)", datetime.datetime(2024, 2, 3, 4, 5)),
            ("SELECT count(*) FROM account.actions WHERE started_at > ?", 1577854800),
            ("SELECT CAST(? AS REAL)", 1e300),
            ("SELECT CAST(? AS INTERVAL)", "5"),
            ("SELECT now() - ? < now()", 5),
            ("SELECT CAST(1 AS DECIMAL(10, 2)) = ?", "1.555"),
            ("SELECT CAST(? AS TIMESTAMP)", "2024-02-03T04:05:06.1234567891"),
        ],
    )
    def test_a_value_that_does_not_fit_is_refused(self, connection, sql, value):
        with connection.cursor() as cursor, pytest.raises(ProgrammingError, match="parameter 1 has the type"):
            cursor.execute(sql, (value,))

    def test_several_rows_are_several_results(self, connection):
        rows = pyarrow.record_batch([pyarrow.array([1, 2, 3])], ["0"])
        with connection.cursor() as cursor:
            cursor.execute("SELECT CAST(? AS BIGINT) AS x", rows)
            assert cursor.fetch_arrow_table()["x"].to_pylist() == [1, 2, 3]

    def test_executemany_of_a_query_is_refused_with_what_to_call(self, connection):
        # The driver sends an update, whose response is a count, without rows.
        with connection.cursor() as cursor, pytest.raises(ProgrammingError, match="cursor.execute"):
            cursor.executemany("SELECT CAST(? AS BIGINT) AS x", [(1,), (2,)])

    @pytest.mark.parametrize(
        "sql", ["SELECT now() AT TIME ZONE ?", "SELECT name FROM images ORDER BY ?", "SELECT EXTRACT(? FROM now())"]
    )
    def test_a_place_that_takes_no_parameter_has_a_hint(self, connection, sql):
        with connection.cursor() as cursor, pytest.raises(ProgrammingError, match="hint: ") as refused:
            cursor.execute(sql, ("x",))
        assert "Function" not in readable(refused)
