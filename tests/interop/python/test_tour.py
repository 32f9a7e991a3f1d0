"""The tour that a tool takes with SQLAlchemy, in the dialect that is installed.

requirements.txt has sqlalchemy-adbc, requirements-sqlalchemy.txt has flightsql-dbapi. They need different versions of
SQLAlchemy, so each runs these tests in its own venv. test_sqlalchemy.py has what only flightsql-dbapi can do: list
tables and keys. sqlalchemy-adbc lists tables of the type `table` only, in lower case, and never asks for keys.
"""

import concurrent.futures
import datetime
import importlib.util
import threading
import time

import pandas
import pyarrow
import pytest
import sqlalchemy
from sqlalchemy import func, select, text

import page
from errors import readable

if importlib.util.find_spec("sqlalchemy_adbc"):
    SCHEME = "adbc+flightsql"
    # TLS is its default.
    PLAIN = "?tls=false"
    LOGINS = {
        "none": ("", PLAIN),
        "a token": ("anybody:dop_v1_any@", PLAIN),
        "a header": ("", PLAIN + "&authorization=Bearer%20dop_v1_any"),
        "a password": ("", PLAIN + "&username=anybody&password=secret"),
    }
    # It sends header.NAME as the header NAME.
    WITHOUT_ZONE = "&header.timestamps=without_zone"
    # The server has no transactions: without autocommit, the driver warns on every connection.
    CONNECT = {"autocommit": True}
    # What flightsql-dbapi cannot bind.
    NULLS = {"null": (None, 0)}
    MOMENTS = [datetime.datetime(2026, 6, 1), datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)]
else:
    import flightsql.sqlalchemy  # noqa: F401, which registers the dialect

    SCHEME = "datafusion+flightsql"
    # By default it writes parameters into the SQL, and SQLAlchemy runs that SQL again for other values.
    PLAIN = "?insecure=true&feature-sqlalchemy-prepared-statements=on"
    LOGINS = {
        "none": ("", PLAIN),
        "a token": ("", PLAIN + "&token=dop_v1_any"),
        "a password": ("anybody:secret@", PLAIN),
    }
    WITHOUT_ZONE = "&timestamps=without_zone"
    CONNECT = {}
    NULLS = {}
    MOMENTS = []

# flightsql-dbapi does not wrap the errors of pyarrow.
ERRORS = (sqlalchemy.exc.DBAPIError, pyarrow.ArrowInvalid)


@pytest.fixture
def connect(server):
    """connect(login, options) is an engine."""
    engines = []

    def connect(login="", options=PLAIN):
        url = f"{SCHEME}://{login}{server.removeprefix('grpc://')}{options}"
        engines.append(sqlalchemy.create_engine(url, connect_args=CONNECT))
        return engines[-1]

    yield connect
    for engine in engines:
        engine.dispose()


@pytest.fixture
def engine(connect):
    return connect()


@pytest.fixture
def rows(engine):
    """rows(statement, parameters) is the whole result."""
    return lambda statement, **parameters: rows_of(engine, statement, **parameters)


def rows_of(engine, statement, **parameters):
    statement = text(statement) if isinstance(statement, str) else statement
    with engine.connect() as connection:
        return connection.execute(statement, parameters).fetchall()


def table_of(engine, name):
    return sqlalchemy.Table(name, sqlalchemy.MetaData(), schema="compute", autoload_with=engine)


class TestConnecting:
    @pytest.mark.parametrize("login, options", LOGINS.values(), ids=LOGINS)
    def test_a_login_is_accepted(self, connect, login, options):
        assert rows_of(connect(login, options), "SELECT 1 AS x") == [(1,)]

    def test_a_wrong_option_of_the_session_is_rejected(self, connect):
        engine = connect(options=PLAIN + WITHOUT_ZONE.replace("without_zone", "local"))

        with pytest.raises(ERRORS) as refused:
            rows_of(engine, "SELECT 1 AS x")
        assert "without_zone" in readable(refused)


