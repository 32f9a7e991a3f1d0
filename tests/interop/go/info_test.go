package interop

import (
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"github.com/stretchr/testify/require"
)

func TestGetInfoIsThatOfTheServer(t *testing.T) {
	reader, err := connect(t).GetInfo(t.Context(), []adbc.InfoCode{
		adbc.InfoVendorName, adbc.InfoVendorVersion, adbc.InfoVendorArrowVersion,
		adbc.InfoVendorSql, adbc.InfoVendorSubstrait,
	})
	require.NoError(t, err)
	found, err := readAll(reader)
	require.NoError(t, err)

	values := map[adbc.InfoCode]any{}
	for _, row := range found.rows {
		// The second item of a union's value; the first is its type.
		values[adbc.InfoCode(row["info_name"].(uint32))] = row["info_value"].([]any)[1]
	}
	require.Equal(t, "oceanflight", values[adbc.InfoVendorName])
	require.Regexp(t, `^\d+\.\d+\.\d+`, values[adbc.InfoVendorVersion])
	require.Regexp(t, `^\d+\.\d+`, values[adbc.InfoVendorArrowVersion])
	require.Equal(t, true, values[adbc.InfoVendorSql])
	require.Equal(t, false, values[adbc.InfoVendorSubstrait])
}

func TestSqlInfoSaysWhatTheServerHas(t *testing.T) {
	info := sqlInfo(t)

	require.Equal(t, false, info[flightsql.SqlInfoFlightSqlServerReadOnly], "EXEC writes")
	require.Equal(t, int32(flightsql.SqlTransactionNone), info[flightsql.SqlInfoFlightSqlServerTransaction])
	require.Equal(t, true, info[flightsql.SqlInfoFlightSqlServerBulkIngestion])
	require.Equal(t, true, info[flightsql.SqlInfoFlightSqlServerCancel])
	require.Equal(t, "\"", info[flightsql.SqlInfoIdentifierQuoteChar])
}
