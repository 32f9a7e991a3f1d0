package interop

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Ids of the simulated account.
const (
	image       int64 = 62137902
	action      int64 = 36804636
	actionCount       = 366
)

var (
	listExample = example("list")
	getExample  = example("get")

	fieldNames = []string{
		"id", "resource_id", "completed_at", "region", "region_slug", "resource_type", "started_at", "status", "type",
	}
	columnNames = append(fieldNames[:len(fieldNames):len(fieldNames)], "image_id", "action_id")
)

// example returns a statement of StackQL's documentation of image_actions, with the account's ids.
func example(name string) string {
	statement, err := os.ReadFile("../../page/" + name + ".sql")
	if err != nil {
		panic(err)
	}
	values := strings.NewReplacer("{{ image_id }}", fmt.Sprint(image), "{{ action_id }}", fmt.Sprint(action))
	return values.Replace(string(statement))
}

func TestTheListExampleReturnsEveryAction(t *testing.T) {
	found := ask(t, connect(t), listExample)

	require.Equal(t, fieldNames, found.names())
	require.Len(t, found.rows, actionCount)
	for id, pair := range pairs(t, found) {
		for _, name := range []string{"status", "type", "region_slug", "resource_type"} {
			require.Equal(t, pair.api[name], pair.sql[name], id)
		}
	}
}

func TestTheGetExampleReturnsTheActionOfTheList(t *testing.T) {
	connection := connect(t)
	found := ask(t, connection, getExample)

	require.Len(t, found.rows, 1)
	require.Equal(t, action, found.rows[0]["id"])
	require.Contains(t, ask(t, connection, listExample).rows, found.rows[0])
}

func TestTimestampsAreThoseOfTheApiToTheSecond(t *testing.T) {
	running := 0
	for id, pair := range pairs(t, ask(t, connect(t), listExample)) {
		for _, name := range []string{"started_at", "completed_at"} {
			if pair.api[name] == nil {
				running++
				require.Nil(t, pair.sql[name], id)
				continue
			}
			instant, err := time.Parse(time.RFC3339, pair.api[name].(string))
			require.NoError(t, err)
			require.Equal(t, instant.UTC(), pair.sql[name], id)
			require.Zero(t, pair.sql[name].(time.Time).Nanosecond(), id)
		}
	}
	require.NotZero(t, running, "no action without an end")
}

func TestARegionIsAStructWithLists(t *testing.T) {
	regions := 0
	for id, pair := range pairs(t, ask(t, connect(t), listExample)) {
		if pair.api["region"] == nil {
			require.Nil(t, pair.sql["region"], id)
			continue
		}
		regions++
		require.EqualValues(t, pair.api["region"], pair.sql["region"], id)
	}
	require.NotZero(t, regions, "no action with a region")
}

// pair is an action as the API and a result have it.
type pair struct{ api, sql row }

// pairs returns the actions of the API and of the result, which must be the same, by their id.
func pairs(t *testing.T, found result) map[int64]pair {
	pairs := map[int64]pair{}
	for _, each := range actions(t, image) {
		pairs[int64(each["id"].(float64))] = pair{api: each}
	}
	for _, each := range found.rows {
		id := each["id"].(int64)
		require.Contains(t, pairs, id)
		pairs[id] = pair{pairs[id].api, each}
	}
	require.Len(t, pairs, len(found.rows))
	return pairs
}
