"""EXEC and CALL, each of which is executed once; SHOW and DESCRIBE.

Executions are counted by the simulated account, not by the driver.
"""

import datetime
import re
from concurrent.futures import ThreadPoolExecutor

import adbc_driver_flightsql.dbapi
import pyarrow
import pytest
from adbc_driver_flightsql.dbapi import ProgrammingError
from pyarrow import flight

import flightsql_wire as wire
import page
from errors import readable

TABLE = "digitalocean.compute.image_actions"
METHOD = f"{TABLE}.image_actions_post"
PREPARED = f"EXEC {METHOD} @image_id=?, @type='transfer', @region=?"

# An error with an unknown outcome lists actions and a query to check, so it is longer than other errors.
LONGER = 1_600


def transfer(image, region, hint="", more=""):
    return f"EXEC {hint}{METHOD} @image_id='{image}', @type='transfer', @region='{region}'{more}"


def newest(ask, image, region):
    """The id of the newest action of the image in the region."""
    actions = ask(f"SELECT max(id) AS id FROM {TABLE} WHERE image_id = ? AND region_slug = ?", (image, region))
    return actions["id"][0].as_py()


def wait_until(holds):
    """Waits for a condition; pytest-timeout ends it if it is never true."""
    while not holds():
        pass


@pytest.fixture
def refused(ask, sent):
    """refused(sql, parameters) is the error of a statement that sends no POST."""

    def refused(sql, parameters=None):
        with pytest.raises(ProgrammingError) as error:
            ask(sql, parameters)
        assert sent() == 0
        return readable(error)

    return refused


@pytest.fixture
def done(ask, posts, sent):
    """done(sql, parameters) is the row of a statement that sends one POST."""

    def done(sql, parameters=None):
        table = ask(sql, parameters)
        assert (sent(), posts()) == (1, 1)
        assert table.schema.equals(ask(f"SELECT * FROM {TABLE} WHERE image_id = 1 AND image_id = 2").schema)
        assert table.column_names == page.COLUMNS
        [row] = table.to_pylist()
        return row

    return done


def written(form, image, region=None):
    """A statement of TestForms for this image."""
    return form.replace("METHOD", METHOD).replace("IMAGE", str(image)).replace("REGION", str(region))


class TestForms:
    TRANSFERS = {
        "named arguments": "EXEC METHOD @image_id='IMAGE', @type='transfer', @region='REGION'",
        "an id that is a number": "EXEC METHOD @image_id=IMAGE, @type='transfer', @region='REGION'",
        "a JSON body": """EXEC METHOD @image_id='IMAGE' @@json='{"type": "transfer", "region": "REGION"}'""",
        "a JSON body after a comma": """
            EXEC METHOD
            @image_id='IMAGE',
            @@json='{"type": "transfer", "region": "REGION"}';
        """,
        "a JSON body beside a named argument": """
            EXEC METHOD @image_id='IMAGE', @type='transfer' @@json='{"region": "REGION"}'
        """,
        "a JSON body that says the same": """
            EXEC METHOD @image_id='IMAGE', @type='transfer', @@json='{"type": "transfer", "region": "REGION"}'
        """,
        "comments": """
            -- the image goes elsewhere
            EXEC METHOD -- the method
            @image_id='IMAGE', -- required
            @type='transfer', /* not @type='convert' */
            @region='REGION' --required;
        """,
        "a semicolon": "EXEC METHOD @image_id='IMAGE', @type='transfer', @region='REGION' ;\n",
        "lower case": "exec METHOD @image_id='IMAGE', @type='transfer', @region='REGION'",
        "SHOWRESULTS": "EXEC /*+ SHOWRESULTS */ METHOD @image_id='IMAGE', @type='transfer', @region='REGION'",
        "CALL": "CALL METHOD(image_id => IMAGE, type => 'transfer', region => 'REGION')",
        "CALL with a JSON body": """
            CALL METHOD(image_id => IMAGE, json => '{"type": "transfer", "region": "REGION"}')
        """,
        "images.transfer": "EXEC digitalocean.compute.images.transfer @image_id='IMAGE', @region='REGION'",
        "a short name": "EXEC images.transfer @image_id='IMAGE', @region='REGION'",
    }
    AWAITED = {
        "AWAIT": "EXEC /*+ AWAIT */ METHOD @image_id='IMAGE', @type='transfer', @region='REGION'",
        "AWAIT and SHOWRESULTS": """
            EXEC /*+ SHOWRESULTS, AWAIT */ METHOD @image_id='IMAGE', @type='transfer', @region='REGION'
        """,
        "@@await": "EXEC METHOD @image_id='IMAGE', @type='transfer', @region='REGION', @@await='10m'",
        "CALL": "CALL METHOD(image_id => IMAGE, type => 'transfer', region => 'REGION', await => '10m')",
    }
    CONVERSIONS = {
        "images.convert": ("EXEC digitalocean.compute.images.convert @image_id='IMAGE'", "in-progress"),
        "CALL that awaits": ("CALL METHOD(image_id => IMAGE, type => 'convert', await => '10m')", "completed"),
    }

    @pytest.mark.parametrize("form", TRANSFERS)
    def test_a_transfer_is_started_once(self, done, account, form):
        image, region = account.transfer()

        row = done(written(self.TRANSFERS[form], image, region))

        assert (row["image_id"], row["type"], row["region_slug"]) == (image, "transfer", region)
        assert (row["resource_id"], row["action_id"]) == (image, row["id"])
        assert (row["status"], row["completed_at"]) == ("in-progress", None)

    @pytest.mark.parametrize("form", AWAITED)
    def test_a_transfer_is_awaited(self, done, ask, account, form):
        image, region = account.transfer()

        row = done(written(self.AWAITED[form], image, region))

        assert (row["image_id"], row["type"], row["region_slug"]) == (image, "transfer", region)
        assert row["status"] == "completed"
        same = ask(f"SELECT * FROM {TABLE} WHERE image_id = ? AND action_id = ?", (image, row["id"]))
        assert same.to_pylist() == [row]

    @pytest.mark.parametrize("form", CONVERSIONS)
    def test_a_backup_is_converted_once(self, done, account, form):
        image = account.backup()
        statement, status = self.CONVERSIONS[form]

        row = done(written(statement, image))

        assert (row["image_id"], row["type"], row["status"]) == (image, "convert", status)


