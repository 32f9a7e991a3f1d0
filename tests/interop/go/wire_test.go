package interop

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// wireClient returns Arrow's own client for Flight SQL, for what ADBC's driver does not ask.
func wireClient(t *testing.T) *flightsql.Client {
	t.Helper()
	address := strings.TrimPrefix(server, "grpc://")
	client, err := flightsql.NewClient(address, nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// readInfo returns the data of a call that has returned these two.
func readInfo(t *testing.T, client *flightsql.Client, info *flight.FlightInfo, err error) result {
	t.Helper()
	require.NoError(t, err)
	require.Len(t, info.Endpoint, 1)
	reader, err := client.DoGet(t.Context(), info.Endpoint[0].Ticket)
	require.NoError(t, err)
	found, err := readAll(reader)
	require.NoError(t, err)
	return found
}

// sqlInfo returns all values of SqlInfo.
func sqlInfo(t *testing.T) map[flightsql.SqlInfo]any {
	t.Helper()
	client := wireClient(t)
	info, err := client.GetSqlInfo(t.Context(), nil)
	values := map[flightsql.SqlInfo]any{}
	for _, row := range readInfo(t, client, info, err).rows {
		// The second item of a union's value; the first is its type.
		values[flightsql.SqlInfo(row["info_name"].(uint32))] = row["value"].([]any)[1]
	}
	return values
}
