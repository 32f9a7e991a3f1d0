package interop

import (
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// parameter is a column to bind, with a value for each row, in JSON.
type parameter struct {
	dataType arrow.DataType
	values   []string
}

func parameterOf(dataType arrow.DataType, values ...string) parameter {
	return parameter{dataType, values}
}

func number(values ...int64) parameter {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = strconv.FormatInt(value, 10)
	}
	return parameter{arrow.PrimitiveTypes.Int64, texts}
}

func text(values ...string) parameter {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = strconv.Quote(value)
	}
	return parameter{arrow.BinaryTypes.String, texts}
}

// batchOf returns a batch of the parameters. The columns are named 0, 1, …, as ADBC's Python driver names them.
func batchOf(parameters ...parameter) arrow.RecordBatch {
	fields := make([]arrow.Field, len(parameters))
	columns := make([]arrow.Array, len(parameters))
	for i, each := range parameters {
		columns[i] = each.array()
		fields[i] = arrow.Field{Name: strconv.Itoa(i), Type: each.dataType, Nullable: true}
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, int64(columns[0].Len()))
}

func (p parameter) array() arrow.Array {
	values := strings.NewReader("[" + strings.Join(p.values, ",") + "]")
	column, _, err := array.FromJSON(memory.DefaultAllocator, p.dataType, values)
	if err != nil {
		panic(err) // a mistake in the test
	}
	return column
}
