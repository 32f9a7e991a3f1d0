"""Runs statements in the server and in DuckDB, and compares the rows."""

import concurrent.futures
import dataclasses
import decimal
import enum
import functools
import math
import re
import threading
import warnings

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import duckdb
import pyarrow

# The tables in DuckDB, by name. image_actions contains the actions of every image in `images`.
TABLES = {
    "images": "SELECT * FROM images",
    "droplets": "SELECT * FROM droplets",
    "regions": "SELECT * FROM regions",
    "snapshots": "SELECT * FROM snapshots",
    "actions": "SELECT * FROM account.actions",
    "image_actions": "SELECT a.* FROM images i JOIN image_actions a ON a.image_id = i.id",
}
# The number of connections: enough to keep the server busy.
THREADS = 4


class Verdict(enum.Enum):
    EQUAL = "equal"
    DIFFERENT = "different"
    # INVALID_ARGUMENT with a hint: the server may return it instead of rows.
    REJECTED = "rejected"
    FAILED = "failed"
    NOT_ACCEPTED = "not accepted by DuckDB"


@dataclasses.dataclass(frozen=True)
class Answer:
    """Rows, or the text of an error."""

    rows: list | None = None
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The results of a statement (an object with `sql` and `ordered`)."""

    statement: object
    ours: Answer
    theirs: Answer

    @functools.cached_property
    def verdict(self):
        if self.theirs.error:
            return Verdict.NOT_ACCEPTED
        if self.ours.error:
            refused = "(InvalidArgument; " in self.ours.error and "\nhint: " in self.ours.error
            return Verdict.REJECTED if refused else Verdict.FAILED
        equal = same(self.ours.rows, self.theirs.rows, self.statement.ordered)
        return Verdict.EQUAL if equal else Verdict.DIFFERENT

    @property
    def kind(self):
        """The first line of the error, without the names in it."""
        line = self.ours.error.partition("\n")[0].removeprefix("INVALID_ARGUMENT: ").removeprefix("[FlightSQL] ")
        return re.sub(r"`[^`]*`", "`…`", line)

    def __str__(self):
        return f"{self.statement.sql}\n  server: {_shown(self.ours)}\n  DuckDB: {_shown(self.theirs)}"


def load(server):
    """A DuckDB database with the rows of all tables, loaded from the server as Arrow."""
    database = duckdb.connect(config={"threads": 1})
    with adbc_driver_flightsql.dbapi.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        for name, sql in TABLES.items():
            database.register("loaded", cursor.execute(sql).fetch_arrow_table())
            database.execute(f"CREATE TABLE {name} AS SELECT * FROM loaded").fetchall()
            database.unregister("loaded")
    return database


def run(statements, server, database):
    """The outcomes of the statements, in the same order."""
    own = threading.local()
    connections = []

    def connect():
        own.server = adbc_driver_flightsql.dbapi.connect(server, autocommit=True)
        connections.append(own.server)
        own.duckdb = database.cursor()
        own.duckdb.execute("SET TimeZone = 'UTC'").fetchall()

    def ask(statement):
        return Outcome(statement, ask_server(own.server, statement.sql), ask_duckdb(own.duckdb, statement.sql))

    with concurrent.futures.ThreadPoolExecutor(THREADS, initializer=connect) as pool:
        outcomes = list(pool.map(ask, statements))
    for connection in connections:
        connection.close()
    return outcomes


def ask_server(connection, sql):
    statement = adbc_driver_manager.AdbcStatement(connection.adbc_connection)
    try:
        # Not the DB-API's cursor: it prepares the statement first, which plans it twice.
        statement.set_sql_query(sql)
        handle, _ = statement.execute_query()
        return Answer(rows(pyarrow.RecordBatchReader._import_from_c(handle.address).read_all()))
    except (adbc_driver_manager.Error, pyarrow.ArrowException, OSError) as error:
        # An error while rows are read is raised by pyarrow, with the driver's text.
        return Answer(error=str(error))
    finally:
        statement.close()


def ask_duckdb(connection, sql):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Answer(rows(connection.sql(sql).to_arrow_table()))
    except duckdb.Error as error:
        return Answer(error=f"{type(error).__name__}: {error}")


def rows(table):
    """A table's rows as tuples of (kind, value), which are equal if SQL's values are, independent of their types."""
    columns = [[_value(value) for value in _plain(column)] for column in table.columns]
    return list(zip(*columns))


class _Instant(int):
    """Nanoseconds since 1970, in UTC."""


_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def _plain(column):
    """A column's values in Python, times with nanoseconds."""
    if pyarrow.types.is_timestamp(column.type):
        scale, column = _UNITS[column.type.unit], column.cast(pyarrow.int64())
    elif pyarrow.types.is_date(column.type):
        scale, column = 86_400 * 10**9, column.cast(pyarrow.date32()).cast(pyarrow.int32())
    else:
        return column.to_pylist()
    return [None if value is None else _Instant(value * scale) for value in column.to_pylist()]


def _value(value):
    match value:
        case None:
            return ("NULL", None)
        case bool():
            return ("boolean", value)
        case _Instant():
            return ("instant", int(value))
        case int() | decimal.Decimal():
            return ("number", decimal.Decimal(value))
        case float():
            return ("number", value)
        case list():
            return ("list", tuple(_value(item) for item in value))
        case dict():
            return ("struct", tuple(_value(item) for item in value.values()))
        case _:
            return (type(value).__name__, value)


def same(ours, theirs, ordered):
    """Whether both have the same rows; in the same order, if the statement orders them."""
    if len(ours) != len(theirs):
        return False
    if not ordered:
        ours, theirs = sorted(ours, key=_sorting), sorted(theirs, key=_sorting)
    return all(len(a) == len(b) and all(map(_equal, a, b)) for a, b in zip(ours, theirs))


def _equal(ours, theirs):
    if ours[0] != theirs[0]:
        return False
    if ours[0] in ("list", "struct"):
        return len(ours[1]) == len(theirs[1]) and all(map(_equal, ours[1], theirs[1]))
    if isinstance(ours[1], float) or isinstance(theirs[1], float):
        a, b = float(ours[1]), float(theirs[1])
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(a) and math.isnan(b))
    return ours == theirs


def _sorting(row):
    # Numbers are sorted by nine digits, so that floats that differ in later digits are neighbours.
    return [f"{kind} {value:.9e}" if kind == "number" else f"{kind} {value}" for kind, value in row]


def _shown(answer, most=8):
    if answer.error:
        return answer.error
    shown = [" ".join("NULL" if value is None else str(value) for _, value in row) for row in answer.rows[:most]]
    return f"{len(answer.rows)} rows: {'; '.join(shown)}{' …' if len(answer.rows) > most else ''}"