class TestParameters:
    FORMS = {
        "question marks": (PREPARED, lambda image, region: (image, region)),
        "a number as text": (PREPARED, lambda image, region: (str(image), region)),
        "numbers": (
            f"EXEC {METHOD} @image_id=$2, @type='transfer', @region=$1",
            lambda image, region: (region, image),
        ),
        "every value": (
            f"EXEC {METHOD} @image_id=?, @type=?, @region=?",
            lambda image, region: (image, "transfer", region),
        ),
        "the JSON body": (
            f"EXEC {METHOD} @image_id=? @@json=?",
            lambda image, region: (image, f'{{"type": "transfer", "region": "{region}"}}'),
        ),
        "the time to wait": (f"{PREPARED}, @@await=?", lambda image, region: (image, region, "10m")),
        "no time to wait": (f"{PREPARED}, @@await=?", lambda image, region: (image, region, None)),
        "CALL": (
            f"CALL {METHOD}(image_id => ?, type => 'transfer', region => ?)",
            lambda image, region: (image, region),
        ),
        "images.transfer": (
            "EXEC digitalocean.compute.images.transfer @image_id=?, @region=?",
            lambda image, region: (image, region),
        ),
    }

    @pytest.mark.parametrize("form", FORMS)
    def test_values_are_bound(self, done, account, form):
        image, region = account.transfer()
        sql, values = self.FORMS[form]

        row = done(sql, values(image, region))

        assert (row["image_id"], row["type"], row["region_slug"]) == (image, "transfer", region)
        assert row["status"] == ("completed" if form == "the time to wait" else "in-progress")

    def test_a_prepared_exec_that_is_executed_twice_posts_twice(self, connection, account, posts):
        with connection.cursor() as cursor:
            cursor.adbc_prepare(PREPARED)
            assert posts() == 0
            rows = [cursor.execute(PREPARED, account.transfer()).fetch_arrow_table().to_pylist() for _ in range(2)]

        [[first], [second]] = rows
        assert posts() == 2
        assert second["id"] > first["id"]

    def test_the_same_values_once_more_are_another_execution(self, connection, account, posts, sent):
        values = account.transfer()
        with connection.cursor() as cursor:
            cursor.execute(f"{PREPARED}, @@await='10m'", values).fetchall()
            with pytest.raises(ProgrammingError) as error:
                cursor.execute(f"{PREPARED}, @@await='10m'", values).fetchall()

        assert "already in that region" in readable(error)
        assert (sent(), posts()) == (2, 1)

    def test_prepare_returns_the_parameters_types(self, connection, sent):
        with connection.cursor() as cursor:
            schema = cursor.adbc_prepare(f"EXEC {METHOD} @image_id=?, @type=?, @region=?, @@await=?")

        assert [field.type for field in schema] == [pyarrow.int64(), *[pyarrow.string()] * 3]
        assert sent() == 0

    @pytest.mark.parametrize(
        "values, expected",
        [
            ((None, "nyc3"), "needs `image_id`"),
            ((page.IMAGE, None), "needs `region`"),
            (("abc", "nyc3"), "abc"),
            ((1.5, "nyc3"), "`image_id` must be Int64"),
            # A lossy cast would convert these to 1 and 18262.
            ((True, "nyc3"), "`image_id` must be Int64"),
            ((datetime.date(2020, 1, 1), "nyc3"), "`image_id` has no value"),
            ((page.IMAGE, 5), "`region` must be Utf8"),
            ((page.IMAGE,), "2 parameters"),
            ((page.IMAGE, "nyc3", 1), "2 parameters"),
        ],
        ids=str,
    )
    def test_values_that_cannot_be_sent_are_refused(self, refused, values, expected):
        assert expected in refused(PREPARED, values)


