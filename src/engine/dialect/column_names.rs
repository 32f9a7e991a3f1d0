//! Duplicate column names.

use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem, SetExpr};

use super::unnests;
use crate::engine::Fault;
use crate::sql::identifier;

/// Gives the second column of the same name a number, `name_2`. DataFusion rejects duplicate names, other databases
/// accept them.
///
/// # Errors
/// [`Fault::AmbiguousColumn`] and [`Fault::Dialect`].
pub(super) fn number_columns(body: &mut SetExpr) -> Result<(), Fault> {
    match body {
        SetExpr::Select(select) => {
            unnests::check_names(select)?;
            number_columns_of(select)?;
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

/// # Errors
/// [`Fault::AmbiguousColumn`] for a name that AS gives to two columns: `ORDER BY` could mean either.
fn number_columns_of(select: &mut Select) -> Result<(), Fault> {
    let names: Vec<Option<ColumnName>> = select.projection.iter().map(item_name).collect();
    let mut taken: Vec<ColumnName> = names.iter().flatten().cloned().collect();
    for (at, item) in select.projection.iter_mut().enumerate() {
        let Some(name) = &names[at] else { continue };
        let mut before = names[..at].iter().flatten();
        match item {
            SelectItem::ExprWithAlias { .. } if before.any(|other| other.is_alias && other.name == name.name) => {
                return Err(Fault::AmbiguousColumn(name.name.clone()));
            }
            SelectItem::UnnamedExpr(expr) if before.any(|other| other.may_collide(name)) => {
                let free = free_name(&name.name, &taken);
                let alias = Ident::with_quote('"', free.name.as_str());
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                taken.push(free);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The name of a column of a SELECT.
#[derive(Clone, PartialEq, Eq)]
struct ColumnName {
    /// `t` of `t.a`.
    qualifier: Option<String>,
    name: String,
    /// Whether AS gives the name.
    is_alias: bool,
}

impl ColumnName {
    fn new(name: String) -> Self {
        Self { qualifier: None, name, is_alias: false }
    }

    fn alias(name: String) -> Self {
        Self { is_alias: true, ..Self::new(name) }
    }

    /// Whether two names may collide: `a` may be `l.a`, but `l.a` is not `r.a`.
    fn may_collide(&self, other: &Self) -> bool {
        let qualifiers_may = match (&self.qualifier, &other.qualifier) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        qualifiers_may && self.name == other.name
    }
}

/// The first of `name_2`, `name_3`, … that collides with no other name.
fn free_name(name: &str, taken: &[ColumnName]) -> ColumnName {
    let mut number = 2;
    loop {
        let free = ColumnName::alias(format!("{name}_{number}"));
        if !taken.iter().any(|taken| taken.may_collide(&free)) {
            return free;
        }
        number += 1;
    }
}

fn item_name(item: &SelectItem) -> Option<ColumnName> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(column_name(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Some(ColumnName::alias(identifier(alias))),
        _ => None,
    }
}

/// The name that DataFusion gives a column, precise enough to find duplicates: a cast has the name of its column.
fn column_name(expr: &Expr) -> ColumnName {
    match expr {
        Expr::Nested(inner) => column_name(inner),
        Expr::Cast { expr, .. } => column_name(expr),
        Expr::Identifier(name) => ColumnName::new(identifier(name)),
        Expr::CompoundIdentifier(parts) => {
            let mut parts: Vec<String> = parts.iter().map(identifier).collect();
            let name = parts.pop().unwrap_or_default();
            ColumnName { qualifier: Some(parts.join(".")), name, is_alias: false }
        }
        Expr::Function(_) => ColumnName::new(expr.to_string().to_lowercase()),
        other => ColumnName::new(other.to_string()),
    }
}
