"""Raw Flight SQL with pyarrow.flight: calls that the drivers do not make."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pyarrow
import pytest
from pyarrow import flight

import flightsql_wire as wire
import page
from errors import readable

# A call that hangs fails with FlightTimedOutError.
SOON = flight.FlightCallOptions(timeout=20)

STRING, BYTES = pyarrow.string(), pyarrow.binary()


def required(name, type):
    return pyarrow.field(name, type, nullable=False)


# The schemas of metadata results in FlightSql.proto, with nullability.
CATALOGS = pyarrow.schema([required("catalog_name", STRING)])
DB_SCHEMAS = pyarrow.schema([pyarrow.field("catalog_name", STRING), required("db_schema_name", STRING)])
TABLES = pyarrow.schema(
    [
        pyarrow.field("catalog_name", STRING),
        pyarrow.field("db_schema_name", STRING),
        required("table_name", STRING),
        required("table_type", STRING),
    ]
)
TABLES_WITH_SCHEMA = TABLES.append(required("table_schema", BYTES))
TABLE_TYPES = pyarrow.schema([required("table_type", STRING)])
METADATA = {
    "catalogs": wire.get_catalogs(),
    "schemas": wire.get_db_schemas(),
    "tables": wire.get_tables(),
    "tables with their schemas": wire.get_tables(include_schema=True),
    "table types": wire.get_table_types(),
    "primary keys": wire.get_primary_keys("images"),
    "exported keys": wire.get_exported_keys("images"),
    "imported keys": wire.get_imported_keys("image_actions"),
    "cross reference": wire.get_cross_reference("images", "image_actions"),
    "sql info": wire.get_sql_info(),
    "some sql info": wire.get_sql_info(0, 1, 2, 3, 8),
    "xdbc types": wire.get_xdbc_type_info(),
}


@pytest.fixture
def client(server):
    with flight.connect(server) as client:
        yield client


def info_of(client, command):
    return client.get_flight_info(flight.FlightDescriptor.for_command(command), SOON)


def ask(client, command):
    """All rows of a command."""
    tables = [client.do_get(endpoint.ticket, SOON).read_all() for endpoint in info_of(client, command).endpoints]
    return pyarrow.concat_tables(tables)


def tables_of(client, **arguments):
    return ask(client, wire.get_tables(**arguments)).to_pylist()


class TestStatements:
    @pytest.mark.parametrize(
        "sql",
        [page.LIST, page.GET, "SELECT * FROM image_actions WHERE image_id = 1 AND image_id = 2", "SELECT 1 AS one"],
    )
    def test_info_schema_and_data_agree_on_the_schema(self, client, sql):
        descriptor = flight.FlightDescriptor.for_command(wire.statement_query(sql))
        info = client.get_flight_info(descriptor, SOON)
        schema = client.get_schema(descriptor, SOON).schema
        reader = client.do_get(info.endpoints[0].ticket, SOON)

        assert info.schema.equals(schema, check_metadata=True)
        assert reader.schema.equals(schema, check_metadata=True)
        assert reader.read_all().schema.equals(schema, check_metadata=True)

    def test_a_ticket_of_a_select_can_be_read_twice(self, client):
        [endpoint] = info_of(client, wire.statement_query(page.LIST)).endpoints
        first = client.do_get(endpoint.ticket, SOON).read_all()
        second = client.do_get(endpoint.ticket, SOON).read_all()

        assert first.num_rows == page.ACTIONS
        assert second.sort_by("id").equals(first.sort_by("id"))

    def test_a_ticket_works_on_another_connection(self, client, server):
        [endpoint] = info_of(client, wire.statement_query(page.GET)).endpoints

        with flight.connect(server) as other:
            assert other.do_get(endpoint.ticket, SOON).read_all().num_rows == 1

    def test_no_endpoint_names_a_location(self, client):
        commands = {"a statement": wire.statement_query(page.LIST), **METADATA}

        for what, command in commands.items():
            endpoints = info_of(client, command).endpoints
            assert [endpoint.locations for endpoint in endpoints] == [[]] * len(endpoints), what
            assert endpoints, what

    def test_a_prepared_statement_agrees_with_its_info_and_data(self, client):
        [made] = client.do_action(("CreatePreparedStatement", wire.create_prepared_statement(page.LIST)), SOON)
        prepared = wire.unpack(made.body.to_pybytes(), "ActionCreatePreparedStatementResult")
        schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(prepared[2]))
        info = info_of(client, wire.prepared_statement_query(prepared[1]))
        data = client.do_get(info.endpoints[0].ticket, SOON).read_all()
        list(client.do_action(("ClosePreparedStatement", wire.close_prepared_statement(prepared[1])), SOON))

        assert info.schema.equals(schema, check_metadata=True)
        assert data.schema.equals(schema, check_metadata=True)
        assert data.num_rows == page.ACTIONS


class TestTheTour:
    MANY = "SELECT value FROM generate_series(1, 100000)"

    def bound(self, client, sql, values):
        """The rows of a prepared statement with the values as its parameters."""
        [made] = client.do_action(("CreatePreparedStatement", wire.create_prepared_statement(sql)), SOON)
        handle = wire.unpack(made.body.to_pybytes(), "ActionCreatePreparedStatementResult")[1]
        descriptor = flight.FlightDescriptor.for_command(wire.prepared_statement_query(handle))
        writer, reader = client.do_put(descriptor, values.schema, SOON)
        with writer:
            writer.write_batch(values)
            writer.done_writing()
            handle = wire.fields(reader.read().to_pybytes())[1]
        return ask(client, wire.prepared_statement_query(handle))

    def test_previews_of_all_tables(self, client):
        for table in tables_of(client):
            name = f"{table['catalog_name']}.{table['db_schema_name']}.{table['table_name']}"
            assert ask(client, wire.statement_query(f"SELECT * FROM {name} LIMIT 100")).num_rows <= 100, name

    @pytest.mark.parametrize("key, expected", [(page.IMAGE, page.ACTIONS), (7, 0), (None, 0)])
    def test_a_parameter(self, client, key, expected):
        values = pyarrow.record_batch([pyarrow.array([key], pyarrow.int64())], ["image"])

        assert self.bound(client, "SELECT id FROM image_actions WHERE image_id = ?", values).num_rows == expected

    def test_a_join(self, client):
        sql = "SELECT i.id, a.id FROM images i JOIN image_actions a ON a.image_id = i.id WHERE i.id = "

        assert ask(client, wire.statement_query(f"{sql}{page.IMAGE}")).num_rows == page.ACTIONS

    def test_an_error_has_a_hint_and_the_connection_still_works(self, client):
        with pytest.raises(pyarrow.ArrowInvalid) as refused:
            ask(client, wire.statement_query("SELECT id FROM image_action"))

        assert "hint: did you mean `image_actions`?" in readable(refused)
        assert ask(client, wire.statement_query(page.GET)).num_rows == 1

    @pytest.mark.parametrize("chunks", [0, 1])
    def test_a_result_is_cancelled(self, client, chunks):
        sql = "SELECT value FROM generate_series(1, 1000000000000)"
        [endpoint] = info_of(client, wire.statement_query(sql)).endpoints
        reader = client.do_get(endpoint.ticket, SOON)
        for _ in range(chunks):
            assert reader.read_chunk().data.num_rows > 0
        reader.cancel()

        # Not read_all, which takes the cancellation for Ctrl-C.
        with pytest.raises(flight.FlightCancelledError):
            while True:
                reader.read_chunk()

    def test_a_hundred_thousand_rows(self, client):
        values = ask(client, wire.statement_query(self.MANY))["value"].to_pylist()

        assert sorted(values) == list(range(1, 100_001))

    def test_timestamps_are_those_of_the_api(self, client, account):
        found = ask(client, wire.statement_query(page.LIST))

        actions, _ = account.rows(f"images/{page.IMAGE}/actions")
        started = {action["id"]: datetime.fromisoformat(action["started_at"]) for action in actions}
        assert dict(zip(found["id"].to_pylist(), found["started_at"].to_pylist())) == started

    def test_two_statements_at_once(self, client):
        with ThreadPoolExecutor(2) as threads:
            results = threads.map(lambda sql: ask(client, wire.statement_query(sql)).num_rows, [self.MANY, page.LIST])

        assert list(results) == [100_000, page.ACTIONS]


class _Handler(flight.ClientAuthHandler):
    """Writes a message; the ODBC driver's is empty. With a payload, it waits for an answer."""

    def __init__(self, message):
        super().__init__()
        self.message = message
        self.answer = None

    def authenticate(self, outgoing, incoming):
        outgoing.write(self.message)
        if self.message:
            self.answer = incoming.read()

    def get_token(self):
        return b""


