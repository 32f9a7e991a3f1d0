"""Many clients, each of which sends the statements in an order of its own; see README.md."""

import collections
import multiprocessing
import random
import threading
import time

import options
import server
import statements

PROCESSES = 4


def client(address, end, seed, chosen, pause, results):
    """Sends statements until `end`."""
    order = random.Random(seed)
    while time.monotonic() < end:
        kind, name, sql = order.choice(chosen)
        start = time.monotonic()
        try:
            with server.connect(address) as connection:
                code, text = server.run(connection, sql, pause)
        except Exception as error:  # a connection that the server refuses
            code, text = "?", str(error)
        results.put((kind, name, time.monotonic() - start, code, text))


def clients(address, end, seeds, chosen, pause, results):
    threads = [threading.Thread(target=client, args=(address, end, seed, chosen, pause, results)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    parser = options.parser(__doc__, timeout="10s")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--slow-readers", action="store_true", help="half a second of pause after each batch")
    arguments = parser.parse_args()

    chosen = list(statements.chosen(arguments.kind, arguments.name))
    started = server.Server(arguments.program, arguments.timeout, arguments.arguments, arguments.log)
    results = multiprocessing.Queue()
    end = time.monotonic() + arguments.seconds
    pause = 0.5 if arguments.slow_readers else 0.0
    processes = [
        multiprocessing.Process(
            target=clients,
            args=(started.address, end, range(first, arguments.clients, PROCESSES), chosen, pause, results),
            daemon=True,
        )
        for first in range(PROCESSES)
    ]
    for process in processes:
        process.start()

    codes, flagged, count, late, peak = collections.Counter(), collections.Counter(), 0, 0, 0
    most = server.seconds(arguments.timeout) + 2
    while any(process.is_alive() for process in processes) or not results.empty():
        if started.has_ended():
            for process in processes:
                process.terminate()
            raise SystemExit(f"THE SERVER HAS ENDED after {arguments.seconds - (end - time.monotonic()):.0f} s")
        peak = max(peak, started.status("VmHWM"))
        try:
            kind, name, taken, code, text = results.get(timeout=0.5)
        except multiprocessing.queues.Empty:
            continue
        count += 1
        codes[code] += 1
        if code not in server.DECLARED | {"OK"}:
            flagged[f"{code} {kind}/{name}: {text[:200]}"] += 1
        if taken > most and not arguments.slow_readers:
            late += 1
            flagged[f"late {kind}/{name}: {code}"] += 1
    print(f"{count} statements, {late} later than the time-out + 2 s, peak {peak / 1e6:.0f} MB: {dict(codes)}")
    for what, times in flagged.most_common(60):
        print(f"  {times} times {what}")
    # Plans are kept for two minutes.
    for waited, wait in ((2, 2), (10, 8), (30, 20), (150, 120)):
        time.sleep(wait)
        print(
            f"{waited} s later: {started.status('VmRSS') / 1e6:.0f} MB, of it {started.status('RssFile') / 1e6:.0f} MB of"
            f" the program's file; idle {started.idle / 1e6:.0f} MB,"
            f" cpu {started.cpu_share():.0%}"
        )
    started.stop()


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")  # the driver has threads, which a fork would lose
    main()
