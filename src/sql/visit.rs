//! Walks over a statement's syntax tree, compiled once for all visitors.
//!
//! sqlparser's `Visit::visit` is generic over the visitor: for each type of visitor, and so for each closure, the compiler
//! makes another walk over the whole syntax tree, about 500 KB of code. The functions here call every visitor through a
//! trait object, so there are only two walks: one over `&`, one over `&mut`. Use them instead of sqlparser's.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, Select, Statement, TableFactor, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};

/// Calls a visitor for the parts of `node`, as `node.visit(visitor)` does.
pub fn visit<V: Visitor>(node: &impl Visit, visitor: &mut V) -> ControlFlow<V::Break> {
    let mut stored = BreakStored { visitor, value: None };
    // The flow is `Break` exactly if a value is stored.
    let _ = node.visit(&mut DynVisitor(&mut stored));
    stored.value.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

/// Calls a visitor for the parts of `node`, as `node.visit(visitor)` does.
pub fn visit_mut<V: VisitorMut>(node: &mut impl VisitMut, visitor: &mut V) -> ControlFlow<V::Break> {
    let mut stored = BreakStored { visitor, value: None };
    let _ = node.visit(&mut DynVisitorMut(&mut stored));
    stored.value.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

/// Calls a function for each expression in `node`, and for an expression before its parts.
pub fn visit_expressions<B>(node: &impl Visit, function: impl FnMut(&Expr) -> ControlFlow<B>) -> ControlFlow<B> {
    visit(node, &mut ExprVisitor(function))
}

/// Calls a function for each expression in `node`, and for an expression after its parts.
pub fn visit_expressions_mut<B>(
    node: &mut impl VisitMut,
    function: impl FnMut(&mut Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    visit_mut(node, &mut ExprVisitor(function))
}

/// Wraps a visitor for a trait object: its `Break` has no value, and the visitor's value is stored here.
struct BreakStored<'a, V, B> {
    visitor: &'a mut V,
    value: Option<B>,
}

impl<V, B> BreakStored<'_, V, B> {
    fn store(&mut self, flow: ControlFlow<B>) -> ControlFlow<()> {
        flow.map_break(|value| self.value = Some(value))
    }
}

/// The one type that sqlparser's walk is compiled for.
struct DynVisitor<'a>(&'a mut dyn Visitor<Break = ()>);

/// As [`DynVisitor`], for `&mut`.
struct DynVisitorMut<'a>(&'a mut dyn VisitorMut<Break = ()>);

struct ExprVisitor<F>(F);

impl<B, F: FnMut(&Expr) -> ControlFlow<B>> Visitor for ExprVisitor<F> {
    type Break = B;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<B> {
        self.0(expr)
    }
}

impl<B, F: FnMut(&mut Expr) -> ControlFlow<B>> VisitorMut for ExprVisitor<F> {
    type Break = B;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<B> {
        self.0(expr)
    }
}

/// Forwards all methods of both traits. For a missing one, sqlparser would call the trait's own, which does nothing.
macro_rules! forward {
    ($($method:ident: $node:ty),+ $(,)?) => {
        #[deny(clippy::missing_trait_methods)]
        impl<V: Visitor> Visitor for BreakStored<'_, V, V::Break> {
            type Break = ();

            $(fn $method(&mut self, node: &$node) -> ControlFlow<()> {
                let flow = self.visitor.$method(node);
                self.store(flow)
            })+
        }

        #[deny(clippy::missing_trait_methods)]
        impl<V: VisitorMut> VisitorMut for BreakStored<'_, V, V::Break> {
            type Break = ();

            $(fn $method(&mut self, node: &mut $node) -> ControlFlow<()> {
                let flow = self.visitor.$method(node);
                self.store(flow)
            })+
        }

        #[deny(clippy::missing_trait_methods)]
        impl Visitor for DynVisitor<'_> {
            type Break = ();

            $(fn $method(&mut self, node: &$node) -> ControlFlow<()> {
                self.0.$method(node)
            })+
        }

        #[deny(clippy::missing_trait_methods)]
        impl VisitorMut for DynVisitorMut<'_> {
            type Break = ();

            $(fn $method(&mut self, node: &mut $node) -> ControlFlow<()> {
                self.0.$method(node)
            })+
        }
    };
}

