"""Shared fixtures: addresses of the servers, an ADBC connection, the simulated account."""

import os

import adbc_driver_flightsql.dbapi
import pytest

from account import Account


def _variable(name):
    if name not in os.environ:
        pytest.exit(f"{name} is not set: tests/interop/run starts the servers and sets it", returncode=4)
    return os.environ[name]


def pytest_configure(config):
    config.addinivalue_line("markers", "pause: takes a minute, and runs beside the pauses of the other clients")


@pytest.fixture(scope="session")
def pause():
    """How long a connection is not used, in seconds."""
    return int(_variable("OCEANFLIGHT_PAUSE"))


@pytest.fixture(scope="session")
def server():
    """The server's address: grpc://127.0.0.1:PORT."""
    return _variable("OCEANFLIGHT_GRPC")


@pytest.fixture(scope="session")
def demo():
    """The simulated account's address: http://127.0.0.1:PORT."""
    return _variable("OCEANFLIGHT_DEMO")


@pytest.fixture
def connection(server):
    # The server has no transactions: without autocommit, the driver warns on every connection.
    with adbc_driver_flightsql.dbapi.connect(server, autocommit=True) as connection:
        yield connection


@pytest.fixture
def ask(connection):
    """ask(sql, parameters) is the whole result as an Arrow table."""

    def ask(sql, parameters=None):
        with connection.cursor() as cursor:
            return cursor.execute(sql, parameters).fetch_arrow_table()

    return ask


@pytest.fixture(scope="session")
def account(demo):
    return Account(demo)


@pytest.fixture
def posts(account):
    """posts() is the number of POSTs executed since the test began."""
    before = account.posts()
    return lambda: account.posts() - before


@pytest.fixture
def sent(account):
    """sent() is the number of POSTs received since the test began, rejected ones included."""
    before = account.sent()
    return lambda: account.sent() - before


@pytest.fixture
def faults(account):
    """faults(text, …) injects faults until the test ends."""
    yield account.inject
    account.clear_faults()
