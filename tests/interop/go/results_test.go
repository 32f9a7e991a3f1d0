package interop

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"
)

func TestAnEmptyResultHasTheWholeSchema(t *testing.T) {
	connection := connect(t)
	full := ask(t, connection, "SELECT * FROM image_actions WHERE image_id = ?", number(image))

	for _, sql := range []string{
		"SELECT * FROM image_actions WHERE image_id = 1 AND image_id = 2", // without a request
		"SELECT * FROM image_actions WHERE image_id = 7",                  // there is no such image
	} {
		empty := ask(t, connection, sql)
		require.Empty(t, empty.rows)
		require.True(t, empty.schema.Equal(full.schema), empty.schema)
	}
}

func TestAHundredThousandRowsArriveInOrder(t *testing.T) {
	statement := statementOf(t, connect(t), "SELECT value, CAST(value AS VARCHAR) AS text FROM generate_series(1, 100000)")
	reader, _, err := statement.ExecuteQuery(t.Context())
	require.NoError(t, err)
	defer reader.Release()

	var last int64
	for reader.Next() {
		batch := reader.RecordBatch()
		texts := batch.Column(1)
		for i, value := range batch.Column(0).(*array.Int64).Int64Values() {
			last++
			require.Equal(t, last, value)
			require.Equal(t, array.NewSlice(batch.Column(0), int64(i), int64(i)+1).ValueStr(0), texts.ValueStr(i))
		}
	}
	require.NoError(t, reader.Err())
	require.EqualValues(t, 100000, last)
}

func TestAJoin(t *testing.T) {
	connection := connect(t)
	sql := `SELECT i.name, a.id, a.region_slug, r.name AS region_name
		FROM images i JOIN image_actions a ON a.image_id = i.id LEFT JOIN regions r ON r.slug = a.region_slug
		WHERE i.id = ?`
	found := ask(t, connection, sql, number(image))

	require.Len(t, found.rows, actionCount)
	require.ElementsMatch(t, ask(t, connection, listExample).column("id"), found.column("id"))
	for _, row := range found.rows {
		require.NotEmpty(t, row["name"])
		require.Equal(t, row["region_slug"] == nil, row["region_name"] == nil)
	}
}

func TestColumnsOfAJoinMayHaveTheSameName(t *testing.T) {
	sql := `SELECT i.id, a.id, r.name, i.name FROM images i, image_actions a, regions r
		WHERE i.id = ? AND a.image_id = i.id LIMIT 1`
	found := ask(t, connect(t), sql, number(image))

	require.Equal(t, []string{"id", "id", "name", "name"}, found.names())
}
