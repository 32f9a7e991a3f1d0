"""Checks for the text of every error."""

import re


def readable(refused, longest=600):
    """Checks that the error's text is readable, and returns it."""
    message = str(refused.value)
    assert len(message) < longest, message
    # Fragments of Rust's Debug and of DataFusion's nested errors.
    debug = re.search(r"Some\(|\w+Error\(|SchemaError|Context\(|[A-Z]\w+ \{|\w::\w|\\n|Backtrace", message)
    assert debug is None, message
    return message
