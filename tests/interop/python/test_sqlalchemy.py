"""flightsql-dbapi with SQLAlchemy 1.4, in the calls that Superset makes. requirements-sqlalchemy.txt has its packages.

Superset browses schemas and tables with SQLAlchemy's inspector, writes values into the SQL by itself, and runs that SQL
with a cursor. test_tour.py has what sqlalchemy-adbc can do, too.
"""

import datetime

import flightsql.sqlalchemy  # noqa: F401, which registers the dialect
import pytest
import sqlalchemy
from sqlalchemy import literal_column, select, text

import page
from errors import readable

# The dialect ignores the catalogs in what the server lists. A URL's unknown parameters are sent as headers.
CATALOGS = {"all catalogs": "", "one catalog": "&catalog=digitalocean"}
KEYS = "&feature-sqlalchemy-primary-keys=on"


@pytest.fixture
def connect(server):
    """connect(options) is an engine."""
    engines = []

    def connect(options=""):
        url = f"datafusion+flightsql://{server.removeprefix('grpc://')}?insecure=true{options}"
        engines.append(sqlalchemy.create_engine(url))
        return engines[-1]

    yield connect
    for engine in engines:
        engine.dispose()


@pytest.fixture(params=CATALOGS.values(), ids=CATALOGS)
def inspector(connect, request):
    return sqlalchemy.inspect(connect(request.param))


@pytest.fixture
def run(connect):
    """run(sql) is the column names and the rows."""
    engine = connect()
    return lambda sql: result(engine, sql)


def result(engine, sql):
    cursor = engine.raw_connection().cursor()
    cursor.execute(sql)
    return [column[0] for column in cursor.description], [tuple(row) for row in cursor.fetchall()]


def repeated(names):
    return sorted({name for name in names if names.count(name) > 1})


class TestBrowsing:
    def test_no_schema_is_listed_twice(self, inspector):
        schemas = inspector.get_schema_names()

        assert {"account", "compute", "information_schema"} <= set(schemas)
        assert repeated(schemas) == []

    def test_no_table_of_a_schema_is_listed_twice(self, inspector):
        for schema in inspector.get_schema_names():
            tables = inspector.get_table_names(schema=schema)
            assert tables, schema
            assert repeated(tables) == [], schema

    def test_the_tables_of_a_schema(self, inspector):
        assert {"image_actions", "images", "regions"} <= set(inspector.get_table_names(schema="compute"))
        assert inspector.get_view_names(schema="compute") == []

    def test_every_listed_table_can_be_previewed(self, inspector):
        failed = {}
        for schema in inspector.get_schema_names():
            for table in inspector.get_table_names(schema=schema):
                columns = [column["name"] for column in inspector.get_columns(table, schema=schema)]
                try:
                    names, rows = result(inspector.engine, f"SELECT * \nFROM {schema}.{table}\n LIMIT 100")
                    assert names == columns
                    assert len(rows) <= 100
                except Exception as failure:
                    failed[f"{schema}.{table}"] = str(failure)

        assert failed == {}

    def test_columns_that_cannot_be_null(self, inspector):
        columns = inspector.get_columns("image_actions", schema="compute")

        assert [column["name"] for column in columns if not column["nullable"]] == ["id", "image_id", "action_id"]

    @pytest.mark.parametrize(
        "table, columns",
        [("images", ["id"]), ("regions", ["slug"]), ("image_actions", ["image_id", "id"]), ("no_such_table", [])],
    )
    def test_the_primary_key_of_a_table(self, connect, table, columns):
        inspector = sqlalchemy.inspect(connect(KEYS))

        assert inspector.get_pk_constraint(table, schema="compute")["constrained_columns"] == columns

    def test_keys_and_indexes_are_empty_without_the_feature(self, inspector):
        assert inspector.get_pk_constraint("images", schema="compute") == []
        assert inspector.get_foreign_keys("image_actions", schema="compute") == []
        assert inspector.get_indexes("image_actions", schema="compute") == []

    def test_a_whole_schema_is_reflected(self, connect):
        metadata = sqlalchemy.MetaData()
        metadata.reflect(bind=connect(KEYS), schema="compute")

        assert {"compute.image_actions", "compute.images"} <= set(metadata.tables)
        assert [column.name for column in metadata.tables["compute.images"].primary_key] == ["id"]


