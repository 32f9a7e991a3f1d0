package interop

import (
	"context"
	"errors"
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"
)

// result is a whole result.
type result struct {
	schema *arrow.Schema
	rows   []row
}

type row = map[string]any

// ask returns the result of a statement that must not fail.
func ask(t *testing.T, connection adbc.Connection, sql string, parameters ...parameter) result {
	t.Helper()
	found, err := try(t.Context(), connection, sql, parameters...)
	require.NoError(t, err, sql)
	return found
}

// one returns the only value of a result.
func one(t *testing.T, connection adbc.Connection, sql string, parameters ...parameter) any {
	t.Helper()
	found := ask(t, connection, sql, parameters...)
	require.Len(t, found.rows, 1, sql)
	require.Len(t, found.names(), 1, sql)
	return found.rows[0][found.names()[0]]
}

// try returns the result of a statement, and its error with the rows before it. Only a statement with parameters is
// prepared.
func try(
	ctx context.Context, connection adbc.Connection, sql string, parameters ...parameter,
) (found result, err error) {
	statement, err := connection.NewStatement()
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, statement.Close()) }()
	if err := statement.SetSqlQuery(sql); err != nil {
		return result{}, err
	}
	if len(parameters) > 0 {
		if err := statement.Prepare(ctx); err != nil {
			return result{}, err
		}
		if err := statement.Bind(ctx, batchOf(parameters...)); err != nil {
			return result{}, err
		}
	}
	return execute(ctx, statement)
}

// execute returns the result of a statement that has its SQL and parameters.
func execute(ctx context.Context, statement adbc.Statement) (result, error) {
	reader, _, err := statement.ExecuteQuery(ctx)
	if err != nil {
		return result{}, err
	}
	return readAll(reader)
}

// readAll reads the reader to its end, and releases it.
func readAll(reader array.RecordReader) (result, error) {
	defer reader.Release()
	found := result{schema: reader.Schema()}
	for reader.Next() {
		found.rows = append(found.rows, rowsOf(reader.RecordBatch())...)
	}
	return found, reader.Err()
}

func rowsOf(batch arrow.RecordBatch) []row {
	rows := make([]row, batch.NumRows())
	for i := range rows {
		rows[i] = row{}
		for j, field := range batch.Schema().Fields() {
			rows[i][field.Name] = valueOf(batch.Column(j), i)
		}
	}
	return rows
}

// column returns the values of a column.
func (r result) column(name string) []any {
	values := make([]any, len(r.rows))
	for i, row := range r.rows {
		values[i] = row[name]
	}
	return values
}

func (r result) names() []string { return namesOf(r.schema) }

func namesOf(schema *arrow.Schema) []string {
	names := make([]string, schema.NumFields())
	for i, field := range schema.Fields() {
		names[i] = field.Name
	}
	return names
}

// prepare returns a prepared statement, which is closed when the test ends.
func prepare(t *testing.T, connection adbc.Connection, sql string) adbc.Statement {
	t.Helper()
	statement := statementOf(t, connection, sql)
	require.NoError(t, statement.Prepare(t.Context()), sql)
	return statement
}

// statementOf returns a statement that is not prepared, which is closed when the test ends.
func statementOf(t *testing.T, connection adbc.Connection, sql string) adbc.Statement {
	t.Helper()
	statement, err := connection.NewStatement()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, statement.Close()) })
	require.NoError(t, statement.SetSqlQuery(sql))
	return statement
}
