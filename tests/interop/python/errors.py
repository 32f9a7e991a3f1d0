"""What every error's text has to be."""

import re


def readable(refused, longest=600):
    """The error's text, after checking that a person can read it."""
    message = str(refused.value)
    assert len(message) < longest, message
    # What Rust's Debug and DataFusion's nested errors look like.
    debug = re.search(r"Some\(|\w+Error\(|SchemaError|Context\(|[A-Z]\w+ \{|\w::\w|\\n|Backtrace", message)
    assert debug is None, message
    return message
