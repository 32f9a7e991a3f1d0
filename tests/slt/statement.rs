//! What kind of statement a text is, and what it reads and changes.

use datafusion::common::TableReference;
use datafusion::sql::parser::{DFParser, DFParserBuilder, Statement as Ast};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{
    Expr, FromTable, ObjectName, Query, SetExpr, Statement, TableFactor, TableWithJoins,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// Functions that stand where tables do.
const TABLE_FUNCTIONS: &[&str] = &["generate_series", "range"];

/// Functions whose value differs between calls.
const VOLATILE: &[&str] =
    &["random", "uuid", "now", "current_timestamp", "current_date", "current_time", "today", "localtimestamp"];

/// The first words of queries.
const QUERIES: &[Keyword] = &[Keyword::SELECT, Keyword::WITH, Keyword::VALUES];

/// Parses a text. `None` if it is not one statement of DataFusion's default dialect.
pub(super) fn parse(sql: &str) -> Option<Ast> {
    let mut statements = DFParser::parse_sql_with_dialect(sql, &GenericDialect {}).ok()?;
    if statements.len() == 1 { statements.pop_front() } else { None }
}

/// Whether a text begins like a query. It may fail to parse.
pub(super) fn is_query(sql: &str) -> bool {
    // DataFusion rejects a text that cannot be split into tokens.
    let Some(tokens) = tokens(sql) else { return sql.trim_start().to_uppercase().starts_with("SELECT") };
    let first = tokens.iter().find(|token| token.token != Token::LParen);
    first.is_some_and(|token| QUERIES.iter().any(|query| is(token, *query)))
}

/// Whether a query has an ORDER BY of its own.
pub(super) fn is_ordered(ast: &Ast) -> bool {
    match ast {
        Ast::Statement(statement) => match statement.as_ref() {
            Statement::Query(query) => query.order_by.is_some(),
            _ => true,
        },
        _ => true,
    }
}

/// Whether a statement is `SELECT … INTO …`.
pub(super) fn makes_a_table(ast: &Ast) -> bool {
    let Ast::Statement(statement) = ast else { return false };
    let Statement::Query(query) = statement.as_ref() else { return false };
    matches!(query.body.as_ref(), SetExpr::Select(select) if select.into.is_some())
}

/// Whether a query reads `information_schema`, which this server always has and DataFusion only if an option is set.
pub(super) fn reads_information_schema(ast: &Ast) -> bool {
    let tables = resolve_table_references(ast, true).map(|(tables, _)| tables).unwrap_or_default();
    tables.iter().any(|table| table.schema() == Some("information_schema"))
}

/// Whether a text contains one of these words.
pub(super) fn names_any(sql: &str, names: &[impl AsRef<str>]) -> bool {
    let Some(tokens) = tokens(sql) else { return true };
    tokens.iter().any(|token| match &token.token {
        Token::Word(word) => names.iter().any(|name| word.value.eq_ignore_ascii_case(name.as_ref())),
        _ => false,
    })
}

pub(super) fn is_volatile(sql: &str) -> bool {
    names_any(sql, VOLATILE)
}

pub(super) fn is_table_function(table: &TableReference) -> bool {
    table.schema().is_none() && TABLE_FUNCTIONS.contains(&table.table())
}

/// Whether a query's text, which was printed from its tree, parses to that tree again.
pub(super) fn says_the_same(sql: &str, query: &Query) -> bool {
    matches!(parse(sql), Some(Ast::Statement(statement)) if matches!(&*statement, Statement::Query(own) if **own == *query))
}

/// Like [`says_the_same`], for an expression.
pub(super) fn expression_says_the_same(sql: &str, expression: &Expr) -> bool {
    let parser = DFParserBuilder::new(sql).with_dialect(&GenericDialect {}).build();
    parser.and_then(|mut parser| parser.parse_into_expr()).is_ok_and(|own| own.expr == *expression)
}

/// Adds common table expressions before a query's own.
pub(super) fn with(sql: &str, expressions: &[String]) -> Option<String> {
    if expressions.is_empty() {
        return Some(sql.to_owned());
    }
    let expressions = expressions.join(", ");
    let tokens = tokens(sql)?;
    let first = tokens.first()?;
    if !is(first, Keyword::WITH) {
        let (before, query) = sql.split_at(offset(sql, first.span.start)?);
        return Some(format!("{before}WITH {expressions} {query}"));
    }
    let recursive = tokens.get(1).is_some_and(|token| is(token, Keyword::RECURSIVE));
    let last = if recursive { &tokens[1] } else { first };
    let (with, own) = sql.split_at(offset(sql, last.span.end)?);
    Some(format!("{with} {expressions}, {own}"))
}

/// The tables that a statement other than CREATE, INSERT and DROP changes.
pub(super) fn changed(statement: &Statement) -> Vec<&ObjectName> {
    match statement {
        Statement::Update(update) => named(&update.table).into_iter().collect(),
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
            tables.iter().filter_map(named).collect()
        }
        Statement::Truncate(truncate) => truncate.table_names.iter().map(|table| &table.name).collect(),
        Statement::AlterTable(alter) => vec![&alter.name],
        _ => Vec::new(),
    }
}

fn named(table: &TableWithJoins) -> Option<&ObjectName> {
    match &table.relation {
        TableFactor::Table { name, .. } => Some(name),
        _ => None,
    }
}

/// The tokens of a text, without white space and comments.
fn tokens(sql: &str) -> Option<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    Some(tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect())
}

fn is(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.keyword == keyword)
}

/// The byte offset of a place in a text. Lines and columns count from 1, columns in characters.
fn offset(sql: &str, place: Location) -> Option<usize> {
    let line: usize = sql.split_inclusive('\n').take(place.line as usize - 1).map(str::len).sum();
    let column = sql.get(line..)?.char_indices().map(|(at, _)| at).nth(place.column as usize - 1);
    Some(line + column.unwrap_or(sql.len() - line))
}
