package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// request sends a request to the simulated account behind the server, which accepts any token, and returns the body.
func request(t *testing.T, method, path, body string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, demo+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("authorization", "Bearer dop_v1_interop")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	found, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return found
}

// actions returns the actions of an image, as the account's API lists them.
func actions(t *testing.T, image int64) []row {
	t.Helper()
	var found []row
	for number := 1; ; number++ {
		var page struct {
			Actions []row
			Meta    struct{ Total int }
		}
		path := fmt.Sprintf("/v2/images/%d/actions?page=%d&per_page=200", image, number)
		require.NoError(t, json.Unmarshal(request(t, http.MethodGet, path, ""), &page))
		found = append(found, page.Actions...)
		if len(found) >= page.Meta.Total {
			return found
		}
	}
}

// requests is what the account has counted.
type requests struct {
	Total int // requests received
	Posts int // POSTs executed
}

func requested(t *testing.T) (found requests) {
	t.Helper()
	require.NoError(t, json.Unmarshal(request(t, http.MethodGet, "/_demo/requests", ""), &found))
	return found
}

// inject injects a fault until the test ends.
func inject(t *testing.T, fault string) {
	t.Helper()
	request(t, http.MethodPost, "/_demo/faults", fault)
	// Not with request: the test's context has ended by then.
	t.Cleanup(func() {
		clear, _ := http.NewRequest(http.MethodDelete, demo+"/_demo/faults", nil)
		response, err := http.DefaultClient.Do(clear)
		require.NoError(t, err)
		response.Body.Close()
	})
}

// transfer is an image, and a region to which it can be transferred.
type transfer struct {
	image  int64
	region string
}

// transfers are those that nextTransfer has not returned yet.
var transfers []transfer

// nextTransfer returns each transfer once, of those that the suites before this one have left. test_pydo.py and the
// prism suite use lon1 and tor1.
func nextTransfer(t *testing.T) transfer {
	t.Helper()
	if transfers == nil {
		sql := `SELECT i.id, r.slug FROM images i CROSS JOIN regions r
			WHERE NOT i.public AND i.status = 'available' AND i.type IN ('snapshot', 'custom') AND i.id <> ?
			AND r.available AND r.slug NOT IN ('lon1', 'tor1') AND NOT array_has(i.regions, r.slug)
			ORDER BY r.slug DESC, i.id`
		for _, row := range ask(t, connect(t), sql, number(image)).rows {
			transfers = append(transfers, transfer{row["id"].(int64), row["slug"].(string)})
		}
	}
	require.NotEmpty(t, transfers, "the account has no image and region left that no test has transferred")
	next := transfers[0]
	transfers = transfers[1:]
	return next
}
