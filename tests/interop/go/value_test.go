package interop

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// valueOf copies a value: nil, string, time.Time (of a timestamp), []any, row, or what Arrow makes of it for JSON, such
// as int64.
func valueOf(column arrow.Array, i int) any {
	if column.IsNull(i) {
		return nil
	}
	switch column := column.(type) {
	case *array.String:
		// The string is in the batch, whose memory is used again.
		return strings.Clone(column.Value(i))
	case *array.Timestamp:
		unit := column.DataType().(*arrow.TimestampType).Unit
		return column.Value(i).ToTime(unit)
	case *array.List:
		start, end := column.ValueOffsets(i)
		items := []any{}
		for at := start; at < end; at++ {
			items = append(items, valueOf(column.ListValues(), int(at)))
		}
		return items
	case *array.Struct:
		fields := row{}
		for j, field := range column.DataType().(*arrow.StructType).Fields() {
			fields[field.Name] = valueOf(column.Field(j), i)
		}
		return fields
	default:
		return column.GetOneForMarshal(i)
	}
}