class TestHandshake:
    @pytest.mark.parametrize("message", [b"", b"hello"])
    def test_a_client_that_writes_messages(self, server, message):
        for _ in range(20):
            with flight.connect(server) as client:
                handler = _Handler(message)
                client.authenticate(handler, SOON)
                assert handler.answer == (b"" if message else None)
                assert ask(client, wire.get_catalogs()).num_rows > 0

    def test_a_client_with_a_password(self, server):
        with flight.connect(server) as client:
            header, token = client.authenticate_basic_token("anybody", "secret", SOON)

            assert (header, token[:7]) == (b"authorization", b"Bearer ")


class TestMetadata:
    @pytest.mark.parametrize("what", METADATA)
    def test_info_and_data_agree_on_the_schema(self, client, what):
        info = info_of(client, METADATA[what])
        data = client.do_get(info.endpoints[0].ticket, SOON).read_all()

        assert data.schema.equals(info.schema, check_metadata=True)

    @pytest.mark.parametrize(
        "what, schema",
        [
            ("catalogs", CATALOGS),
            ("schemas", DB_SCHEMAS),
            ("tables", TABLES),
            ("tables with their schemas", TABLES_WITH_SCHEMA),
            ("table types", TABLE_TYPES),
        ],
    )
    def test_the_schemas_are_those_of_the_specification(self, client, what, schema):
        assert ask(client, METADATA[what]).schema.equals(schema)

    @pytest.mark.parametrize("catalog", [None, "digitalocean"])
    def test_schemas_with_and_without_a_catalog(self, client, catalog):
        rows = ask(client, wire.get_db_schemas(catalog)).to_pylist()

        assert {"catalog_name": "digitalocean", "db_schema_name": "compute"} in rows
        assert {"catalog_name": "digitalocean", "db_schema_name": "information_schema"} in rows

    @pytest.mark.parametrize("catalog", [None, "digitalocean"])
    def test_tables_with_and_without_a_catalog(self, client, catalog):
        names = [
            (row["catalog_name"], row["db_schema_name"], row["table_name"], row["table_type"])
            for row in tables_of(client, catalog=catalog, schema_pattern="compute")
        ]

        assert ("digitalocean", "compute", "image_actions", "TABLE") in names
        assert ("digitalocean", "compute", "images", "TABLE") in names
        assert names == sorted(names)

    @pytest.mark.parametrize("catalog", ["", "elsewhere", "digital%"])
    def test_a_catalog_is_not_a_pattern(self, client, catalog):
        assert tables_of(client, catalog=catalog) == []
        assert ask(client, wire.get_db_schemas(catalog)).num_rows == 0

    @pytest.mark.parametrize(
        "pattern, names",
        [
            ("image_actions", ["image_actions"]),
            ("image\\_actions", ["image_actions"]),
            ("image_action_", ["image_actions"]),
            ("%_actions", ["image_actions"]),
            ("image", []),
            ("", []),
        ],
    )
    def test_a_tables_name_is_a_pattern(self, client, pattern, names):
        found = tables_of(client, schema_pattern="comp%", table_pattern=pattern)

        assert [row["table_name"] for row in found if row["table_name"].startswith("image_")] == names

    def test_tables_are_filtered_by_type(self, client):
        assert {row["table_type"] for row in tables_of(client, types=["TABLE"])} == {"TABLE"}
        assert {row["table_type"] for row in tables_of(client, types=["base table"])} == {"TABLE"}
        assert tables_of(client, types=["NO SUCH TYPE"]) == []

    def test_every_tables_type_is_a_table_type(self, client):
        types = ask(client, wire.get_table_types())["table_type"].to_pylist()

        assert {row["table_type"] for row in tables_of(client)} <= set(types)

    def test_a_tables_schema_is_that_of_its_rows(self, client):
        [row] = tables_of(client, schema_pattern="compute", table_pattern="image\\_actions", include_schema=True)
        schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(row["table_schema"]))
        data = ask(client, wire.statement_query(f"SELECT * FROM image_actions WHERE image_id = {page.IMAGE} LIMIT 1"))

        assert schema.names == page.COLUMNS
        # All columns of a result are nullable; those of the table have the declared nullability.
        assert data.schema.types == schema.types

    def test_sql_info_returns_the_requested_ids(self, client):
        some = ask(client, wire.get_sql_info(0, 8))
        every = ask(client, wire.get_sql_info())

        assert some["info_name"].to_pylist() == [0, 8]
        assert set(range(9)) <= set(every["info_name"].to_pylist())

    def test_types_are_filtered_by_number(self, client):
        every = ask(client, wire.get_xdbc_type_info())
        numbers = every["data_type"].to_pylist()

        assert numbers == sorted(numbers)
        [bigint] = ask(client, wire.get_xdbc_type_info(0xFFFFFFFFFFFFFFFB)).to_pylist()  # -5, XDBC_BIGINT
        assert bigint["data_type"] == -5


