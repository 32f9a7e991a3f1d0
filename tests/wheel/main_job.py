"""Uses an installed wheel as a Python user does: a query in the terminal, then a server and an ADBC client."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql

PROGRAM = Path(sys.prefix, "bin", "oceanflight")
COUNT = "SELECT count(*) AS n FROM digitalocean.compute.image_actions WHERE image_id = 62137902"


def printed(*arguments):
    """What the program prints for these arguments; a failure of the program ends this script."""
    return subprocess.run([PROGRAM, *arguments], check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout


def address(server):
    """The address that the server prints once it accepts connections."""
    for line in server.stderr:
        if found := re.search(r"ready on (grpc://\S+)", line):
            return found.group(1)
    sys.exit("the server ended before it was ready")


def count_from_a_server():
    server = subprocess.Popen(
        [PROGRAM, "serve", "--demo", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True
    )
    try:
        with flightsql.connect(address(server), autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(COUNT)
            return cursor.fetch_arrow_table().column("n").to_pylist()
    finally:
        server.terminate()
        server.communicate(timeout=60)


assert shutil.which("cargo") is None, "Rust is on the path, so this would not show that the wheel needs none"
print(printed("--version").strip())
rows = printed("query", "--demo", "--format", "csv", COUNT)
assert re.fullmatch(r"n\n[1-9]\d*\n", rows), rows
counted = int(rows.split()[1])
assert count_from_a_server() == [counted]
print(f"{counted} actions, from the program and from its server")