class TestMany:
    """executemany: one execution for each row, in order, until one fails."""

    def test_each_row_is_executed_in_order(self, connection, account, ask, posts, sent):
        rows = [account.transfer() for _ in range(3)]

        with connection.cursor() as cursor:
            cursor.executemany(PREPARED, rows)
            assert cursor.rowcount == 3

        assert (sent(), posts()) == (3, 3)
        ids = [newest(ask, *row) for row in rows]
        assert ids == sorted(set(ids))

    def test_the_rows_can_be_arrow_batches(self, connection, account, posts):
        pairs = [account.transfer() for _ in range(2)]
        batches = [pyarrow.record_batch([[image], [region]], ["image", "region"]) for image, region in pairs]
        with connection.cursor() as cursor:
            cursor.executemany(PREPARED, pyarrow.Table.from_batches(batches))

        assert posts() == 2

    def test_one_row_is_executed_once(self, connection, account, posts):
        with connection.cursor() as cursor:
            cursor.executemany(PREPARED, [account.transfer()])

        assert posts() == 1

    def test_without_a_row_nothing_is_executed(self, connection, sent):
        with connection.cursor() as cursor:
            cursor.executemany(PREPARED, [])

        assert sent() == 0

    def test_it_stops_at_the_first_failure_and_the_error_lists_the_executed_rows(
        self, connection, account, ask, posts, sent
    ):
        done, failing, left = [account.transfer(), account.transfer()], account.refused_transfer(), account.transfer()
        with connection.cursor() as cursor, pytest.raises(ProgrammingError) as error:
            cursor.executemany(PREPARED, [*done, failing, left])

        message = readable(error)
        assert (sent(), posts()) == (3, 2)
        assert "row 3 of 4: DigitalOcean rejected POST " in message
        assert "done before it: " + ", ".join(f"id {newest(ask, *row)}" for row in done) + ";" in message
        assert "already in that region" in message

    def test_the_first_of_all_rows_can_fail(self, connection, account, posts, sent):
        with connection.cursor() as cursor, pytest.raises(ProgrammingError) as error:
            cursor.executemany(PREPARED, [account.refused_transfer(), account.transfer()])

        message = readable(error)
        assert (sent(), posts()) == (1, 0)
        assert "row 1 of 2: DigitalOcean rejected POST " in message and "done before" not in message

    @pytest.mark.parametrize(
        "rows, expected",
        [
            ([(page.IMAGE, "ams3"), (page.IMAGE, None)], "needs `region`"),
            ([(page.IMAGE, "ams3"), (None, "ams3")], "needs `image_id`"),
            ([(page.IMAGE, "ams3")] * 21, "more than 20 rows"),
        ],
        ids=["no region", "no image", "too many"],
    )
    def test_all_rows_are_checked_before_the_first_is_sent(self, connection, sent, rows, expected):
        with connection.cursor() as cursor, pytest.raises(ProgrammingError) as error:
            cursor.executemany(PREPARED, rows)

        assert expected in readable(error)
        assert sent() == 0

    def test_a_statement_without_parameters_is_an_update_too(self, connection, account, posts):
        with connection.cursor() as cursor:
            cursor.adbc_statement.set_sql_query(transfer(*account.transfer()))
            assert cursor.adbc_statement.execute_update() == 1

        assert posts() == 1

    def test_a_query_is_not_an_update(self, connection):
        with connection.cursor() as cursor, pytest.raises(ProgrammingError) as error:
            cursor.executemany("SELECT CAST(? AS BIGINT)", [(1,), (2,)])

        assert "not an update" in readable(error)


