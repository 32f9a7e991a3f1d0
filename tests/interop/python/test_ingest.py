"""Tables that clients make: ADBC's ingest, with pandas and Polars, and SQL."""

import adbc_driver_flightsql.dbapi
import pandas
import polars
import pyarrow
import pytest
from adbc_driver_flightsql import DatabaseOptions
from adbc_driver_flightsql.dbapi import Error, ProgrammingError

from errors import readable

COOKIES = {DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true"}


@pytest.fixture
def name(connection, request):
    """A name for a table that no other test has; the table is dropped at the end."""
    name = f"{request.node.name} it's \"mine\""
    yield name
    quoted = name.replace('"', '""')
    with connection.cursor() as cursor:
        cursor.execute(f'DROP TABLE IF EXISTS datasets.public."{quoted}"')


def quoted(name):
    return 'datasets.public."' + name.replace('"', '""') + '"'


def ingest(connection, *arguments, **options):
    # The driver keeps the options of an ingest for the next one of a cursor.
    with connection.cursor() as cursor:
        return cursor.adbc_ingest(*arguments, **options)


def test_each_mode_does_what_its_name_says(connection, ask, name):
    table = pyarrow.table({"id": [1, 2, 3], "text": pyarrow.array(["a", None, "c"]).dictionary_encode()})
    with pytest.raises(ProgrammingError, match="there is no table"):
        ingest(connection, name, table, mode="append")
    assert ingest(connection, name, table, mode="create") == 3
    with pytest.raises(ProgrammingError, match="exists"):
        ingest(connection, name, table, mode="create")
    assert ingest(connection, name, table, mode="append") == 3
    assert ask(f"SELECT count(*) AS n FROM {quoted(name)}").to_pylist() == [{"n": 6}]
    assert ingest(connection, name, table.slice(0, 1), mode="replace") == 1
    assert ingest(connection, name, table.slice(1, 1), mode="create_append") == 1
    assert ask(f"SELECT * FROM {quoted(name)} ORDER BY id").to_pylist() == table.slice(0, 2).to_pylist()
    with pytest.raises(ProgrammingError) as error:
        ingest(connection, name, table.select(["text"]), mode="append")
    assert "the table has `id` Int64, the rows have `text` Utf8" in readable(error)


def test_types_come_back_as_they_were(connection, ask, name):
    table = pyarrow.table(
        {
            "number": pyarrow.array([1, None], pyarrow.int32()),
            "exact": pyarrow.array(["1.10", "2.20"]).cast(pyarrow.decimal128(10, 2)),
            "at": pyarrow.array([1, 2], pyarrow.timestamp("us", "UTC")),
            "day": pyarrow.array([1, 2], pyarrow.date32()),
            "list": pyarrow.array([["a"], []], pyarrow.list_(pyarrow.string())),
            "object": pyarrow.array([{"x": 1}, None], pyarrow.struct([("x", pyarrow.int64())])),
            "bytes": pyarrow.array([b"\x00", None], pyarrow.binary()),
        }
    )
    ingest(connection, name, table)
    assert ask(f"SELECT * FROM {quoted(name)}").to_pylist() == table.to_pylist()


def test_pandas_and_polars_write_tables(connection, ask, name):
    frame = pandas.DataFrame({"id": [1, 2], "text": ["a", "b"]})
    frame.to_sql(name, connection, schema="public", index=False)
    assert ask(f"SELECT max(text) AS m FROM {quoted(name)}").to_pylist() == [{"m": "b"}]
    more = polars.DataFrame({"id": [3], "text": ["c"]})
    more.write_database(name, connection, if_table_exists="append", engine="adbc")
    assert ask(f"SELECT max(text) AS m FROM {quoted(name)}").to_pylist() == [{"m": "c"}]


def test_a_large_table_is_sent_in_batches(connection, ask, name):
    rows = 300_000
    table = pyarrow.table({"id": range(rows), "text": [f"the number {number}" for number in range(rows)]})
    assert ingest(connection, name, table.to_reader(max_chunksize=50_000)) == rows
    assert ask(f"SELECT count(DISTINCT text) AS n, sum(id) AS s FROM {quoted(name)}").to_pylist() == [
        {"n": rows, "s": rows * (rows - 1) // 2}
    ]


def test_a_join_of_a_dataframe_to_the_account(connection, ask, name):
    ingest(connection, name, pyarrow.table({"image": [62137904, 62137902]}))
    sql = f"SELECT i.name FROM {quoted(name)} m JOIN images i ON i.id = m.image ORDER BY 1"
    assert ask(sql).column("name").to_pylist() == ["db-golden", "web-golden"]


def test_statements_make_and_drop_tables(connection, ask, name):
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {quoted(name)} AS SELECT id, name FROM images WHERE NOT public")
        cursor.execute(f"SELECT count(*) FROM {quoted(name)}")
        assert cursor.fetchone()[0] > 0
        cursor.execute(f"DROP TABLE {quoted(name)}")
        with pytest.raises(ProgrammingError, match="there is no table"):
            cursor.execute(f"DROP TABLE {quoted(name)}")


def test_a_temporary_table_needs_a_session_and_is_seen_by_it_only(server, connection):
    table = pyarrow.table({"id": [1]})
    with pytest.raises(Error, match="with_cookie_middleware"):
        ingest(connection, "temporary", table, temporary=True)
    connect = adbc_driver_flightsql.dbapi.connect
    with connect(server, COOKIES, autocommit=True) as one, connect(server, COOKIES, autocommit=True) as other:
        for session in (one, other):
            with session.cursor() as cursor:
                cursor.execute("SELECT 1")
        ingest(one, "temporary", table, temporary=True)
        with one.cursor() as cursor:
            cursor.execute("SELECT * FROM temporary")
            assert cursor.fetchall() == [(1,)]
        with other.cursor() as cursor, pytest.raises(ProgrammingError, match="there is no table"):
            cursor.execute("SELECT * FROM temporary")
