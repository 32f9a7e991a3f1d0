"""The options that alone.py and crowd.py share."""

import argparse


def parser(description, timeout):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("program", help="an oceanflight binary")
    parser.add_argument("--timeout", default=timeout, help="the server's --query-timeout")
    parser.add_argument("--kind", help="statements of this kind alone")
    parser.add_argument("--name", default="", help="statements whose name matches this pattern")
    parser.add_argument("--log", help="a file for the server's log")
    parser.add_argument("arguments", nargs="*", help="further arguments for the server, after --")
    return parser