class TestCharts:
    # A dataset that is a statement, as Superset nests it.
    DATASET = f"(SELECT * FROM image_actions WHERE image_id = {page.IMAGE}) AS virtual_table"

    def test_the_connection_is_tested(self, connect):
        engine = connect()

        with engine.connect() as connection:
            assert engine.dialect.do_ping(connection.connection)

    def test_the_dialect_reads_the_servers_properties(self, connect):
        engine = connect()

        with engine.connect():
            assert (engine.dialect.sql_info[0], engine.dialect.sql_info[504]) == ("oceanflight", '"')

    def test_a_preview_that_the_dialect_writes(self, connect, run):
        quote = connect().dialect.identifier_preparer.quote
        preview = select(text("*")).select_from(text(f"{quote('compute')}.{quote('image_actions')}")).limit(100)

        names, rows = run(str(preview.compile(connect(), compile_kwargs={"literal_binds": True})))
        assert names == page.COLUMNS
        assert len(rows) == 100

    def test_a_chart_by_status(self, run, ask):
        names, rows = run(
            'SELECT status AS status, COUNT(*) AS "COUNT(*)", COUNT(DISTINCT type) AS "COUNT_DISTINCT(type)"\n'
            f"FROM {self.DATASET}\n"
            "WHERE started_at >= '2020-01-01 00:00:00.000000' AND started_at < '2100-01-01 00:00:00.000000'\n"
            'GROUP BY status\nORDER BY "COUNT(*)" DESC\n LIMIT 1000'
        )

        statuses = ask(page.LIST)["status"].to_pylist()
        assert names == ["status", "COUNT(*)", "COUNT_DISTINCT(type)"]
        assert {status: n for status, n, _ in rows} == {status: statuses.count(status) for status in set(statuses)}
        assert [n for _, n, _ in rows] == sorted((n for _, n, _ in rows), reverse=True)

    def test_a_chart_over_time(self, run):
        _, rows = run(
            "SELECT date_trunc('month', started_at) AS __timestamp, COUNT(*) AS count\n"
            f"FROM {self.DATASET}\nGROUP BY date_trunc('month', started_at)\nORDER BY __timestamp"
        )

        assert sum(count for _, count in rows) == page.ACTIONS
        assert [month for month, _ in rows] == sorted(month for month, _ in rows)
        assert all((month.day, month.hour, month.second) == (1, 0, 0) for month, _ in rows)

    def test_the_values_of_a_filter(self, run, ask):
        _, rows = run(f"SELECT DISTINCT status AS column_values\nFROM {self.DATASET}\n LIMIT 10000")

        assert sorted(status for status, in rows) == sorted(set(ask(page.LIST)["status"].to_pylist()))

    def test_a_label_with_quotes_and_other_letters(self, connect, run):
        label = 'Größe "GB" %'
        query = select(literal_column("1").label(label)).compile(connect(), compile_kwargs={"literal_binds": True})

        assert run(str(query)) == ([label], [(1,)])

    def test_a_hundred_thousand_rows(self, run):
        _, rows = run("SELECT value FROM generate_series(1, 100000)")

        assert len(set(rows)) == 100_000

    def test_an_error_has_a_hint(self, run):
        with pytest.raises(Exception) as refused:
            run(f"SELECT statuss\nFROM {self.DATASET}")
        message = readable(refused)

        assert "statuss" in message
        assert "hint:" in message


class TestParameters:
    PREPARED = "&feature-sqlalchemy-prepared-statements=on"

    def test_without_the_feature_another_value_finds_the_same_row(self, connect):
        # The dialect writes the value into the SQL, and SQLAlchemy runs that SQL again.
        for options, expected in [("", [page.IMAGE, page.IMAGE]), (self.PREPARED, [page.IMAGE])]:
            engine = connect(options)
            images = sqlalchemy.Table("images", sqlalchemy.MetaData(), schema="compute", autoload_with=engine)
            found = []
            for value in (page.IMAGE, 7):
                with engine.connect() as connection:
                    found += [id for id, in connection.execute(select(images.c.id).where(images.c.id == value))]
            assert found == expected

    @pytest.mark.parametrize("value", [None, datetime.datetime(2026, 6, 1)], ids=["None", "a datetime"])
    def test_what_the_dialect_cannot_bind(self, connect, value):
        sql = text("SELECT count(*) FROM images WHERE created_at > :since")
        with connect(self.PREPARED).connect() as connection:
            with pytest.raises(sqlalchemy.exc.DBAPIError, match="unable to map"):
                connection.execute(sql, {"since": value})
