package interop

import (
	"context"
	"testing"
	"time"

	"github.com/apache/arrow-adbc/go/adbc"
	driver "github.com/apache/arrow-adbc/go/adbc/driver/flightsql"
	"github.com/stretchr/testify/require"
)

const (
	endless = "SELECT count(*) FROM generate_series(1, 1000000000000)"
	// A query holds one of 16 places once it has computed for 100 ms; others wait for one for at most 30 s.
	places    = 16
	untilHeld = 300 * time.Millisecond
	// A query that is cancelled must end long before it would end by itself.
	soon = 10 * time.Second
)

func TestACancelledQueryLeavesItsPlaceToAnother(t *testing.T) {
	connection := connect(t)
	for range places + 1 {
		ctx, cancel := context.WithTimeout(t.Context(), untilHeld)
		_, err := try(ctx, connection, endless)
		cancel()
		refusal(t, err, adbc.StatusTimeout)
	}

	long := "SELECT count(*) FROM generate_series(1, 1000000) WHERE value % 7 = 0"
	require.Equal(t, int64(142857), one(t, connection, long))
}

func TestACancelledContextIsACancelledQuery(t *testing.T) {
	for name, sql := range map[string]string{
		"before the first row": endless,
		"among the rows":       "SELECT value FROM generate_series(1, 1000000000000)",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(untilHeld, cancel)
			begun := time.Now()
			_, err := try(ctx, connect(t), sql)

			refusal(t, err, adbc.StatusCancelled)
			require.Less(t, time.Since(begun), soon)
		})
	}
}

func TestACancelledQuerySendsNoMoreRequests(t *testing.T) {
	const sql = "SELECT count(*) FROM image_actions"
	connection := connect(t)
	begin := requested(t).Total
	one(t, connection, sql)
	every := requested(t).Total - begin

	// 16 lists are read at once, so that others are left when the query is cancelled.
	inject(t, "GET /v2/images/*/actions delay=1s")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(untilHeld, cancel)
	begin = requested(t).Total
	_, err := try(ctx, connection, sql)
	refusal(t, err, adbc.StatusCancelled)

	time.Sleep(1500 * time.Millisecond)
	require.Less(t, requested(t).Total-begin, every)
}

func TestAResultThatIsNotReadToItsEndHoldsUpNothing(t *testing.T) {
	connection := connect(t)
	statement := statementOf(t, connection, "SELECT value FROM generate_series(1, 1000000000000)")
	reader, _, err := statement.ExecuteQuery(t.Context())
	require.NoError(t, err)
	require.True(t, reader.Next())
	reader.Release()

	require.Equal(t, int64(1), one(t, connection, "SELECT 1"))
}

func TestTheDriversTimeoutEndsAQuery(t *testing.T) {
	connection := connectWith(t, options{driver.OptionTimeoutFetch: "0.3"})
	begun := time.Now()
	_, err := try(t.Context(), connection, endless)

	refusal(t, err, adbc.StatusTimeout)
	require.Less(t, time.Since(begun), soon)
}
