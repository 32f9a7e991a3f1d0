package interop

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTwoResultsOfAConnectionAreReadByTurns(t *testing.T) {
	connection := connect(t)
	const sql = "SELECT value FROM generate_series(1, 50000)"
	first, _, err := statementOf(t, connection, sql).ExecuteQuery(t.Context())
	require.NoError(t, err)
	defer first.Release()
	second, _, err := statementOf(t, connection, sql).ExecuteQuery(t.Context())
	require.NoError(t, err)
	defer second.Release()

	var rows int64
	for first.Next() {
		require.True(t, second.Next())
		rows += first.RecordBatch().NumRows() + second.RecordBatch().NumRows()
	}
	require.False(t, second.Next())
	require.NoError(t, first.Err())
	require.NoError(t, second.Err())
	require.EqualValues(t, 100000, rows)
}

func TestQueriesOfManyGoroutinesDoNotDisturbEachOther(t *testing.T) {
	connection := connect(t)
	var group sync.WaitGroup
	counts := make([]int, 8)
	for i := range counts {
		group.Go(func() {
			if found, err := try(t.Context(), connection, listExample); err == nil {
				counts[i] = len(found.rows)
			}
		})
	}
	group.Wait()

	for _, count := range counts {
		require.Equal(t, actionCount, count)
	}
}

// OCEANFLIGHT_PAUSE is the pause in seconds.
func TestAConnectionAndAPreparedStatementSurviveAPause(t *testing.T) {
	pause, err := time.ParseDuration(os.Getenv("OCEANFLIGHT_PAUSE") + "s")
	require.NoError(t, err)
	connection := connect(t)
	prepared := prepare(t, connection, getExample)
	require.Len(t, ask(t, connection, getExample).rows, 1)

	time.Sleep(pause)

	require.Len(t, ask(t, connection, getExample).rows, 1)
	found, err := execute(t.Context(), prepared)
	require.NoError(t, err)
	require.Len(t, found.rows, 1)
}
