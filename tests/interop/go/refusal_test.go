package interop

import (
	"errors"
	"regexp"
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/stretchr/testify/require"
)

// Parts of Rust's Debug, and of DataFusion's nested errors.
var debug = regexp.MustCompile(`Some\(|\w+Error\(|SchemaError|Context\(|[A-Z]\w+ \{|\w::\w|\\n|Backtrace`)

// refusal returns the error that a call must have, whose text must be readable.
func refusal(t *testing.T, err error, code adbc.Status) adbc.Error {
	t.Helper()
	var found adbc.Error
	require.True(t, errors.As(err, &found), "%v", err)
	require.Equal(t, code, found.Code, "%s instead of %s: %s", found.Code, code, found.Msg)
	require.NotRegexp(t, debug, found.Msg)
	require.Less(t, len(found.Msg), 600, found.Msg)
	return found
}
