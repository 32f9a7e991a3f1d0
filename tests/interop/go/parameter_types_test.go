package interop

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"
)

// Each type that can be bound, with the type of SQL that takes it and the type in which it returns.
func TestAValueOfEachTypeArrivesAndSoDoesItsNull(t *testing.T) {
	utc := func(unit arrow.TimeUnit) arrow.DataType { return &arrow.TimestampType{Unit: unit, TimeZone: "UTC"} }
	local := func(unit arrow.TimeUnit) arrow.DataType { return &arrow.TimestampType{Unit: unit} }
	decimal := &arrow.Decimal128Type{Precision: 10, Scale: 2}
	large := &arrow.Decimal256Type{Precision: 40, Scale: 2}
	interval := arrow.FixedWidthTypes.MonthDayNanoInterval
	texts := arrow.ListOf(arrow.BinaryTypes.String)

	connection := connect(t)
	for _, each := range []struct {
		sql   string
		bound arrow.DataType
		json  string
		// The result, if its type and JSON are others.
		returned     arrow.DataType
		returnedJSON string
	}{
		{"BOOLEAN", arrow.FixedWidthTypes.Boolean, `true`, nil, ``},
		{"TINYINT", arrow.PrimitiveTypes.Int8, `-128`, nil, ``},
		{"SMALLINT", arrow.PrimitiveTypes.Int16, `-32768`, nil, ``},
		{"INT", arrow.PrimitiveTypes.Int32, `-2147483648`, nil, ``},
		{"BIGINT", arrow.PrimitiveTypes.Int64, `-9223372036854775808`, nil, ``},
		// The server returns no unsigned types: many clients cannot read them.
		{"TINYINT UNSIGNED", arrow.PrimitiveTypes.Uint8, `255`, arrow.PrimitiveTypes.Int16, ``},
		{"SMALLINT UNSIGNED", arrow.PrimitiveTypes.Uint16, `65535`, arrow.PrimitiveTypes.Int32, ``},
		{"INT UNSIGNED", arrow.PrimitiveTypes.Uint32, `4294967295`, arrow.PrimitiveTypes.Int64, ``},
		{"BIGINT UNSIGNED", arrow.PrimitiveTypes.Uint64, `9223372036854775807`, arrow.PrimitiveTypes.Int64, ``},
		{"DOUBLE", arrow.FixedWidthTypes.Float16, `1.5`, arrow.PrimitiveTypes.Float64, ``},
		{"REAL", arrow.PrimitiveTypes.Float32, `0.1`, nil, ``},
		{"DOUBLE", arrow.PrimitiveTypes.Float64, `0.1`, nil, ``},
		{"DECIMAL(10, 2)", decimal, `"-12.34"`, nil, ``},
		{"DECIMAL(40, 2)", large, `"12345678901234567890123456789012345678.99"`, nil, ``},

		{"VARCHAR", arrow.BinaryTypes.String, `"zürich 🌊"`, nil, ``},
		{"VARCHAR", arrow.BinaryTypes.String, `""`, nil, ``},
		{"VARCHAR", arrow.BinaryTypes.LargeString, `"zürich"`, arrow.BinaryTypes.String, ``},
		{"VARCHAR", arrow.BinaryTypes.StringView, `"longer than twelve bytes"`, arrow.BinaryTypes.String, ``},
		{"BYTEA", arrow.BinaryTypes.Binary, `"AAH/"`, nil, ``},
		{"BYTEA", arrow.BinaryTypes.LargeBinary, `"AAH/"`, arrow.BinaryTypes.Binary, ``},
		{"BYTEA", &arrow.FixedSizeBinaryType{ByteWidth: 3}, `"AAH/"`, arrow.BinaryTypes.Binary, ``},
		{"VARCHAR[]", texts, `["nyc3", null]`, nil, ``},

		{"DATE", arrow.FixedWidthTypes.Date32, `"2024-02-29"`, nil, ``},
		{"DATE", arrow.FixedWidthTypes.Date64, `"2024-02-29"`, arrow.FixedWidthTypes.Date32, ``},
		{"TIME", arrow.FixedWidthTypes.Time32s, `"23:59:59"`, arrow.FixedWidthTypes.Time64ns, ``},
		{"TIME", arrow.FixedWidthTypes.Time32ms, `"23:59:59.789"`, arrow.FixedWidthTypes.Time64ns, ``},
		{"TIME", arrow.FixedWidthTypes.Time64us, `"23:59:59.789"`, arrow.FixedWidthTypes.Time64ns, ``},
		{"TIME", arrow.FixedWidthTypes.Time64ns, `"23:59:59.123456789"`, nil, ``},
		{"TIMESTAMP", local(arrow.Second), `"2024-02-29T23:59:59"`, local(arrow.Nanosecond), ``},
		{"TIMESTAMP", local(arrow.Millisecond), `"2024-02-29T23:59:59.789"`, local(arrow.Nanosecond), ``},
		{"TIMESTAMP", local(arrow.Microsecond), `"2024-02-29T23:59:59.789"`, local(arrow.Nanosecond), ``},
		{"TIMESTAMP", local(arrow.Nanosecond), `"2024-02-29T23:59:59.123456789"`, nil, ``},
		{"TIMESTAMP WITH TIME ZONE", utc(arrow.Second), `"2024-02-29T23:59:59Z"`, utc(arrow.Nanosecond), ``},
		{"TIMESTAMP WITH TIME ZONE", utc(arrow.Nanosecond), `"2024-02-29T23:59:59Z"`, nil, ``},
		{
			"TIMESTAMP WITH TIME ZONE", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "Europe/Berlin"},
			`"2024-02-29T23:59:59Z"`, utc(arrow.Nanosecond), ``,
		},
		{"INTERVAL", interval, `{"months": 1, "days": -2, "nanoseconds": 3}`, nil, ``},
		{"INTERVAL", arrow.FixedWidthTypes.MonthInterval, `{"months": 1}`, interval, `{"months": 1}`},
		{
			"INTERVAL", arrow.FixedWidthTypes.DayTimeInterval, `{"days": 1, "milliseconds": 3}`,
			interval, `{"days": 1, "nanoseconds": 3000000}`,
		},
		{"INTERVAL", arrow.FixedWidthTypes.Duration_ms, `"5ms"`, interval, `{"nanoseconds": 5000000}`},
	} {
		if each.returned == nil {
			each.returned = each.bound
		}
		if each.returnedJSON == "" {
			each.returnedJSON = each.json
		}
		sql := fmt.Sprintf("SELECT CAST(? AS %s) AS x", each.sql)
		t.Run(fmt.Sprintf("%s as %s", each.bound, each.sql), func(t *testing.T) {
			found := ask(t, connection, sql, parameterOf(each.bound, each.json))
			require.Equal(t, each.returned.String(), found.schema.Field(0).Type.String())
			require.Equal(t, valueOf(parameterOf(each.returned, each.returnedJSON).array(), 0), found.rows[0]["x"])

			require.Nil(t, one(t, connection, sql, parameterOf(each.bound, "null")))
		})
	}
}
