"""Datasets in buckets: oceanflight reads files from moto, a server that speaks S3.

    buckets.py BINARY ENDPOINT
"""

import gzip
import json
import os
import subprocess
import sys

import boto3

BINARY, ENDPOINT = sys.argv[1:]
KEYS = {"AWS_ACCESS_KEY_ID": "interop", "AWS_SECRET_ACCESS_KEY": "secret"}


def put(files):
    client = boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket="mine")
    for key, body in files.items():
        client.put_object(Bucket="mine", Key=key, Body=body)


def query(location, sql, **environment):
    """The exit code, the rows, and standard error."""
    variables = {"PATH": os.environ["PATH"], "OCEANFLIGHT_S3_ENDPOINT": ENDPOINT, **KEYS, **environment}
    command = [BINARY, "query", "--demo", "--format", "jsonl", "--dataset", f"t={location}", sql]
    ran = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)
    return ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()], ran.stderr


def rows(location, sql, **environment):
    code, found, stderr = query(location, sql, **environment)
    assert code == 0, stderr
    return found


def main():
    log = b'{"id": 1, "at": "2026-11-01T00:00:00"}\n{"id": 2, "at": null}\n'
    put(
        {
            "logs/day=2026-11-01/part 1.csv": b'id,name\n1,"a\nb"\n',
            "logs/day=2026-11-02/part 2.csv": b"id,name\n2,c\n",
            "logs/_SUCCESS": b"",
            "json/a.jsonl.gz": gzip.compress(log),
            "json/list.json": b'[{"id": 7}]',
            "cut.json": b'[{"id": 7}, ',
        }
    )
    found = rows("s3://mine/logs/", "SELECT * FROM t ORDER BY id")
    assert [row["name"] for row in found] == ["a\nb", "c"], found
    assert rows("s3://mine/logs/", "SELECT id FROM t WHERE day = DATE '2026-11-02'") == [{"id": 2}]
    assert rows("s3://mine/logs/*/*1.csv", "SELECT id FROM t") == [{"id": 1}]
    assert rows("s3://mine/json/*.gz", "SELECT count(*) AS n FROM t") == [{"n": 2}]
    assert rows("s3://mine/json/list.json", "SELECT id FROM t") == [{"id": 7}]

    code, _, stderr = query("s3://mine/cut.json", "SELECT * FROM t")
    assert code != 0 and "s3://mine/cut.json can't be read: its list does not end" in stderr, stderr
    code, _, stderr = query("s3://mine/nothing/", "SELECT * FROM t")
    assert code != 0 and "there is nothing at s3://mine/nothing/" in stderr, stderr
    code, _, stderr = query("s3://no-bucket/x.csv", "SELECT * FROM t")
    assert code != 0 and "can't be listed" in stderr, stderr
    code, _, stderr = query("s3://mine/logs/", "SELECT * FROM t", OCEANFLIGHT_S3_ENDPOINT="http://127.0.0.1:9")
    assert code == 5 and "can't be listed" in stderr, (code, stderr)
    assert "secret" not in stderr
    print("datasets in buckets are read, and their errors are clear")


main()