class TestBrowsing:
    def test_the_schemas(self, engine):
        schemas = sqlalchemy.inspect(engine).get_schema_names()

        assert {"compute", "account", "information_schema", "meta"} <= set(schemas)

    def test_a_table_is_found_by_its_name(self, engine):
        inspector = sqlalchemy.inspect(engine)

        assert inspector.has_table("image_actions", schema="compute")
        assert not inspector.has_table("image_action", schema="compute")

    def test_the_columns_of_a_table(self, engine):
        columns = sqlalchemy.inspect(engine).get_columns("image_actions", schema="compute")

        assert [column["name"] for column in columns] == page.COLUMNS

    @pytest.mark.parametrize(
        "column, type",
        [
            ("id", sqlalchemy.BigInteger),
            ("region_slug", sqlalchemy.String),
            ("started_at", sqlalchemy.DateTime),
            ("image_id", sqlalchemy.BigInteger),
        ],
    )
    def test_the_type_of_a_column(self, engine, column, type):
        columns = sqlalchemy.inspect(engine).get_columns("image_actions", schema="compute")

        assert [isinstance(each["type"], type) for each in columns if each["name"] == column] == [True]

    def test_a_preview_has_every_column(self, engine):
        with engine.connect() as connection:
            result = connection.execute(text("SELECT * FROM compute.image_actions LIMIT 100"))
            assert list(result.keys()) == page.COLUMNS
            assert len(result.fetchall()) == 100

    def test_a_reflected_table_can_be_queried(self, engine, rows):
        actions = table_of(engine, "image_actions")
        action = select(actions.c.id, actions.c.status).where(
            actions.c.image_id == page.IMAGE, actions.c.action_id == page.ACTION
        )

        assert rows(action) == [(page.ACTION, "completed")]

    def test_a_reflected_table_counts_by_a_list_of_values(self, engine, rows, ask):
        actions = table_of(engine, "image_actions")
        some = select(func.count()).where(
            actions.c.image_id == page.IMAGE, actions.c.status.in_(["completed", "errored"])
        )

        statuses = ask(page.LIST)["status"].to_pylist()
        assert rows(some) == [(statuses.count("completed") + statuses.count("errored"),)]


class TestThePage:
    def test_the_list_example(self, rows, ask):
        found = rows(page.LIST)

        assert found[0]._fields == tuple(page.FIELDS)
        assert sorted(row.id for row in found) == sorted(ask(page.LIST)["id"].to_pylist())

    def test_the_get_example(self, rows):
        [row] = rows(page.GET)

        assert (row.id, row.status, row.region_slug) == (page.ACTION, "completed", "nyc3")

    def test_a_struct_is_a_dictionary(self, rows):
        [row] = rows(page.GET)

        assert row.region["slug"] == "nyc3"

    def test_timestamps_are_those_of_the_api(self, rows, account):
        found = {row.id: (row.started_at, row.completed_at) for row in rows(page.LIST)}

        actions, _ = account.rows(f"images/{page.IMAGE}/actions")
        assert len(found) == len(actions) == page.ACTIONS
        for action in actions:
            assert [known(moment) for moment in found[action["id"]]] == [
                api_time(action["started_at"]),
                api_time(action["completed_at"]),
            ]

    def test_timestamps_without_a_zone(self, connect):
        engine = connect(options=PLAIN + WITHOUT_ZONE)
        [row] = rows_of(engine, page.GET)

        assert row.started_at == datetime.datetime(2020, 11, 14, 16, 29, 21)


def known(moment):
    # NULL is NaT in flightsql-dbapi.
    return None if pandas.isna(moment) else moment


def api_time(text):
    return text and datetime.datetime.fromisoformat(text)


class TestResults:
    def test_an_empty_result_has_its_columns(self, engine):
        with engine.connect() as connection:
            result = connection.execute(text("SELECT * FROM image_actions WHERE image_id = 1 AND image_id = 2"))
            assert list(result.keys()) == page.COLUMNS
            assert result.fetchall() == []

    def test_a_hundred_thousand_rows(self, rows):
        values = [row.value for row in rows("SELECT value FROM generate_series(1, 100000)")]

        assert sorted(values) == list(range(1, 100_001))

    def test_a_join(self, rows):
        found = rows(
            "SELECT i.id AS image, count(a.id) AS n FROM images i JOIN image_actions a ON a.image_id = i.id"
            " WHERE i.id = :image GROUP BY i.id",
            image=page.IMAGE,
        )

        assert found == [(page.IMAGE, page.ACTIONS)]

    def test_two_statements_at_once(self, engine):
        statements = ["SELECT value FROM generate_series(1, 100000)", page.LIST]
        together = threading.Barrier(len(statements))

        def run(sql):
            together.wait(20)
            return [len(rows_of(engine, sql)) for _ in range(2)]

        with concurrent.futures.ThreadPoolExecutor(len(statements)) as threads:
            assert list(threads.map(run, statements)) == [[100_000] * 2, [page.ACTIONS] * 2]

    @pytest.mark.pause
    def test_a_connection_survives_a_pause(self, engine, pause):
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1 AS x")).fetchall() == [(1,)]
            time.sleep(pause)
            assert connection.execute(text("SELECT 1 AS x")).fetchall() == [(1,)]


