"""Connections that are not used for a while, those of all clients at once."""

import contextlib
import time

import adbc_driver_flightsql.dbapi
import pytest
from pyarrow import flight

import flightsql_wire as wire
import page
from test_flight import ask
from test_frames import READERS

pytestmark = pytest.mark.pause


@pytest.fixture(scope="module")
def rested(server, pause):
    """rested[client]() is the number of rows of the example, which each client has read before the pause."""
    with contextlib.ExitStack() as opened:

        def reader(read):
            connection = opened.enter_context(adbc_driver_flightsql.dbapi.connect(server, autocommit=True))
            return lambda: len(read(connection, page.GET)[1])

        client = opened.enter_context(flight.connect(server))
        counts = {name: reader(read) for name, read in READERS.items()}
        counts["pyarrow"] = lambda: ask(client, wire.statement_query(page.GET)).num_rows
        assert [count() for count in counts.values()] == [1] * len(counts)
        time.sleep(pause)
        yield counts


@pytest.mark.parametrize("client", [*READERS, "pyarrow"])
def test_a_connection_survives_a_pause(rested, client):
    assert rested[client]() == 1