class TestRejected:
    """A wrong EXEC is not sent, and the error shows a statement that would work."""

    def test_the_pages_own_exec_lacks_a_type(self, refused):
        message = refused(page.exec_of(page.IMAGE))

        assert "needs `type`" in message
        assert f"EXEC {METHOD} @image_id='{page.IMAGE}', @type='convert'" in message

    def test_the_statement_in_its_error_works(self, refused, done, account):
        image = account.backup()
        statement = re.search(r"EXEC .*'", refused(page.exec_of(image)))[0]

        row = done(statement)

        assert (row["image_id"], row["type"]) == (image, "convert")

    @pytest.mark.parametrize(
        "arguments, problem, statement",
        [
            ("@type='convert'", "needs `image_id`", "@image_id='62137902', @type='convert'"),
            ("@image_id='7', @type='transfer'", "needs `region`", "@image_id='7', @type='transfer', @region="),
            ("@image_id='7', @typ='convert'", "no parameter `typ`", "did you mean `type`?"),
            ("@image_id='7', @type='transfr', @region='nyc3'", "`transfr`", "@type='transfer', @region='nyc3'"),
            ("@image_id='seven', @type='convert'", "`seven`", "@type='convert'"),
            ("@image_id=true, @type='convert'", "`true`", "@type='convert'"),
            ("@image_id='7', @type='convert', @region='nyc3'", "`region`", "@image_id='7', @type='convert'"),
            ("@image_id='7', @image_id='8', @type='convert'", "twice", "@type='convert'"),
            ("@image_id='7' @@json='[1]'", "not an object", "@image_id='7', @type='convert'"),
            ("@image_id='7' @@json='{'", "not an object", "@image_id='7', @type='convert'"),
            ("@image_id='7' @@json='{\"size\": 1}'", "`size`", "@type"),
            ("@image_id='7', @type='convert' @@json='{\"type\": \"transfer\"}'", "`transfer`", "@type='convert'"),
        ],
    )
    def test_wrong_arguments(self, refused, arguments, problem, statement):
        message = refused(f"EXEC {METHOD} {arguments}")

        text, hint = message.split("\nhint: ")
        assert problem in text
        assert f"EXEC {METHOD}" in hint and statement in hint

    @pytest.mark.parametrize(
        "sql, expected",
        [
            (f"EXEC {METHOD}s @image_id='7'", f"did you mean `{METHOD}`?"),
            ("EXEC digitalocean.compute.images.transfr @image_id='7'", "images.transfer"),
            (f"EXEC {TABLE}.image_actions_list @image_id='7'", f"SELECT * FROM {TABLE}"),
            (f"CALL {METHOD}(7, 'convert')", "has no name"),
            (f"EXEC {METHOD} @image_id='7', @type=convert", "convert"),
            (f"EXEC {METHOD} @image_id='7' @type='convert'", "comma"),
            (f"EXEC {METHOD} @image_id='7', @type='convert', @@await='soon'", "`soon`"),
            (f"EXEC {METHOD} @image_id='7', @type='convert', @@wait='1m'", "@@wait"),
            (f"EXEC /*+ AWAITS */ {METHOD} @image_id='7', @type='convert'", "`AWAITS`"),
        ],
    )
    def test_wrong_statements(self, refused, sql, expected):
        assert expected in refused(sql)

    def test_two_statements_at_once(self, refused):
        assert "2 statements" in refused(f"{transfer(7, 'nyc3')}; {transfer(7, 'ams3')}")

    @pytest.mark.parametrize("explain", ["EXPLAIN ANALYZE", "EXPLAIN ANALYZE VERBOSE", "explain /* it */ analyze"])
    def test_explain_analyze_is_rejected(self, refused, explain):
        assert "would run the EXEC" in refused(f"{explain} {transfer(7, 'nyc3')}")
        assert "would run the EXEC" in refused(f"{explain} CALL {METHOD}(image_id => 7, type => 'convert')")

    def test_a_rejection_by_the_api_has_its_message(self, ask, account, posts):
        with pytest.raises(ProgrammingError) as error:
            ask(transfer(*account.refused_transfer()))

        assert "422" in readable(error) and "already in that region" in readable(error)
        assert posts() == 0


class TestNothingIsSent:
    def test_by_preparing(self, connection, sent):
        with connection.cursor() as cursor:
            cursor.adbc_prepare(transfer(7, "nyc3"))

        assert sent() == 0

    def test_by_asking_for_the_schema(self, connection, sent):
        with connection.cursor() as cursor:
            schema = cursor.adbc_execute_schema(transfer(7, "nyc3"))

        assert schema.names == page.COLUMNS
        assert sent() == 0

    @pytest.mark.parametrize("explain", ["EXPLAIN", "EXPLAIN VERBOSE"])
    def test_by_explain_which_shows_the_request(self, ask, sent, explain):
        plans = "\n".join(ask(f"{explain} {transfer(7, 'nyc3')}")["plan"].to_pylist())

        assert 'POST /v2/images/7/actions {"region":"nyc3","type":"transfer"}' in plans
        assert sent() == 0

    def test_by_making_partitions_which_are_read_later(self, connection, account, posts):
        with connection.cursor() as cursor:
            [partition], schema = cursor.adbc_execute_partitions(transfer(*account.transfer()))
            assert (schema.names, posts()) == (page.COLUMNS, 0)

            rows = []
            for _ in range(2):
                cursor.adbc_read_partition(partition)
                rows.append(cursor.fetch_arrow_table())

        assert posts() == 1
        assert rows[0].num_rows == 1 and rows[1].equals(rows[0])


