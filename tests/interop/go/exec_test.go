package interop

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/stretchr/testify/require"
)

const (
	method      = "digitalocean.compute.image_actions.image_actions_post"
	boundExec   = "EXEC " + method + " @image_id=?, @type='transfer', @region=?"
	plainExec   = "EXEC " + method + " @image_id='%d', @type='transfer', @region='%s'"
	awaitedExec = "EXEC /*+ AWAIT */ " + method + " @image_id='%d', @type='transfer', @region='%s'"
)

// posting runs a call, and checks how many POSTs the account has executed.
func posting(t *testing.T, times int, call func()) {
	t.Helper()
	before := requested(t).Posts
	call()
	require.Equal(t, times, requested(t).Posts-before)
}

func TestAnExecIsExecutedOnceAndReturnsItsRow(t *testing.T) {
	connection := connect(t)
	for form, status := range map[string]string{plainExec: "in-progress", awaitedExec: "completed"} {
		next := nextTransfer(t)
		posting(t, 1, func() {
			found := ask(t, connection, fmt.Sprintf(form, next.image, next.region))

			require.Equal(t, columnNames, found.names())
			require.Len(t, found.rows, 1)
			require.Equal(t, next.image, found.rows[0]["image_id"])
			require.Equal(t, next.region, found.rows[0]["region_slug"])
			require.Equal(t, status, found.rows[0]["status"])
		})
	}
}

func TestAnExecTakesParameters(t *testing.T) {
	next := nextTransfer(t)
	posting(t, 1, func() {
		found := ask(t, connect(t), boundExec, number(next.image), text(next.region))
		require.Equal(t, []any{next.region}, found.column("region_slug"))
	})
}

func TestAnExecAsAnUpdateReturnsTheNumberOfItsExecutions(t *testing.T) {
	first, second := nextTransfer(t), nextTransfer(t)
	statement := prepare(t, connect(t), boundExec)
	batch := batchOf(number(first.image, second.image), text(first.region, second.region))
	require.NoError(t, statement.Bind(t.Context(), batch))

	posting(t, 2, func() {
		executed, err := statement.ExecuteUpdate(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, executed)
	})
}

func TestPreparingAnExecAndItsSchemaSendNothing(t *testing.T) {
	next := nextTransfer(t)
	before := requested(t)
	statement := prepare(t, connect(t), fmt.Sprintf(plainExec, next.image, next.region))
	schema, err := statement.(adbc.StatementExecuteSchema).ExecuteSchema(t.Context())
	require.NoError(t, err)

	require.Equal(t, columnNames, namesOf(schema))
	require.Equal(t, before, requested(t))
}

// The page's own EXEC, which lacks the type that the API requires.
func TestThePagesExecIsRejectedWithAStatementThatWouldWork(t *testing.T) {
	before := requested(t)
	_, err := try(t.Context(), connect(t), fmt.Sprintf("EXEC %s \n@image_id='%d' --required;\n", method, image))

	refused := refusal(t, err, adbc.StatusInvalidArgument)
	require.Contains(t, refused.Msg, "needs `type`")
	require.Contains(t, refused.Msg, "hint: write EXEC "+method)
	require.Equal(t, before, requested(t))
}
