//! Names of functions: rejects unknown ones, and suggests a replacement.

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{Function, FunctionArguments, ObjectNamePart};

use crate::engine::Fault;
use crate::error::nearest;
use crate::sql::identifier;

/// Checks that a called function exists.
///
/// # Errors
/// [`Fault::UnknownFunction`]
pub(super) fn check(state: &SessionState, function: &Function) -> Result<(), Fault> {
    let [ObjectNamePart::Identifier(ident)] = &function.name.0[..] else { return Ok(()) };
    let name = identifier(ident);
    // A name without parentheses is a keyword, or a column that is named like one: `user`.
    if matches!(function.args, FunctionArguments::None) || is_known(state, &name) {
        return Ok(());
    }
    // A quoted name keeps its case: `"COUNT"(x)` is not `count(x)`, but that is what the user means.
    let folded = name.to_lowercase();
    let hint = match replacement(&folded) {
        Some(replacement) => Some(format!("write {replacement}")),
        None => most_similar(state, &folded).map(|name| format!("did you mean `{name}`?")),
    };
    Err(Fault::UnknownFunction { name, hint })
}

fn is_known(state: &SessionState, name: &str) -> bool {
    PLANNER_FUNCTIONS.contains(&name)
        || state.scalar_functions().contains_key(name)
        || state.aggregate_functions().contains_key(name)
        || state.window_functions().contains_key(name)
        || state.higher_order_functions().contains_key(name)
        || state.table_functions().contains_key(name)
}

fn most_similar(state: &SessionState, name: &str) -> Option<String> {
    let scalars = state.scalar_functions().keys().map(String::as_str);
    let aggregates = state.aggregate_functions().keys().map(String::as_str);
    let windows = state.window_functions().keys().map(String::as_str);
    let planned = PLANNER_FUNCTIONS.into_iter();
    let near = nearest(name, scalars.chain(aggregates).chain(windows).chain(planned))?;
    (strsim::normalized_damerau_levenshtein(name, near) >= 0.7).then(|| near.to_owned())
}

/// Functions of DataFusion's SQL planner, which are not registered in the session.
const PLANNER_FUNCTIONS: [&str; 8] =
    ["unnest", "unnest_outer", "struct", "row", "grouping", "cube", "rollup", "make_map"];

/// What to write instead of a function of another dialect.
fn replacement(name: &str) -> Option<&'static str> {
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
