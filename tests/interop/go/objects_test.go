package interop

import (
	"testing"

	"github.com/apache/arrow-adbc/go/adbc"
	"github.com/stretchr/testify/require"
)

// filters are the arguments of GetObjects; nil is no filter.
type filters struct {
	catalog, schema, table, column *string
	types                          []string
}

func pattern(text string) *string { return &text }

// objects returns the rows of GetObjects: catalogs, with everything else in them.
func objects(t *testing.T, depth adbc.ObjectDepth, filter filters) []row {
	t.Helper()
	connection := connect(t)
	reader, err := connection.GetObjects(
		t.Context(), depth, filter.catalog, filter.schema, filter.table, filter.column, filter.types)
	require.NoError(t, err)
	require.True(t, adbc.GetObjectsSchema.Equal(reader.Schema()), reader.Schema())
	found, err := readAll(reader)
	require.NoError(t, err)
	return found.rows
}

// named returns the object with this name in a list of GetObjects, whose key of names this is, or nil.
func named(list any, key, name string) row {
	objects, _ := list.([]any) // nil, if there is no such list
	for _, each := range objects {
		if each.(row)[key] == name {
			return each.(row)
		}
	}
	return nil
}

// namesIn returns the names in a list of GetObjects.
func namesIn(list any, key string) []any {
	found := []any{}
	for _, each := range list.([]any) {
		found = append(found, each.(row)[key])
	}
	return found
}

// compute returns the schema digitalocean.compute, if it is listed.
func compute(catalogs []row) row {
	for _, catalog := range catalogs {
		if catalog["catalog_name"] == "digitalocean" {
			return named(catalog["catalog_db_schemas"], "db_schema_name", "compute")
		}
	}
	return nil
}

func TestGetObjectsListsCatalogs(t *testing.T) {
	found := result{rows: objects(t, adbc.ObjectDepthCatalogs, filters{})}

	require.ElementsMatch(t, []any{"datasets", "digitalocean", "oceanflight"}, found.column("catalog_name"))
	require.Equal(t, []any{nil, nil, nil}, found.column("catalog_db_schemas"))
}

func TestGetObjectsListsSchemas(t *testing.T) {
	found := result{rows: objects(t, adbc.ObjectDepthDBSchemas, filters{})}

	expected := map[any][]any{
		"digitalocean": {"account", "compute", "information_schema"},
		// Its information_schema is not listed: one is enough.
		"oceanflight": {"meta"},
	}
	for _, catalog := range found.rows {
		schemas := namesIn(catalog["catalog_db_schemas"], "db_schema_name")
		require.ElementsMatch(t, expected[catalog["catalog_name"]], schemas)
	}
	require.Nil(t, compute(found.rows)["db_schema_tables"])
}

func TestGetObjectsListsTables(t *testing.T) {
	tables := compute(objects(t, adbc.ObjectDepthTables, filters{}))["db_schema_tables"]

	expected := []any{"droplet_actions", "droplets", "image_actions", "images", "regions", "snapshots"}
	require.ElementsMatch(t, expected, namesIn(tables, "table_name"))
	for _, table := range tables.([]any) {
		require.Equal(t, "TABLE", table.(row)["table_type"])
		require.Nil(t, table.(row)["table_columns"])
	}
}

func TestGetObjectsListsColumnsWithTheirPositionsAndTypes(t *testing.T) {
	for _, depth := range []adbc.ObjectDepth{adbc.ObjectDepthColumns, adbc.ObjectDepthAll} {
		tables := compute(objects(t, depth, filters{}))["db_schema_tables"]
		columns := named(tables, "table_name", "image_actions")["table_columns"]

		found := namesIn(columns, "column_name")
		require.Len(t, found, len(columnNames))
		for i, name := range columnNames {
			require.Equal(t, name, found[i])
			require.EqualValues(t, i+1, named(columns, "column_name", name)["ordinal_position"])
		}
		require.Equal(t, "BIGINT", named(columns, "column_name", "id")["xdbc_type_name"])
		require.Equal(t, "TIMESTAMP", named(columns, "column_name", "started_at")["xdbc_type_name"])
		require.Equal(t, "VARCHAR", named(columns, "column_name", "status")["xdbc_type_name"])
	}
}

// The cases of TestMetadataGetObjectsColumns in ADBC's suite.
func TestGetObjectsFilters(t *testing.T) {
	const nothing = "nothing_invalid"
	region := []any{"region", "region_slug"}
	all := []any{}
	for _, name := range columnNames {
		all = append(all, name)
	}
	for _, each := range []struct {
		name   string
		filter filters
		// What is found of digitalocean.compute.image_actions.
		schema, table bool
		columns       []any
	}{
		{"by a catalog", filters{catalog: pattern("digitalocean")}, true, true, all},
		{"by a catalog's pattern", filters{catalog: pattern("digital%")}, true, true, all},
		{"by no catalog", filters{catalog: pattern(nothing)}, false, false, nil},
		{"by a schema", filters{schema: pattern("compute")}, true, true, all},
		{"by a schema's pattern", filters{schema: pattern("c_mp%")}, true, true, all},
		{"by no schema", filters{schema: pattern(nothing)}, false, false, nil},
		{"by a table", filters{table: pattern("image_actions")}, true, true, all},
		{"by a table's pattern", filters{table: pattern("%actions")}, true, true, all},
		{"by no table", filters{table: pattern(nothing)}, true, false, nil},
		{"by columns", filters{column: pattern("region%")}, true, true, region},
		{"by a type", filters{types: []string{"TABLE"}}, true, true, all},
		{"by two types", filters{types: []string{"VIEW", "TABLE"}}, true, true, all},
		{"by another type", filters{types: []string{"VIEW"}}, true, false, nil},
		{"by all of them", filters{
			pattern("digitalocean"), pattern("compute"), pattern("image\\_actions"), pattern("region%"), []string{"TABLE"},
		}, true, true, region},
	} {
		t.Run(each.name, func(t *testing.T) {
			schema := compute(objects(t, adbc.ObjectDepthAll, each.filter))
			require.Equal(t, each.schema, schema != nil)
			table := named(schema["db_schema_tables"], "table_name", "image_actions")
			require.Equal(t, each.table, table != nil)
			if table != nil {
				require.Equal(t, each.columns, namesIn(table["table_columns"], "column_name"))
			}
		})
	}
}

func TestTableTypesAreThoseOfTheTables(t *testing.T) {
	reader, err := connect(t).GetTableTypes(t.Context())
	require.NoError(t, err)
	require.True(t, adbc.TableTypesSchema.Equal(reader.Schema()), reader.Schema())
	types, err := readAll(reader)
	require.NoError(t, err)

	used := map[any]bool{}
	for _, catalog := range objects(t, adbc.ObjectDepthTables, filters{}) {
		for _, schema := range catalog["catalog_db_schemas"].([]any) {
			for _, table := range schema.(row)["db_schema_tables"].([]any) {
				used[table.(row)["table_type"]] = true
			}
		}
	}
	require.Len(t, used, len(types.rows))
	for _, each := range types.column("table_type") {
		require.Contains(t, used, each)
	}
}
