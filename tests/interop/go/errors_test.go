package interop

import (
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
)

func TestAWrongStatementIsAnInvalidArgumentAndSaysWhatIsWrong(t *testing.T) {
	connection := connect(t)
	for _, each := range []struct {
		name, sql string
		texts     []string
	}{
		{"no SQL", "SELEC id FROM images", []string{"SELEC"}},
		{"no statement", "-- nothing", []string{"statement"}},
		{"two statements", "SELECT 1; SELECT 2", []string{"2 statements"}},
		{"no table", "SELECT id FROM image_action", []string{"`image_action`", "hint: did you mean", "image_actions"}},
		{"no column", "SELECT statuss FROM image_actions", []string{"`statuss`", "hint: did you mean `status`?"}},
		{"no number", "SELECT * FROM image_actions WHERE image_id = 'abc'", []string{"'abc'"}},
		{"a division by zero", "SELECT 1 / 0", []string{"division by zero"}},
		{"CREATE", "CREATE TABLE t (a INT)", []string{"CREATE TABLE takes", "hint: write"}},
		{"INSERT", "INSERT INTO images VALUES (1)", []string{"read-only", "INSERT"}},
		{"DROP", "DROP TABLE IF EXISTS images", []string{"`images`", "catalog `datasets`"}},
		{"a transaction", "BEGIN", []string{"hint: leave it out", "no transactions"}},
	} {
		t.Run(each.name, func(t *testing.T) {
			_, err := try(t.Context(), connection, each.sql)

			refused := refusal(t, err, adbc.StatusInvalidArgument)
			require.EqualValues(t, codes.InvalidArgument, refused.VendorCode)
			for _, text := range each.texts {
				require.Contains(t, refused.Msg, text)
			}
		})
	}
	require.Len(t, ask(t, connection, getExample).rows, 1, "the connection works after an error")
}

func TestAnErrorOfTheApiHasItsCodeAndText(t *testing.T) {
	for _, each := range []struct {
		fault   string
		code    adbc.Status
		vendor  codes.Code
		message string
	}{
		{"status=401", adbc.StatusUnauthenticated, codes.Unauthenticated, "401"},
		{"status=403", adbc.StatusUnauthorized, codes.PermissionDenied, "403"},
		{"status=503", adbc.StatusIO, codes.Unavailable, "503"},
	} {
		t.Run(each.fault, func(t *testing.T) {
			inject(t, "GET /v2/images/*/actions "+each.fault)
			_, err := try(t.Context(), connect(t), listExample)

			refused := refusal(t, err, each.code)
			require.EqualValues(t, each.vendor, refused.VendorCode)
			require.Contains(t, refused.Msg, each.message)
		})
	}
}

func TestAnErrorAfterTheFirstRowsEndsTheResult(t *testing.T) {
	found, err := try(t.Context(), connect(t), "SELECT 1 / (value - 50000) AS x FROM generate_series(1, 100000)")

	require.NotEmpty(t, found.rows)
	require.Contains(t, refusal(t, err, adbc.StatusInvalidArgument).Msg, "division by zero")
}

func TestWhatTheServerDoesNotHaveIsNotImplemented(t *testing.T) {
	connection := connect(t)
	statement, err := connection.NewStatement()
	require.NoError(t, err)
	defer statement.Close()

	// The driver asks SqlInfo for this one.
	refusal(t, setOption(connection, adbc.OptionKeyAutoCommit, adbc.OptionValueDisabled), adbc.StatusNotImplemented)

	require.NoError(t, statement.SetSubstraitPlan([]byte("plan")))
	_, _, err = statement.ExecuteQuery(t.Context())
	require.Contains(t, refusal(t, err, adbc.StatusNotImplemented).Msg, "is not supported")

	require.NoError(t, statement.SetOption(adbc.OptionKeyIngestTargetTable, "images"))
	require.NoError(t, statement.SetOption(adbc.OptionValueIngestTargetCatalog, "digitalocean"))
	require.NoError(t, statement.Bind(t.Context(), batchOf(number(1))))
	_, err = statement.ExecuteUpdate(t.Context())
	require.Contains(t, refusal(t, err, adbc.StatusInvalidArgument).Msg, "into the catalog `datasets`")
}

func TestAQueryIsNoUpdate(t *testing.T) {
	_, err := statementOf(t, connect(t), "SELECT 1").ExecuteUpdate(t.Context())

	require.Contains(t, refusal(t, err, adbc.StatusInvalidArgument).Msg, "is not an update")
}
