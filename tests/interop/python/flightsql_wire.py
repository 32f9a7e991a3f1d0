"""The Flight SQL messages of the raw tests, encoded in protobuf's wire format.

pyarrow.flight sends bytes and has no Flight SQL messages; these are small enough to encode by hand. The numbers are the
field numbers of FlightSql.proto.
"""

PREFIX = "type.googleapis.com/arrow.flight.protocol.sql."


def any_of(name, value=b""):
    """A google.protobuf.Any with the Flight SQL message `name`."""
    return text(1, PREFIX + name) + field(2, value)


def statement_query(query):
    return any_of("CommandStatementQuery", text(1, query))


def prepared_statement_query(handle):
    return any_of("CommandPreparedStatementQuery", field(1, handle))


def statement_update(query):
    return any_of("CommandStatementUpdate", text(1, query))


def prepared_statement_update(handle):
    return any_of("CommandPreparedStatementUpdate", field(1, handle))


def create_prepared_statement(query):
    return any_of("ActionCreatePreparedStatementRequest", text(1, query))


def close_prepared_statement(handle):
    return any_of("ActionClosePreparedStatementRequest", field(1, handle))


def ticket_statement_query(handle):
    return any_of("TicketStatementQuery", field(1, handle))


def get_catalogs():
    return any_of("CommandGetCatalogs")


def get_db_schemas(catalog=None, schema_pattern=None):
    return any_of("CommandGetDbSchemas", text(1, catalog) + text(2, schema_pattern))


def get_tables(catalog=None, schema_pattern=None, table_pattern=None, types=(), include_schema=False):
    return any_of(
        "CommandGetTables",
        text(1, catalog)
        + text(2, schema_pattern)
        + text(3, table_pattern)
        + b"".join(text(4, each) for each in types)
        + (number(5, 1) if include_schema else b""),
    )


def get_table_types():
    return any_of("CommandGetTableTypes")


def get_primary_keys(table):
    return any_of("CommandGetPrimaryKeys", text(3, table))


def get_exported_keys(table):
    return any_of("CommandGetExportedKeys", text(3, table))


def get_imported_keys(table):
    return any_of("CommandGetImportedKeys", text(3, table))


def get_cross_reference(parent, child):
    return any_of("CommandGetCrossReference", text(3, parent) + text(6, child))


def get_sql_info(*ids):
    packed = b"".join(varint(each) for each in ids)
    return any_of("CommandGetSqlInfo", field(1, packed) if ids else b"")


def get_xdbc_type_info(data_type=None):
    return any_of("CommandGetXdbcTypeInfo", b"" if data_type is None else number(1, data_type))


def text(tag, value):
    """A string field. None omits the field, which differs from an empty string."""
    return b"" if value is None else field(tag, value.encode())


def field(tag, value):
    return varint(tag << 3 | 2) + varint(len(value)) + value


def number(tag, value):
    return varint(tag << 3) + varint(value)


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(message):
    """The fields of a message by number: bytes or an int. Of a repeated field, the last value."""
    found, at = {}, 0
    while at < len(message):
        key, at = _read_varint(message, at)
        if key & 7 == 0:
            found[key >> 3], at = _read_varint(message, at)
        elif key & 7 == 2:
            length, at = _read_varint(message, at)
            found[key >> 3], at = message[at : at + length], at + length
        else:
            raise ValueError(f"wire type {key & 7} in a message that should have none")
    return found


def update_count(result):
    """The count in a DoPutUpdateResult; 0 is encoded as a missing field."""
    return fields(result).get(1, 0)


def unpack(message, name):
    """The fields of the message `name` in a google.protobuf.Any."""
    wrapper = fields(message)
    assert wrapper[1].decode() == PREFIX + name
    return fields(wrapper.get(2, b""))


def _read_varint(message, at):
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