class TestFaults:
    """A POST is sent once, also if its response is lost."""

    @pytest.mark.parametrize(
        "fault, hint, expected",
        [
            ("reset-after", "", "may have been executed, and its response is lost"),
            ("reset-after", "/*+ AWAIT */ ", "may have been executed, and its response is lost"),
            ("status-after=500", "", "may have been executed, and its response does not say"),
            ("answer-after=304", "", "may have been executed, and its response does not say"),
            ("cut", "", "(201), but its response can't be read"),
            ("without=action", "", "(201), but its response can't be read"),
            ("answer-after=204", "/*+ AWAIT */ ", "(204), but its response can't be read"),
        ],
    )
    def test_a_lost_response_is_an_error_that_lists_the_started_actions(
        self, ask, account, faults, posts, sent, fault, hint, expected
    ):
        image, region = account.transfer()
        faults(f"POST /v2/images/{image}/actions times=1 {fault}")

        with pytest.raises(adbc_driver_flightsql.dbapi.OperationalError) as error:
            ask(transfer(image, region, hint))

        message = readable(error, LONGER)
        begun = f"id {newest(ask, image, region)}, type transfer, status"
        assert (sent(), posts()) == (1, 1)
        assert expected in message and begun in message
        look = re.search(r"SELECT .* LIMIT 10", message)[0]
        assert newest(ask, image, region) in ask(look)["id"].to_pylist()

    def test_a_rate_limited_request_is_retried(self, ask, account, faults, posts, sent):
        image, region = account.transfer()
        faults(f"POST /v2/images/{image}/actions times=1 retry-after=1")

        [row] = ask(transfer(image, region)).to_pylist()

        assert (row["region_slug"], sent(), posts()) == (region, 2, 1)

    @pytest.mark.parametrize(
        "fault, limit, expected",
        [
            ("set=/action/status errored", "10m", "is errored"),
            ("set=/action/status queued", "1s", "still has the status `queued` after 1s"),
            ("status=404", "1s", "can't be read after 1s: DigitalOcean rejected GET"),
            ("status=403", "10m", "cannot be watched"),
        ],
    )
    def test_an_await_that_fails_names_the_action(self, ask, account, faults, posts, fault, limit, expected):
        image, region = account.transfer()
        faults(f"GET /v2/images/{image}/actions/* {fault}")

        with pytest.raises(adbc_driver_flightsql.dbapi.Error) as error:
            ask(transfer(image, region, more=f", @@await='{limit}'"))

        message = readable(error)
        assert f"id {newest(ask, image, region)} of {TABLE} was started" in message and expected in message
        assert posts() == 1

    def test_a_cancelled_await_does_not_cancel_its_action(self, connection, ask, account, faults, posts, sent):
        image, region = account.transfer()
        faults(f"GET /v2/images/{image}/actions/* set=/action/status in-progress")

        sql = transfer(image, region, "/*+ AWAIT */ ")
        self.cancel(connection, lambda cursor: cursor.execute(sql).fetchall(), lambda: posts() == 1)

        assert (newest(ask, image, region) is not None, sent(), posts()) == (True, 1, 1)

    def test_a_client_that_disconnects_during_the_post_does_not_stop_it(self, connection, account, faults, posts, sent):
        image, region = account.transfer()
        faults(
            f"POST /v2/images/{image}/actions times=1 delay=500ms",
            f"GET /v2/images/{image}/actions/* set=/action/status in-progress",
        )

        sql = transfer(image, region, "/*+ AWAIT */ ")
        self.cancel(connection, lambda cursor: cursor.execute(sql).fetchall(), lambda: sent() == 1)

        wait_until(lambda: posts() == 1)
        assert sent() == 1

    def test_a_cancelled_executemany_does_not_send_the_other_rows(
        self, connection, ask, account, faults, posts, sent
    ):
        image, region = account.transfer()
        faults(f"GET /v2/images/{image}/actions/* set=/action/status in-progress")
        sql, rows = f"{PREPARED}, @@await='10m'", [(image, region), account.refused_transfer()]

        self.cancel(connection, lambda cursor: cursor.executemany(sql, rows), lambda: posts() == 1)

        assert newest(ask, image, region) is not None
        assert (sent(), posts()) == (1, 1)

    def cancel(self, connection, act, when):
        """Starts a call on a cursor that does not end by itself, and cancels it."""
        with connection.cursor() as cursor, ThreadPoolExecutor() as threads:
            running = threads.submit(act, cursor)
            wait_until(lambda: when() or running.done())
            cursor.adbc_cancel()
            with pytest.raises(adbc_driver_flightsql.dbapi.Error):
                running.result()


SOON = flight.FlightCallOptions(timeout=20)


@pytest.fixture
def client(server):
    with flight.connect(server) as client:
        yield client