class TestNonsense:
    """Bytes that do not decode are the client's mistake: INVALID_ARGUMENT at once, with a readable message."""

    RANDOM = [random.Random(seed).randbytes(length) for seed, length in enumerate([1, 2, 7, 16, 64, 300, 5000])]

    def refused(self, call):
        with pytest.raises(pyarrow.ArrowInvalid) as refused:
            call()
        message = str(refused.value)
        assert len(message) < 1000, message
        assert "DecodeError" not in message and "Some(" not in message, message

    @pytest.mark.parametrize("bytes", [b"", *RANDOM], ids=len)
    def test_a_descriptor(self, client, bytes):
        descriptor = flight.FlightDescriptor.for_command(bytes)

        self.refused(lambda: client.get_flight_info(descriptor, SOON))
        self.refused(lambda: client.get_schema(descriptor, SOON))

    @pytest.mark.parametrize("bytes", [b"", *RANDOM], ids=len)
    def test_a_ticket(self, client, bytes):
        self.refused(lambda: client.do_get(flight.Ticket(bytes), SOON).read_all())

    @pytest.mark.parametrize("bytes", RANDOM, ids=len)
    def test_a_handle_in_a_proper_message(self, client, bytes):
        ticket = flight.Ticket(wire.ticket_statement_query(bytes))

        self.refused(lambda: client.do_get(ticket, SOON).read_all())
        self.refused(lambda: info_of(client, wire.prepared_statement_query(bytes)))

    def test_a_command_with_a_broken_body(self, client):
        self.refused(lambda: info_of(client, wire.any_of("CommandStatementQuery", b"\xff\xff\xff")))

    def test_a_path(self, client):
        self.refused(lambda: client.get_flight_info(flight.FlightDescriptor.for_path("images"), SOON))

    def test_a_command_that_does_not_exist(self, client):
        with pytest.raises((pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError)):
            info_of(client, wire.any_of("CommandMakeCoffee"))

    def test_an_action_that_does_not_exist(self, client):
        with pytest.raises((pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError)):
            list(client.do_action(("MakeCoffee", b""), SOON))

    def test_the_server_still_runs(self, client):
        assert ask(client, wire.statement_query(page.GET)).num_rows == 1
