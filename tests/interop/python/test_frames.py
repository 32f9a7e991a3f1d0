"""The tour of a data scientist: pandas, Polars and DuckDB read over ADBC, and so does ADBC's own cursor."""

import concurrent.futures
import contextlib
import datetime
import threading

import adbc_driver_flightsql.dbapi
import duckdb
import pandas
import polars
import pytest

import page
from errors import readable

EMPTY = "SELECT * FROM image_actions WHERE image_id = 1 AND image_id = 2"
MANY = "SELECT value FROM generate_series(1, 100000)"


def read_with_adbc(connection, sql, values=None):
    with connection.cursor() as cursor:
        table = cursor.execute(sql, values).fetch_arrow_table()
    return table.column_names, table.to_pylist()


def read_with_pandas(connection, sql, values=None):
    frame = pandas.read_sql(sql, connection, params=values)
    return list(frame.columns), frame.to_dict("records")


def read_with_polars(connection, sql, values=None):
    frame = polars.read_database(sql, connection, execute_options={"parameters": values})
    return frame.columns, frame.to_dicts()


def read_with_duckdb(connection, sql, values=None):
    with connection.cursor() as cursor, contextlib.closing(duckdb.connect()) as database:
        stream = cursor.execute(sql, values).fetch_record_batch()  # noqa: F841, which the SQL names
        database.execute("CREATE TABLE found AS SELECT * FROM stream")
        table = database.sql("FROM found").to_arrow_table()
    return table.column_names, table.to_pylist()


READERS = {"adbc": read_with_adbc, "pandas": read_with_pandas, "polars": read_with_polars, "duckdb": read_with_duckdb}


@pytest.fixture(params=READERS)
def read(request, connection):
    """read(sql, values) is the columns and the rows."""
    return lambda sql, values=None: READERS[request.param](connection, sql, values)


def test_previews_of_all_tables(read, connection):
    tables = connection.adbc_get_objects(depth="tables", catalog_filter="digitalocean").read_all().to_pylist()
    names = [
        f"{schema['db_schema_name']}.{table['table_name']}"
        for schema in tables[0]["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    ]

    assert "compute.image_actions" in names
    for name in names:
        columns, rows = read(f"SELECT * FROM {name} LIMIT 100")
        assert columns and 0 <= len(rows) <= 100, name
    columns, rows = read("SELECT * FROM compute.image_actions LIMIT 100")
    assert (columns, len(rows)) == (page.COLUMNS, 100)


def test_the_list_example(read, ask):
    columns, rows = read(page.LIST)

    assert columns == page.FIELDS
    assert sorted(row["id"] for row in rows) == sorted(ask(page.LIST)["id"].to_pylist())


def test_the_get_example(read):
    _, [row] = read(page.GET)

    assert (row["id"], row["status"], row["region"]["slug"]) == (page.ACTION, "completed", "nyc3")


def test_timestamps_are_those_of_the_api(read, account):
    found = {row["id"]: (row["started_at"], row["completed_at"]) for row in read(page.LIST)[1]}

    actions, _ = account.rows(f"images/{page.IMAGE}/actions")
    assert len(found) == len(actions) == page.ACTIONS
    for action in actions:
        for moment, text in zip(found[action["id"]], (action["started_at"], action["completed_at"])):
            expected = text and datetime.datetime.fromisoformat(text)
            # A missing time is NaT in pandas.
            assert moment == expected or (pandas.isna(moment) and expected is None)


@pytest.mark.parametrize("read", [name for name in READERS if name != "pandas"], indirect=True)
@pytest.mark.parametrize("value, expected", [(page.IMAGE, page.ACTIONS), (7, 0), (None, 0)])
def test_a_parameter(read, value, expected):
    _, rows = read("SELECT id FROM image_actions WHERE image_id = ?", (value,))

    assert len(rows) == expected


def test_pandas_takes_no_parameters_over_adbc(connection):
    # It does with SQLAlchemy.
    with pytest.raises(NotImplementedError, match="'params' is not implemented for ADBC"):
        read_with_pandas(connection, "SELECT id FROM image_actions WHERE image_id = ?", (page.IMAGE,))


def test_a_join(read):
    _, rows = read(
        "SELECT i.id AS image, count(a.id) AS n FROM images i JOIN image_actions a ON a.image_id = i.id"
        f" WHERE i.id = {page.IMAGE} GROUP BY i.id"
    )

    assert rows == [{"image": page.IMAGE, "n": page.ACTIONS}]


def test_an_exec_posts_once(read, account, posts):
    image, region = account.transfer()

    _, [row] = read(f"EXEC images.transfer @image_id={image}, @region='{region}'")

    assert (row["image_id"], row["region_slug"], posts()) == (image, region, 1)


def test_an_error_has_a_hint_and_the_connection_still_works(read):
    with pytest.raises(Exception) as refused:
        read("SELECT id FROM image_action")
    message = readable(refused)

    assert "hint: did you mean `image_actions`?" in message
    assert len(read(page.GET)[1]) == 1


def test_an_error_in_the_middle_of_the_rows(read):
    with pytest.raises(Exception, match="division by zero"):
        read("SELECT 10 / (value - 50000) FROM generate_series(1, 100000)")


def test_an_empty_result_has_its_columns(read):
    assert read(EMPTY) == (page.COLUMNS, [])


def test_a_hundred_thousand_rows(read):
    _, rows = read(MANY)

    assert sorted(row["value"] for row in rows) == list(range(1, 100_001))


@pytest.mark.parametrize("reader", READERS)
def test_two_statements_at_once(server, reader):
    statements = [MANY, page.LIST]
    together = threading.Barrier(len(statements))

    def run(sql):
        with adbc_driver_flightsql.dbapi.connect(server, autocommit=True) as connection:
            together.wait(20)
            return [len(READERS[reader](connection, sql)[1]) for _ in range(2)]

    with concurrent.futures.ThreadPoolExecutor(len(statements)) as threads:
        assert list(threads.map(run, statements)) == [[100_000] * 2, [page.ACTIONS] * 2]


def test_a_frame_of_polars_has_what_adbc_fetched(connection, ask):
    frame = polars.read_database(page.LIST, connection=connection)

    assert frame.height == page.ACTIONS
    assert frame.sort("id").equals(polars.from_arrow(ask(page.LIST)).sort("id"))


def test_a_frame_of_polars_keeps_the_types(connection):
    schema = polars.read_database(page.LIST, connection=connection).schema

    assert schema["id"] == polars.Int64
    assert schema["started_at"] == polars.Datetime("ns", "UTC")
    assert isinstance(schema["region"], polars.Struct)