class TestFlight:
    """Raw Flight SQL with pyarrow.flight: which calls send a POST."""

    def info(self, client, command):
        return client.get_flight_info(flight.FlightDescriptor.for_command(command), SOON)

    def ticket(self, client, command):
        [endpoint] = self.info(client, command).endpoints
        return endpoint.ticket

    def prepared(self, client, sql):
        [made] = client.do_action(("CreatePreparedStatement", wire.create_prepared_statement(sql)), SOON)
        return wire.unpack(made.body.to_pybytes(), "ActionCreatePreparedStatementResult")[1]

    def put(self, client, command, rows=None):
        """The result of DoPut."""
        descriptor = flight.FlightDescriptor.for_command(command)
        writer, reader = client.do_put(descriptor, pyarrow.schema([]) if rows is None else rows.schema, SOON)
        with writer:
            if rows is not None:
                writer.write_batch(rows)
            writer.done_writing()
            return reader.read().to_pybytes()

    def update(self, client, command, rows=None):
        return wire.update_count(self.put(client, command, rows))

    def rows(self, *pairs):
        images, regions = zip(*pairs) if pairs else ([], [])
        types = {"image": pyarrow.int64(), "region": pyarrow.string()}
        return pyarrow.record_batch([list(images), list(regions)], schema=pyarrow.schema(types.items()))

    def test_flight_info_posts_nothing_however_often(self, client, account, sent):
        command = wire.statement_query(transfer(*account.transfer()))

        infos = [self.info(client, command) for _ in range(10)]

        assert [info.schema.names for info in infos] == [page.COLUMNS] * 10
        assert len({info.endpoints[0].ticket.ticket for info in infos}) == 10
        assert sent() == 0

    def test_schema_posts_nothing(self, client, sent):
        command = wire.statement_query(transfer(7, "nyc3"))
        schema = client.get_schema(flight.FlightDescriptor.for_command(command), SOON).schema

        assert schema.equals(self.info(client, command).schema, check_metadata=True)
        assert sent() == 0

    def test_a_ticket_that_is_read_twice_posts_once_and_returns_the_same(self, client, account, sent, posts):
        ticket = self.ticket(client, wire.statement_query(transfer(*account.transfer())))

        first, second = (client.do_get(ticket, SOON).read_all() for _ in range(2))

        assert first.num_rows == 1 and second.equals(first)
        assert (sent(), posts()) == (1, 1)

    def test_a_ticket_returns_the_same_on_another_connection(self, client, server, account, posts):
        ticket = self.ticket(client, wire.statement_query(transfer(*account.transfer())))
        first = client.do_get(ticket, SOON).read_all()

        with flight.connect(server) as other:
            assert other.do_get(ticket, SOON).read_all().equals(first)
        assert posts() == 1

    def test_a_ticket_that_many_clients_read_in_parallel_posts_once(self, client, account, faults, sent, posts):
        image, region = account.transfer()
        faults(f"POST /v2/images/{image}/actions times=1 delay=300ms")
        ticket = self.ticket(client, wire.statement_query(transfer(image, region)))

        with ThreadPoolExecutor(max_workers=8) as threads:
            tables = list(threads.map(lambda _: client.do_get(ticket, SOON).read_all(), range(8)))

        assert tables[0].num_rows == 1 and all(table.equals(tables[0]) for table in tables)
        assert (sent(), posts()) == (1, 1)

    def test_a_ticket_whose_response_was_lost_is_not_sent_again(self, client, account, faults, sent, posts):
        image, region = account.transfer()
        faults(f"POST /v2/images/{image}/actions times=1 reset-after")
        ticket = self.ticket(client, wire.statement_query(transfer(image, region)))

        for _ in range(2):
            with pytest.raises(flight.FlightServerError, match="may have been executed"):
                client.do_get(ticket, SOON).read_all()
        assert (sent(), posts()) == (1, 1)

    def test_two_flight_infos_are_two_executions(self, client, account, posts):
        statements = [transfer(*account.transfer()) for _ in range(2)]
        tickets = [self.ticket(client, wire.statement_query(sql)) for sql in statements]

        first, second = (client.do_get(ticket, SOON).read_all()["id"].to_pylist() for ticket in tickets)

        assert first != second
        assert posts() == 2

    def test_two_flight_infos_of_one_statement_are_two_executions(self, client, account, sent):
        command = wire.statement_query(transfer(*account.transfer(), more=", @@await='10m'"))
        first, second = self.ticket(client, command), self.ticket(client, command)

        client.do_get(first, SOON).read_all()
        with pytest.raises(pyarrow.ArrowInvalid, match="already in that region"):
            client.do_get(second, SOON).read_all()

        assert sent() == 2

    def test_a_ticket_has_an_expiration_time(self, client):
        before = datetime.datetime.now(datetime.timezone.utc)
        [endpoint] = self.info(client, wire.statement_query(transfer(7, "nyc3"))).endpoints
        after = datetime.datetime.now(datetime.timezone.utc)
        [read] = self.info(client, wire.statement_query(page.GET)).endpoints

        expires = endpoint.expiration_time.as_py().to_pydatetime(warn=False)
        minutes = datetime.timedelta(minutes=10)
        assert before + minutes <= expires <= after + minutes
        assert read.expiration_time is None

    def test_an_update_returns_the_number_of_executions(self, client, account, posts):
        assert self.update(client, wire.statement_update(transfer(*account.transfer()))) == 1
        assert posts() == 1

    def test_a_wrong_update_is_rejected(self, client, sent):
        with pytest.raises(pyarrow.ArrowInvalid, match="needs `type`"):
            self.update(client, wire.statement_update(page.exec_of(page.IMAGE)))
        assert sent() == 0

    @pytest.mark.parametrize("sql", ["SELECT 1", "SHOW METHODS", f"EXPLAIN {transfer(7, 'nyc3')}"])
    def test_a_statement_with_rows_is_not_an_update(self, client, sent, sql):
        with pytest.raises(pyarrow.ArrowInvalid, match="not an update"):
            self.update(client, wire.statement_update(sql))
        assert sent() == 0

    def test_two_flight_infos_of_one_prepared_handle_are_two_executions(self, client, account, sent):
        command = wire.prepared_statement_query(
            self.prepared(client, transfer(*account.transfer(), more=", @@await='10m'"))
        )
        first, second = self.ticket(client, command), self.ticket(client, command)
        assert sent() == 0

        assert client.do_get(first, SOON).read_all().num_rows == 1
        with pytest.raises(pyarrow.ArrowInvalid, match="already in that region"):
            client.do_get(second, SOON).read_all()
        assert sent() == 2

    def test_only_the_ticket_posts_a_bound_row(self, client, account, sent, posts):
        handle = self.prepared(client, PREPARED)
        image, region = account.transfer()
        bound = wire.fields(self.put(client, wire.prepared_statement_query(handle), self.rows((image, region))))[1]
        tickets = [self.ticket(client, wire.prepared_statement_query(bound)) for _ in range(2)]
        assert sent() == 0

        [row] = client.do_get(tickets[0], SOON).read_all().to_pylist()

        assert (row["image_id"], row["region_slug"], posts()) == (image, region, 1)

    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_a_prepared_update_posts_once_for_each_row(self, client, account, sent, posts, count):
        handle = self.prepared(client, PREPARED)
        rows = self.rows(*[account.transfer() for _ in range(count)])

        assert self.update(client, wire.prepared_statement_update(handle), rows) == count
        assert (sent(), posts()) == (count, count)

    def test_a_prepared_update_without_parameters_posts_once(self, client, account, posts):
        handle = self.prepared(client, transfer(*account.transfer()))

        assert self.update(client, wire.prepared_statement_update(handle)) == 1
        assert posts() == 1

    def test_the_server_is_not_read_only(self, client):
        [info] = client.do_get(self.ticket(client, wire.get_sql_info(3)), SOON).read_all().to_pylist()

        assert (info["info_name"], info["value"]) == (3, False)