/// Passes the methods of both traits to a macro, each with the type of its node.
macro_rules! with_methods {
    ($macro:ident) => {
        $macro! {
            pre_visit_query: Query,
            post_visit_query: Query,
            pre_visit_select: Select,
            post_visit_select: Select,
            pre_visit_relation: ObjectName,
            post_visit_relation: ObjectName,
            pre_visit_table_factor: TableFactor,
            post_visit_table_factor: TableFactor,
            pre_visit_expr: Expr,
            post_visit_expr: Expr,
            pre_visit_statement: Statement,
            post_visit_statement: Statement,
            pre_visit_value: ValueWithSpan,
            post_visit_value: ValueWithSpan,
        }
    };
}

with_methods!(forward);

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    const SQL: &str = "SELECT a, 1 FROM t JOIN u ON t.x = u.x WHERE b IN (SELECT c FROM v LIMIT 2)";

    fn statement() -> Statement {
        Parser::parse_sql(&GenericDialect {}, SQL).unwrap().remove(0)
    }

    /// Records each method that is called, with the node's text.
    #[derive(Default)]
    struct Recorder {
        calls: Vec<String>,
        /// The number of the call that breaks.
        last: Option<usize>,
    }

    impl Recorder {
        fn record(&mut self, method: &str, node: &dyn ToString) -> ControlFlow<usize> {
            self.calls.push(format!("{method} {}", node.to_string()));
            match self.last == Some(self.calls.len()) {
                true => ControlFlow::Break(self.calls.len()),
                false => ControlFlow::Continue(()),
            }
        }
    }

    macro_rules! record {
        ($($method:ident: $node:ty),+ $(,)?) => {
            impl Visitor for Recorder {
                type Break = usize;

                $(fn $method(&mut self, node: &$node) -> ControlFlow<usize> {
                    self.record(stringify!($method), node)
                })+
            }

            impl VisitorMut for Recorder {
                type Break = usize;

                $(fn $method(&mut self, node: &mut $node) -> ControlFlow<usize> {
                    self.record(stringify!($method), node)
                })+
            }

            const METHODS: &[&str] = &[$(stringify!($method)),+];
        };
    }

    with_methods!(record);

    #[test]
    fn a_visitor_gets_the_calls_that_sqlparser_makes() {
        let [mut direct, mut shared, mut direct_mut, mut shared_mut] = [(); 4].map(|()| Recorder::default());

        let _ = Visit::visit(&statement(), &mut direct);
        let _ = VisitMut::visit(&mut statement(), &mut direct_mut);

        assert!(visit(&statement(), &mut shared).is_continue());
        assert!(visit_mut(&mut statement(), &mut shared_mut).is_continue());
        assert_eq!(shared.calls, direct.calls);
        assert_eq!(shared_mut.calls, direct_mut.calls);
        for method in METHODS {
            assert!(shared.calls.iter().any(|call| call.starts_with(method)), "{method} is not called");
        }
    }

    #[test]
    fn a_break_ends_the_walk_and_its_value_is_returned() {
        let mut recorder = Recorder { last: Some(5), ..Recorder::default() };

        assert_eq!(visit(&statement(), &mut recorder), ControlFlow::Break(5));
        assert_eq!(recorder.calls.len(), 5);
        let mut recorder = Recorder { last: Some(7), ..Recorder::default() };
        assert_eq!(visit_mut(&mut statement(), &mut recorder), ControlFlow::Break(7));
        assert_eq!(recorder.calls.len(), 7);
    }

    #[test]
    fn expressions_are_visited_outer_first_and_changed_inner_first() {
        let (mut read, mut changed) = (Vec::new(), Vec::new());

        let _ = visit_expressions(&statement(), |expr| {
            read.push(expr.to_string());
            ControlFlow::<()>::Continue(())
        });
        let _ = visit_expressions_mut(&mut statement(), |expr| {
            changed.push(expr.to_string());
            ControlFlow::<()>::Continue(())
        });

        assert_eq!(read[..5], ["a", "1", "t.x = u.x", "t.x", "u.x"]);
        assert_eq!(changed[..5], ["a", "1", "t.x", "u.x", "t.x = u.x"]);
    }
}
