//! The names of functions: whether there is one, and which was meant where there is none.

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{Function, FunctionArguments, ObjectNamePart};

use crate::engine::Fault;
use crate::error::nearest;
use crate::sql::identifier;

/// Whether there is a function that is called.
///
/// # Errors
/// [`Fault::UnknownFunction`]
pub(super) fn check(state: &SessionState, function: &Function) -> Result<(), Fault> {
    let [ObjectNamePart::Identifier(ident)] = &function.name.0[..] else { return Ok(()) };
    let name = identifier(ident);
    // Without arguments and brackets it is a keyword, or a column that is called like one: `user`.
    if matches!(function.args, FunctionArguments::None) || is_known(state, &name) {
        return Ok(());
    }
    // A name in double quotes keeps its capitals: `"COUNT"(x)` is not `count(x)`, but means it.
    let folded = name.to_lowercase();
    let instead =
        elsewhere(&folded).map(str::to_owned).or_else(|| near(state, &folded).map(|near| format!("`{near}`?")));
    Err(Fault::UnknownFunction { name, instead })
}

fn is_known(state: &SessionState, name: &str) -> bool {
    PLANNED.contains(&name)
        || state.scalar_functions().contains_key(name)
        || state.aggregate_functions().contains_key(name)
        || state.window_functions().contains_key(name)
        || state.higher_order_functions().contains_key(name)
        || state.table_functions().contains_key(name)
}

fn near(state: &SessionState, name: &str) -> Option<String> {
    let scalars = state.scalar_functions().keys().map(String::as_str);
    let aggregates = state.aggregate_functions().keys().map(String::as_str);
    let windows = state.window_functions().keys().map(String::as_str);
    let planned = PLANNED.into_iter();
    let near = nearest(name, scalars.chain(aggregates).chain(windows).chain(planned))?;
    (strsim::normalized_damerau_levenshtein(name, near) >= 0.7).then(|| near.to_owned())
}

/// What DataFusion plans by itself.
const PLANNED: [&str; 8] = ["unnest", "unnest_outer", "struct", "row", "grouping", "cube", "rollup", "make_map"];

/// What other dialects call something that there is.
fn elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "year" | "month" | "day" | "hour" | "minute" | "second" | "week" | "quarter" | "dayofweek" | "dayofyear" => {
            "`date_part('year', x)`, `'month'` and so on"
        }
        "getdate" | "sysdate" | "sysdatetime" | "systimestamp" | "utc_timestamp" => "`now()`",
        "curdate" => "`current_date`",
        "dateadd" | "date_add" | "adddate" => "`x + INTERVAL '1 day'`",
        "datediff" | "timestampdiff" | "date_diff" => "`date_part('epoch', a - b)`, in seconds",
        "isnull" | "nz" | "zeroifnull" => "`coalesce(x, …)`",
        "iif" | "if" | "decode" => "`CASE WHEN … THEN … ELSE … END`",
        "len" | "datalength" => "`length(x)`",
        "charindex" | "locate" => "`strpos(text, part)`",
        "group_concat" | "listagg" => "`string_agg(x, ',')`",
        "to_number" | "safe_cast" => "`CAST(x AS type)`, or TRY_CAST for NULL where it fails",
        "ucase" => "`upper(x)`",
        "lcase" => "`lower(x)`",
        "array_contains_all" => "`array_has_all(list, …)`",
        "any_value" => "`first_value(x)`",
        "toyear" => "`date_part('year', x)`",
        "unix_timestamp" => "`to_unixtime(x)`",
        "strftime" | "date_format" | "format_datetime" => "`to_char(x, '%Y-%m-%d')`",
        "json_extract" | "json_value" | "get_json_object" => "`x['field']` of a struct",
        _ => return None,
    })
}