class TestShow:
    def names(self, ask, sql, parameters=None):
        return ask(sql, parameters).column(0).to_pylist()

    def test_providers(self, ask):
        assert "digitalocean" in self.names(ask, "SHOW PROVIDERS")

    def test_services(self, ask):
        assert "compute" in self.names(ask, "SHOW SERVICES IN digitalocean")

    @pytest.mark.parametrize("sql", ["SHOW RESOURCES IN digitalocean.compute", "SHOW RESOURCES", "show resources;"])
    def test_resources(self, ask, sql):
        assert {"image_actions", "images"} <= set(self.names(ask, sql))

    def test_resources_can_be_filtered(self, ask):
        everywhere = "SHOW RESOURCES IN digitalocean.compute"

        assert self.names(ask, f"{everywhere} LIKE 'image\\_%'") == ["image_actions"]
        assert self.names(ask, f"{everywhere} WHERE name = 'images'") == ["images"]
        assert self.names(ask, f"{everywhere} WHERE name = ?", ("images",)) == ["images"]
        assert self.names(ask, f"{everywhere} LIKE 'no such%'") == []

    def test_methods_are_those_of_the_page_and_one_that_needs_no_image(self, ask):
        methods = ask(f"SHOW METHODS IN {TABLE}").select(["MethodName", "RequiredParams", "SQLVerb"]).to_pylist()

        assert [tuple(method.values()) for method in methods] == [
            ("actions_get", "action_id", "SELECT"),
            ("image_actions_get", "image_id, action_id", "SELECT"),
            ("image_actions_list", "image_id", "SELECT"),
            ("image_actions_post", "image_id, type", "EXEC"),
        ]

    def test_methods_can_be_filtered(self, ask):
        assert self.names(ask, f"SHOW METHODS IN {TABLE} WHERE SQLVerb = 'EXEC'") == ["image_actions_post"]
        assert self.names(ask, "SHOW METHODS IN images WHERE sqlverb = ?", ("EXEC",)) == ["convert", "transfer"]
        assert self.names(ask, f"SHOW METHODS IN {TABLE} LIKE '%post'") == ["image_actions_post"]

    @pytest.mark.parametrize("listing", ["PROVIDERS", "SERVICES", "RESOURCES", "METHODS"])
    def test_extended_has_more_columns(self, ask, listing):
        short, extended = ask(f"SHOW {listing}"), ask(f"SHOW EXTENDED {listing}")

        assert extended.num_columns > short.num_columns
        assert extended.select(short.column_names).equals(short)

    def test_an_unknown_name_has_the_nearest_in_its_error(self, refused):
        assert "digitalocean.compute.images" in refused("SHOW METHODS IN digitalocean.compute.imagos")
        assert "digitalocean" in refused("SHOW SERVICES IN digitalocaen")

    @pytest.mark.parametrize("sql", ["SHOW EXTENDED METHODS", f"DESCRIBE {TABLE}", f"DESCRIBE METHOD {METHOD}"])
    def test_its_schema_is_available(self, connection, ask, sql):
        with connection.cursor() as cursor:
            schema = cursor.adbc_execute_schema(sql)

        assert schema.equals(ask(sql).schema)


