package interop

import (
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"
)

const byImage = "SELECT id FROM image_actions WHERE image_id = ?"

func TestAnImageIdIsBoundAsANumberATextOrNull(t *testing.T) {
	connection := connect(t)
	for _, each := range []struct {
		name      string
		parameter parameter
		rows      int
	}{
		{"a number", number(image), actionCount},
		{"a shorter number", parameterOf(arrow.PrimitiveTypes.Int32, "62137902"), actionCount},
		{"a number without a sign", parameterOf(arrow.PrimitiveTypes.Uint64, "62137902"), actionCount},
		{"a text", text("62137902"), actionCount},
		{"a number that is null", parameterOf(arrow.PrimitiveTypes.Int64, "null"), 0},
		{"a text that is null", parameterOf(arrow.BinaryTypes.String, "null"), 0},
		{"null", parameterOf(arrow.Null, "null"), 0},
	} {
		t.Run(each.name, func(t *testing.T) {
			require.Len(t, ask(t, connection, byImage, each.parameter).rows, each.rows)
		})
	}
}

func TestParametersAreBoundByPositionOrByTheirNumber(t *testing.T) {
	connection := connect(t)

	byPosition := "SELECT id FROM image_actions WHERE image_id = ? AND action_id = ?"
	require.Equal(t, action, one(t, connection, byPosition, number(image), number(action)))
	byNumber := "SELECT id FROM image_actions WHERE action_id = $2 AND image_id = $1"
	require.Equal(t, action, one(t, connection, byNumber, number(image), number(action)))
}

func TestAPreparedStatementRunsAgainWithOtherValues(t *testing.T) {
	statement := prepare(t, connect(t), byImage)

	for _, each := range []struct {
		parameter parameter
		rows      int
	}{{number(image), actionCount}, {number(7), 0}, {text("62137902"), actionCount}, {number(image), actionCount}} {
		require.NoError(t, statement.Bind(t.Context(), batchOf(each.parameter)))
		found, err := execute(t.Context(), statement)
		require.NoError(t, err)
		require.Len(t, found.rows, each.rows)
	}
}

func TestPreparingReturnsTheTypesOfTheParameters(t *testing.T) {
	statement := prepare(t, connect(t), byImage+" AND status = ? AND started_at > ?")
	schema, err := statement.GetParameterSchema()
	require.NoError(t, err)

	types := []arrow.Type{}
	for _, field := range schema.Fields() {
		require.True(t, field.Nullable)
		types = append(types, field.Type.ID())
	}
	require.Equal(t, []arrow.Type{arrow.INT64, arrow.STRING, arrow.TIMESTAMP}, types)
}

func TestAPreparedStatementIsDescribedWithoutRunningIt(t *testing.T) {
	statement := prepare(t, connect(t), listExample)
	before := requested(t)
	schema, err := statement.(adbc.StatementExecuteSchema).ExecuteSchema(t.Context())
	require.NoError(t, err)

	require.Equal(t, fieldNames, namesOf(schema))
	require.Equal(t, before.Total, requested(t).Total)
}

func TestSeveralRowsOfParametersAreSeveralResultsInOrder(t *testing.T) {
	found := ask(t, connect(t), "SELECT CAST(? AS BIGINT) AS x, ? AS y", number(3, 1, 2), text("c", "a", "b"))

	require.Equal(t, []any{int64(3), int64(1), int64(2)}, found.column("x"))
	require.Equal(t, []any{"c", "a", "b"}, found.column("y"))
}

func TestParametersCanBeAStreamOfBatches(t *testing.T) {
	statement := prepare(t, connect(t), "SELECT CAST(? AS BIGINT) AS x")
	first, second := batchOf(number(1, 2)), batchOf(number(3))
	stream, err := array.NewRecordReader(first.Schema(), []arrow.RecordBatch{first, second})
	require.NoError(t, err)

	require.NoError(t, statement.BindStream(t.Context(), stream))
	found, err := execute(t.Context(), statement)
	require.NoError(t, err)
	require.Equal(t, []any{int64(1), int64(2), int64(3)}, found.column("x"))
}

func TestWrongParametersAreRejected(t *testing.T) {
	connection := connect(t)
	for _, each := range []struct {
		name       string
		sql        string
		parameters []parameter
		text       string
	}{
		{"too many", byImage, []parameter{number(image), number(2)}, "1 parameter"},
		{"too few", byImage + " AND status = ?", []parameter{number(image)}, "2 parameter"},
		{"a text that is no number", byImage, []parameter{text("abc")}, "abc"},
		{
			"a fraction", "SELECT CAST(? AS BIGINT)", []parameter{parameterOf(arrow.PrimitiveTypes.Float64, "5.5")},
			"parameter 1 has the type",
		},
	} {
		t.Run(each.name, func(t *testing.T) {
			_, err := try(t.Context(), connection, each.sql, each.parameters...)
			require.Contains(t, refusal(t, err, adbc.StatusInvalidArgument).Msg, each.text)
		})
	}
}
