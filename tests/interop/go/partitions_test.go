package interop

import (
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/stretchr/testify/require"
)

func TestAPartitionIsReadOnAnotherConnectionAsOftenAsAsked(t *testing.T) {
	statement := statementOf(t, connect(t), listExample)
	schema, partitions, _, err := statement.ExecutePartitions(t.Context())
	require.NoError(t, err)
	require.Equal(t, fieldNames, namesOf(schema))
	require.Len(t, partitions.PartitionIDs, 1)

	for range 2 {
		reader, err := connect(t).ReadPartition(t.Context(), partitions.PartitionIDs[0])
		require.NoError(t, err)
		found, err := readAll(reader)
		require.NoError(t, err)
		require.Len(t, found.rows, actionCount)
	}
}

// The driver calls PollFlightInfo until there are no more partitions.
func TestPartitionsAreReturnedOnceWhenTheyArePolled(t *testing.T) {
	statement := statementOf(t, connect(t), listExample)
	require.NoError(t, statement.SetOption(adbc.OptionKeyIncremental, adbc.OptionValueEnabled))

	for _, expected := range []uint64{1, 0} {
		_, partitions, _, err := statement.ExecutePartitions(t.Context())
		require.NoError(t, err)
		require.Equal(t, expected, partitions.NumPartitions)
	}
}