class TestDescribe:
    def test_a_table(self, ask):
        described = ask(f"DESCRIBE {TABLE}")

        assert described.column_names == ["name", "type", "nullable", "description"]
        assert described["name"].to_pylist() == page.COLUMNS
        assert all(described["description"].to_pylist())

    def test_a_table_as_its_schema_has_it(self, ask, connection):
        schema = connection.adbc_get_table_schema("image_actions", db_schema_filter="compute")

        described = ask(f"DESCRIBE {TABLE}").to_pylist()
        assert {row["name"]: row["nullable"] for row in described} == {field.name: field.nullable for field in schema}

    def test_extended_shows_required_and_pushed_down_columns(self, ask):
        described = ask(f"DESCRIBE EXTENDED {TABLE}").to_pylist()

        assert not any(row["required"] for row in described)
        pushed = {row["name"]: row["pushed_down_to"] for row in described if row["pushed_down_to"]}
        assert set(pushed) == {"id", "image_id", "action_id"}
        assert pushed["image_id"] == ["image_actions_get", "image_actions_list"]

    def test_a_method(self, ask):
        described = ask(f"DESCRIBE METHOD {METHOD}").to_pylist()

        parameters = [(row["name"], row["type"], row["required"], row["allowed_values"]) for row in described]
        assert parameters == [
            ("image_id", "Int64", True, None),
            ("type", "Utf8", True, ["convert", "transfer"]),
            ("region", "Utf8", True, None),
        ]
        assert {(row["http_method"], row["path"]) for row in described} == {("POST", "/v2/images/{image_id}/actions")}
        assert [row["applies_when"] is None for row in described] == [True, True, False]

    @pytest.mark.parametrize("method", ["DESCRIBE METHOD EXTENDED", "DESCRIBE EXTENDED METHOD", "describe method"])
    def test_a_shorter_method(self, ask, method):
        described = ask(f"{method} digitalocean.compute.images.transfer;")

        assert described["name"].to_pylist() == ["image_id", "region"]
        assert ("example" in described.column_names) == ("EXTENDED" in method)

    def test_an_unknown_name_has_the_nearest_in_its_error(self, refused):
        assert f"`{TABLE}`" in refused("DESCRIBE digitalocean.compute.image_action")
        assert f"`{METHOD}`" in refused(f"DESCRIBE METHOD {METHOD}s")


class TestMeta:
    """The tables behind SHOW and DESCRIBE."""

    def test_the_tables_are_listed(self, connection):
        objects = connection.adbc_get_objects(depth="tables", catalog_filter="oceanflight", db_schema_filter="meta")
        [catalog] = objects.read_all().to_pylist()
        [schema] = catalog["catalog_db_schemas"]

        assert {"resources", "methods", "columns"} <= {table["table_name"] for table in schema["db_schema_tables"]}

    def test_every_resource_is_a_table(self, connection, ask):
        objects = connection.adbc_get_objects(depth="tables", catalog_filter="digitalocean", db_schema_filter="compute")
        [catalog] = objects.read_all().to_pylist()
        [schema] = catalog["catalog_db_schemas"]

        resources = ask("SELECT resource FROM oceanflight.meta.resources WHERE service = 'compute'")
        tables = [table["table_name"] for table in schema["db_schema_tables"]]
        assert sorted(resources["resource"].to_pylist()) == sorted(tables)

    def test_they_can_be_joined(self, ask):
        answered = ask(
            "SELECT m.id AS method, r.id AS resource, count(*) AS columns FROM oceanflight.meta.methods m"
            " JOIN oceanflight.meta.resources r ON r.id = m.returns"
            " JOIN oceanflight.meta.columns c ON c.service = r.service AND c.resource = r.resource"
            " WHERE m.sql_verb = ? GROUP BY m.id, r.id",
            ("EXEC",),
        )

        assert {"method": METHOD, "resource": TABLE, "columns": len(page.COLUMNS)} in answered.to_pylist()

    def test_no_column_is_required_in_a_query(self, ask):
        required = ask(
            "SELECT r.id, c.name FROM oceanflight.meta.resources r"
            " JOIN oceanflight.meta.columns c ON c.service = r.service AND c.resource = r.resource"
            " WHERE c.required ORDER BY r.id"
        )

        assert required.to_pylist() == []

    def test_they_have_the_rows_of_show_and_describe(self, ask):
        methods = ask("SELECT method FROM oceanflight.meta.methods WHERE resource = 'image_actions' ORDER BY id")
        columns = ask("SELECT name FROM oceanflight.meta.columns WHERE resource = 'image_actions' ORDER BY position")

        assert methods["method"].to_pylist() == ask(f"SHOW METHODS IN {TABLE}")["MethodName"].to_pylist()
        assert columns["name"].to_pylist() == ask(f"DESCRIBE {TABLE}")["name"].to_pylist()

    def test_reading_them_sends_nothing(self, ask, account):
        before = account.requests()
        ask("SELECT * FROM oceanflight.meta.methods")
        ask(f"DESCRIBE EXTENDED {TABLE}")
        ask("SHOW EXTENDED METHODS")

        assert account.requests() == before