class TestParameters:
    VALUES = {
        "a number": (page.IMAGE, page.ACTIONS),
        "text": (str(page.IMAGE), page.ACTIONS),
        "another": (7, 0),
        **NULLS,
    }

    @pytest.mark.parametrize("value, expected", VALUES.values(), ids=VALUES)
    def test_a_key(self, rows, value, expected):
        assert rows("SELECT count(*) FROM image_actions WHERE image_id = :image", image=value) == [(expected,)]

    def test_two_are_bound_by_their_names(self, rows):
        found = rows(
            "SELECT id FROM image_actions WHERE action_id = :action AND image_id = :image",
            image=page.IMAGE,
            action=page.ACTION,
        )

        assert found == [(page.ACTION,)]

    def test_a_truth_value_and_a_limit(self, rows):
        assert len(rows("SELECT id FROM images WHERE public = :public LIMIT :n", public=True, n=3)) == 3

    @pytest.mark.parametrize("since", ["2026-06-01 00:00:00", *MOMENTS])
    def test_a_moment(self, rows, account, since):
        [(n,)] = rows(
            "SELECT count(*) FROM image_actions WHERE image_id = :image AND started_at >= :since",
            image=page.IMAGE,
            since=since,
        )

        actions, _ = account.rows(f"images/{page.IMAGE}/actions")
        assert n == sum(action["started_at"] >= "2026-06-01T00:00:00Z" for action in actions) > 0

    def test_the_same_statement_with_other_values(self, engine, rows):
        images = table_of(engine, "images")

        found = [rows(select(images.c.id).where(images.c.id == value)) for value in (page.IMAGE, 7, page.IMAGE)]
        assert found == [[(page.IMAGE,)], [], [(page.IMAGE,)]]


class TestExec:
    def test_it_posts_once_and_returns_its_row(self, rows, account, posts):
        image, region = account.transfer()

        [row] = rows("EXEC images.transfer @image_id=:image, @region=:region", image=image, region=region)

        assert (row.image_id, row.region_slug, posts()) == (image, region, 1)


class TestErrors:
    def refused(self, engine, sql):
        with pytest.raises(ERRORS) as refused:
            rows_of(engine, sql)
        return readable(refused)

    def test_sql_that_does_not_parse(self, engine):
        assert "SELEC" in self.refused(engine, "SELEC 1")

    def test_an_unknown_table_has_a_hint(self, engine):
        message = self.refused(engine, "SELECT id FROM image_action")

        assert "image_actions" in message
        assert "hint:" in message

    def test_every_character_arrives(self, engine):
        name = "".join(chr(code) for code in range(32, 127) if chr(code) not in ':"') + "é€😀"

        assert f"`{name}`" in self.refused(engine, f'SELECT 1 FROM "{name}"')

    def test_an_error_in_the_middle_of_the_rows(self, engine):
        message = self.refused(engine, "SELECT 10 / (value - 50000) FROM generate_series(1, 100000)")

        assert "division by zero" in message

    def test_a_statement_that_writes_is_rejected(self, engine):
        assert "DELETE" in self.refused(engine, "DELETE FROM images")

    def test_the_connection_still_works(self, engine):
        with engine.connect() as connection:
            with pytest.raises(ERRORS):
                connection.execute(text("SELEC 1"))
            assert connection.execute(text("SELECT 1 AS x")).fetchall() == [(1,)]


class TestPandas:
    def test_read_sql(self, engine, ask):
        frame = pandas.read_sql(text(page.LIST), engine)

        assert list(frame.columns) == page.FIELDS
        assert frame["id"].dtype == "int64"
        assert str(frame["started_at"].dtype) == "datetime64[ns, UTC]"
        expected = ask(page.LIST).to_pandas().sort_values("id")
        assert frame.sort_values("id")["started_at"].tolist() == expected["started_at"].tolist()

    def test_an_empty_frame_has_its_columns(self, engine):
        frame = pandas.read_sql(text("SELECT * FROM image_actions WHERE image_id = 1 AND image_id = 2"), engine)

        assert (len(frame), list(frame.columns)) == (0, page.COLUMNS)
