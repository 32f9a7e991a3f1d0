//! Duplicate column names.

use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem, SetExpr};

use super::unnests;
use crate::engine::Fault;
use crate::sql::identifier;

/// Gives the second column of the same name a number, `name_2`. DataFusion rejects duplicate names, other databases
/// accept them.
pub(super) fn number_columns(body: &mut SetExpr) -> Result<(), Fault> {
    match body {
        SetExpr::Select(select) => {
            unnests::check_names(select)?;
            number_columns_of(select);
        }
        SetExpr::SetOperation { left, right, .. } => {
            for branch in [left, right] {
                if let SetExpr::Select(select) = branch.as_ref()
                    && let Some(top) = &select.top
                {
                    let instead = "put the branch in brackets, with a LIMIT".into();
                    return Err(Fault::Dialect { written: top.to_string(), instead });
                }
                number_columns(branch)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn number_columns_of(select: &mut Select) {
    let names: Vec<Option<String>> = select.projection.iter().map(item_name).collect();
    let mut taken: Vec<String> = names.iter().flatten().cloned().collect();
    for (at, item) in select.projection.iter_mut().enumerate() {
        let (Some(name), SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = (&names[at], &*item)
        else {
            continue;
        };
        if !names[..at].iter().flatten().any(|other| may_collide(other, name)) {
            continue;
        }
        let bare = name.rsplit('.').next().unwrap_or(name);
        let free = free_name(bare, &taken);
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', free.as_str()) };
        taken.push(free);
    }
}

/// The first of `name_2`, `name_3`, … that collides with no other name.
fn free_name(name: &str, taken: &[String]) -> String {
    let mut number = 2;
    loop {
        let free = format!("{name}_{number}");
        if !taken.iter().any(|taken| may_collide(taken, &free)) {
            return free;
        }
        number += 1;
    }
}

fn item_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(column_name(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Some(identifier(alias)),
        _ => None,
    }
}

/// The name that DataFusion gives a column, precise enough to find duplicates: a cast has the name of its column.
fn column_name(expr: &Expr) -> String {
    match expr {
        Expr::Nested(inner) => column_name(inner),
        Expr::Cast { expr, .. } => column_name(expr),
        Expr::Identifier(name) => identifier(name),
        Expr::CompoundIdentifier(parts) => parts.iter().map(identifier).collect::<Vec<_>>().join("."),
        Expr::Function(_) => expr.to_string().to_lowercase(),
        other => other.to_string(),
    }
}

/// Whether two names may collide: `a` may be `l.a`, but `l.a` is not `r.a`.
fn may_collide(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    one == other || (one.contains('.') != other.contains('.') && bare(one) == bare(other))
}
