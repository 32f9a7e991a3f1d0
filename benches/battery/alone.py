"""Runs each statement alone, beside a point query ten times a second; see README.md."""

import multiprocessing
import statistics
import sys
import time

import options
import server
import statements


def probe(address, running, idle, latencies):
    """Sends the point query ten times a second while `running` is set; sends each duration."""
    with server.connect(address) as connection:
        while True:
            idle.set()
            running.wait()
            idle.clear()
            start = time.monotonic()
            code, text = server.run(connection, server.POINT_QUERY)
            taken = time.monotonic() - start
            latencies.put((taken, code, text))
            idle.set()
            time.sleep(max(0.0, 0.1 - taken))


# With half a second for the last point queries, two seconds after the statement.
BEFORE_CPU = 1.5


class Probe:
    def __init__(self, address):
        self._running = multiprocessing.Event()
        self._idle = multiprocessing.Event()
        self._latencies = multiprocessing.Queue()
        self._process = multiprocessing.Process(target=probe, args=(address, self._running, self._idle, self._latencies), daemon=True)
        self._process.start()

    def start(self):
        self._running.set()

    def stop(self):
        """The durations since `start`, and what failed. Waits for the answer to the last query."""
        self._running.clear()
        self._idle.wait(60)
        results = []
        while not self._latencies.empty():
            results.append(self._latencies.get())
        failed = [f"{code}: {text}" for _, code, text in results if code != "OK"]
        return [taken for taken, _, _ in results], failed

    def end(self):
        self._process.terminate()


def main():
    parser = options.parser(__doc__, timeout="2s")
    parser.add_argument("--slow-reader", action="store_true", help="half a second of pause after each batch")
    arguments = parser.parse_args()

    started = server.Server(arguments.program, arguments.timeout, arguments.arguments, arguments.log)
    points = Probe(started.address)
    points.start()
    time.sleep(5)
    usual = statistics.median(points.stop()[0])
    print(f"idle {started.idle >> 20} MB, the point query takes {usual * 1000:.1f} ms", flush=True)
    flagged = count = 0
    for kind, name, sql in statements.chosen(arguments.kind, arguments.name):
        flags = measure(started, points, usual, kind, name, sql, arguments)
        count += 1
        flagged += bool(flags)
        if started.has_ended():
            started.stop()
            points.end()
            started = server.Server(arguments.program, arguments.timeout, arguments.arguments, arguments.log)
            points = Probe(started.address)
    time.sleep(10)
    print(f"{count - flagged} of {count} clean; afterwards {started.status('VmRSS') >> 20} MB, idle {started.idle >> 20} MB")
    points.end()
    started.stop()
    sys.exit(flagged > 0)


def measure(started, points, usual, kind, name, sql, arguments):
    """Runs one statement, prints a line about it, and returns what is wrong."""
    flags = []
    started.forget_peak()
    with server.connect(started.address) as connection:
        points.start()
        start = time.monotonic()
        code, text = server.run(connection, sql, 0.5 if arguments.slow_reader else 0.0)
        taken = time.monotonic() - start
        time.sleep(0.5)
        latencies, failed = points.stop()
    if started.has_ended():
        flags.append("THE SERVER HAS ENDED")
        peak = cpu = 0
    else:
        time.sleep(BEFORE_CPU)
        cpu = started.cpu_share()
        peak = started.status("VmHWM")
    if code not in server.DECLARED | {"OK"}:
        flags.append(f"CODE {text}")
    if taken > server.seconds(arguments.timeout) + 2:
        flags.append("LATE")
    if peak > 1e9:
        flags.append("PEAK")
    if cpu > 0.05:
        flags.append("CPU")
    worst, median = max(latencies, default=0), statistics.median(latencies or [0])
    if worst > 0.5:
        flags.append("PROBE")
    if len(latencies) > 5 and median > 3 * usual:
        flags.append("PROBE MEDIAN")
    if failed:
        flags.append(f"PROBE FAILED {failed[0]}")
    message = text.partition("\n")[0][:90]
    print(
        f"{kind:9} {name:36} {taken:5.2f} s {code:18} peak {peak / 1e6:5.0f} MB, cpu {cpu:4.0%},"
        f" probe {median * 1000:4.0f}/{worst * 1000:4.0f} ms  {' '.join(flags) or '-'}  {message}",
        flush=True,
    )
    return flags


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")  # the driver has threads, which a fork would lose
    main()
