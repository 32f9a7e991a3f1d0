"""A server in a process of its own, which may have 2 GiB of address space beyond its start, and what it uses."""

import os
import re
import resource
import signal
import subprocess
import threading
import time

from adbc_driver_flightsql import DatabaseOptions, dbapi

LIMIT = 2 << 30
POINT_QUERY = "SELECT id FROM images WHERE id = 62137902"

# The codes with which a statement may end. All others are a fault of the server.
DECLARED = {"InvalidArgument", "ResourceExhausted", "DeadlineExceeded", "Unimplemented", "FailedPrecondition"}


class Server:
    def __init__(self, program, timeout, arguments=(), log=None):
        self._log = open(log or os.devnull, "w")
        self._demo, url = self._start([program, "demo", "--listen", "127.0.0.1:0", "--no-rate-limits"], r"http://[0-9.:]+")
        self.process, self.address = self._start(
            [program, "serve", "--listen", "127.0.0.1:0", "--api-url", url, "--query-timeout", timeout]
            + ["--api-requests-per-minute", "0", "--api-requests-per-hour", "0", *arguments],
            r"grpc://[0-9.:]+",
        )
        self.pid = self.process.pid
        with connect(self.address) as connection:
            for _ in range(20):
                run(connection, POINT_QUERY)
        most = self.status("VmSize") + LIMIT
        resource.prlimit(self.pid, resource.RLIMIT_AS, (most, most))
        time.sleep(3)
        self.idle = self.status("VmRSS")

    def _start(self, command, pattern):
        environment = {**os.environ, "DIGITALOCEAN_TOKEN": "battery"}
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        for line in process.stderr:
            self._log.write(line)
            if match := re.search(pattern, line):
                # The pipe must not fill.
                threading.Thread(target=self._copy, args=(process.stderr,), daemon=True).start()
                return process, match[0]
        raise SystemExit(f"{command[1]} did not start")

    def _copy(self, lines):
        for line in lines:
            self._log.write(line)
            self._log.flush()

    def status(self, name):
        """A size from /proc/PID/status, in bytes."""
        with open(f"/proc/{self.pid}/status") as lines:
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name + ":"))

    def forget_peak(self):
        """Makes VmHWM the memory of now."""
        with open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_share(self, seconds=1.0):
        """CPU time in the next `seconds`, as a part of them; two busy cores are 2."""
        before, start = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_seconds() - before) / (time.monotonic() - start)

    def has_ended(self):
        return self.process.poll() is not None

    def stop(self):
        for process in (self.process, self._demo):
            process.send_signal(signal.SIGKILL)
            process.wait()


def connect(address):
    options = {DatabaseOptions.WITH_MAX_MSG_SIZE.value: str((1 << 31) - 1)}
    return dbapi.connect(address, db_kwargs=options, autocommit=True)


def run(connection, sql, pause=0.0):
    """Reads all rows, with a pause after each batch; the gRPC code, or OK, and the text of the error."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            for _ in cursor.fetch_record_batch():
                if pause:
                    time.sleep(pause)
        return "OK", ""
    except Exception as error:  # the driver's classes of errors do not tell gRPC codes apart
        text = str(error)
        code = re.search(r"\((\w+); \w+", text)
        return code[1] if code else "?", text


def seconds(duration):
    """A duration as the server reads it: 2s, 1m."""
    return float(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]
