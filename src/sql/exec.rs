//! Parses EXEC and CALL: two forms of the same statement.
//!
//! ```sql
//! EXEC /*+ AWAIT */ digitalocean.compute.image_actions.image_actions_post
//!   @image_id='62137902', @type='transfer' @@json='{"region": "nyc3"}';
//! CALL digitalocean.compute.image_actions.image_actions_post(image_id => 62137902, type => 'convert', await => '10m')
//! ```
//!
//! EXEC is StackQL's form. Values are constant SQL expressions, including parameters. The comma before `@@json` is
//! optional. `SHOWRESULTS` is accepted and ignored: the row is always returned. Some tools strip comments; for them,
//! `@@await='10m'` is the same as the hint, with a limit.
//!
//! # How an EXEC is split
//!
//! ```text
//! EXEC a.b.m  @x = 1 + 1 ,  @@json = '{}'
//!      ────── ── ─ ─────    ────── ─ ────
//!      name   start  value   start    value      a start is `@name =` or `@@name =` outside of brackets
//! ```
//!
//! sqlparser has an operator `@@`, and would read `'1' @@json` as a comparison. So the tokens are searched for the
//! starts first, and the tokens between two starts are parsed as one expression.
//!
//! Do not change without thinking: the printed form of an [`Exec`] must parse to an equal `Exec`, because hints show it
//! as a statement that works (a property test checks it). A value must not contain a name, which would be read as a
//! column (`@type=transfer`), or a query, which has no value while the EXEC is planned.

use std::fmt;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Value, ValueWithSpan};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::{
    Fault, expect_end, identifier, parse_name, parser, significant, syntax_error, visit_expressions, without_words,
};

/// A call of a procedure.
#[derive(Clone, Debug, PartialEq)]
pub struct Exec {
    /// The parts of the procedure's name.
    pub procedure: Vec<String>,
    /// The named arguments, in the order of the statement.
    pub arguments: Vec<Argument>,
    /// The body as JSON text.
    pub json: Option<Expr>,
    /// Whether to wait until the action has finished.
    pub wait: Option<Wait>,
}

/// A named argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The name, without `@`.
    pub name: String,
    /// The value as written.
    pub value: Expr,
}

/// How long to wait.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// The default limit.
    Usual,
    /// The duration in this expression.
    For(Box<Expr>),
}

/// The names of the two options. In CALL they are written like arguments; in EXEC they have two `@`.
const JSON: &str = "json";
const AWAIT: &str = "await";

/// Parses a statement that begins with EXEC or CALL.
pub(super) fn parse(tokens: &[TokenWithSpan]) -> Result<Exec, Fault> {
    let is_call = tokens.iter().find_map(|token| significant(&token.token)).is_some_and(|word| word == "CALL");
    let rest = without_words(tokens, 1);
    let mut exec = if is_call { parse_call(rest)? } else { parse_exec(rest)? };
    if has_await_hint(tokens)? {
        exec.wait.get_or_insert(Wait::Usual);
    }
    Ok(exec)
}

/// Whether a hint `/*+ … */` contains AWAIT. The hint may be anywhere in the statement.
fn has_await_hint(tokens: &[TokenWithSpan]) -> Result<bool, Fault> {
    let mut awaits = false;
    for token in tokens {
        let Token::Whitespace(Whitespace::MultiLineComment(comment)) = &token.token else { continue };
        let Some(hint) = comment.strip_prefix('+') else { continue };
        for word in hint.split([' ', ',', '\n', '\r', '\t']).filter(|word| !word.is_empty()) {
            match word.to_ascii_uppercase().as_str() {
                "AWAIT" => awaits = true,
                "SHOWRESULTS" => {}
                _ => return Err(Fault::Hint(word.chars().take(100).collect())),
            }
        }
    }
    Ok(awaits)
}

fn parse_exec(tokens: &[TokenWithSpan]) -> Result<Exec, Fault> {
    let starts = argument_starts(tokens);
    let first = starts.first().map_or(tokens.len(), |start| start.place);
    let mut exec = Exec::new(parse_whole_name(&tokens[..first])?);
    for (at, start) in starts.iter().enumerate() {
        let next = starts.get(at + 1);
        let end = next.map_or(tokens.len(), |next| next.place);
        let value = until_comma(&tokens[start.value..end], start, next)?;
        exec.add(start.is_option, &start.name, expression(value)?)?;
    }
    Ok(exec)
}

fn parse_whole_name(tokens: &[TokenWithSpan]) -> Result<Vec<String>, Fault> {
    let mut parser = parser(tokens);
    let name = parse_name(&mut parser)?;
    expect_end(&mut parser)?;
    Ok(name)
}

/// The start of an argument: `@name =` or `@@name =`.
struct Start {
    /// The index of its first token.
    place: usize,
    /// The index of the first token after `=`.
    value: usize,
    /// Whether it has two `@`: an option of the EXEC instead of an argument of the procedure.
    is_option: bool,
    /// The name, without `@`, in lower case.
    name: String,
}

/// Returns the starts of all arguments. A start within brackets is part of a value.
fn argument_starts(tokens: &[TokenWithSpan]) -> Vec<Start> {
    let significant: Vec<(usize, &Token)> = tokens
        .iter()
        .enumerate()
        .map(|(place, token)| (place, &token.token))
        .filter(|(_, token)| !matches!(token, Token::Whitespace(_)))
        .collect();
    let (mut starts, mut depth) = (Vec::new(), 0_usize);
    for (at, (place, token)) in significant.iter().enumerate() {
        let next = |offset: usize| significant.get(at + offset).map(|(place, token)| (*place, *token));
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 && word.quote_style.is_none() && word.value.starts_with('@') => {
                let Some((equals, Token::Eq)) = next(1) else { continue };
                let name = word.value.trim_start_matches('@').to_lowercase();
                let is_option = word.value.starts_with("@@");
                starts.push(Start { place: *place, value: equals + 1, is_option, name });
            }
            // The tokenizer returns `@` and the name as two tokens if there is a space or a comment between them.
            Token::AtSign | Token::AtAt if depth == 0 => {
                let (Some((_, Token::Word(word))), Some((equals, Token::Eq))) = (next(1), next(2)) else { continue };
                // `@ @name =` would be two starts of one argument.
                if word.value.starts_with('@') {
                    continue;
                }
                let (name, is_option) = (word.value.to_lowercase(), **token == Token::AtAt);
                starts.push(Start { place: *place, value: equals + 1, is_option, name });
            }
            _ => {}
        }
    }
    starts
}

/// Returns the tokens of an argument's value, without the comma after it. The comma is required before `@name`, and
/// optional before `@@name`. A comma after the last argument is left in place, and is a syntax error later.
fn until_comma<'a>(
    tokens: &'a [TokenWithSpan],
    start: &Start,
    next: Option<&Start>,
) -> Result<&'a [TokenWithSpan], Fault> {
    let last = tokens.iter().rposition(|token| !matches!(token.token, Token::Whitespace(_)));
    let Some(last) = last else { return Err(Fault::Syntax(format!("`@{}` has no value", start.name))) };
    let ends_with_comma = tokens[last].token == Token::Comma;
    match next {
        Some(next) if !ends_with_comma && !next.is_option => {
            Err(Fault::Syntax(format!("a comma is missing before `@{}`", next.name)))
        }
        Some(_) if ends_with_comma => Ok(&tokens[..last]),
        Some(_) | None => Ok(tokens),
    }
}

fn expression(tokens: &[TokenWithSpan]) -> Result<Expr, Fault> {
    let mut parser = parser(tokens);
    let value = parser.parse_expr().map_err(syntax_error)?;
    expect_end(&mut parser)?;
    check_value(value)
}

/// Rejects names, such as `@type=transfer`, which SQL reads as a column, and queries.
fn check_value(value: Expr) -> Result<Expr, Fault> {
    let found = visit_expressions(&value, |part| match part {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(Fault::Name(part.to_string())),
        Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => ControlFlow::Break(Fault::Query),
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Break(fault) => Err(fault),
        ControlFlow::Continue(()) => Ok(value),
    }
}

fn parse_call(tokens: &[TokenWithSpan]) -> Result<Exec, Fault> {
    let mut parser = parser(tokens);
    let mut exec = Exec::new(parse_name(&mut parser)?);
    parser.expect_token(&Token::LParen).map_err(syntax_error)?;
    while !parser.consume_token(&Token::RParen) {
        if !exec.is_empty() {
            parser.expect_token(&Token::Comma).map_err(syntax_error)?;
        }
        let named = matches!(parser.peek_nth_token(1).token, Token::RArrow | Token::Assignment | Token::Eq);
        if !named {
            let value = parser.parse_expr().map_err(syntax_error)?;
            return Err(Fault::Positional(value.to_string()));
        }
        let name = identifier(&parser.parse_identifier().map_err(syntax_error)?);
        parser.next_token();
        let value = check_value(parser.parse_expr().map_err(syntax_error)?)?;
        let is_option = [JSON, AWAIT].contains(&name.as_str());
        exec.add(is_option, &name, value)?;
    }
    expect_end(&mut parser)?;
    Ok(exec)
}

impl Exec {
    fn new(procedure: Vec<String>) -> Self {
        Self { procedure, arguments: Vec::new(), json: None, wait: None }
    }

    /// Whether nothing was added.
    fn is_empty(&self) -> bool {
        self.arguments.is_empty() && self.json.is_none() && self.wait.is_none()
    }

    /// Adds an argument of the procedure, or an option of the EXEC.
    fn add(&mut self, is_option: bool, name: &str, value: Expr) -> Result<(), Fault> {
        match (is_option, name) {
            (false, _) => self.arguments.push(Argument { name: name.to_owned(), value }),
            (true, JSON) if self.json.is_none() => self.json = Some(value),
            (true, AWAIT) if self.wait.is_none() => self.wait = Some(Wait::For(Box::new(value))),
            (true, JSON | AWAIT) => return Err(Fault::Syntax(format!("`@@{name}` is given twice"))),
            (true, _) => {
                return Err(Fault::Syntax(format!("there is no `@@{name}`; the options are `@@json` and `@@await`")));
            }
        }
        Ok(())
    }
}

/// Writes the statement in StackQL's form.
impl fmt::Display for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { procedure, arguments, json, wait } = self;
        let hint = if *wait == Some(Wait::Usual) { "/*+ AWAIT */ " } else { "" };
        let name: Vec<String> = procedure.iter().map(|part| quoted(part)).collect();
        write!(f, "EXEC {hint}{}", name.join("."))?;
        let mut values: Vec<String> =
            arguments.iter().map(|Argument { name, value }| format!("@{name}={}", QuotedExpr(value))).collect();
        if let Some(json) = json {
            values.push(format!("@@json={}", QuotedExpr(json)));
        }
        if let Some(Wait::For(limit)) = wait {
            values.push(format!("@@await={}", QuotedExpr(limit)));
        }
        if values.is_empty() { Ok(()) } else { write!(f, " {}", values.join(", ")) }
    }
}

/// Writes a value that parses to the same value. sqlparser's own Display takes the quote in `\'` for an escaped one,
/// and does not double it.
struct QuotedExpr<'a>(&'a Expr);

impl fmt::Display for QuotedExpr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => {
                write!(f, "'{}'", text.replace('\'', "''"))
            }
            other => other.fmt(f),
        }
    }
}

/// Quotes a part of a name, if it would not parse to the same name without quotes.
fn quoted(part: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    let simple = part.starts_with(plain) && part.chars().all(|c| plain(c) || c.is_ascii_digit());
    if simple { part.to_owned() } else { format!("\"{}\"", part.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Statement, StatementBody, parse as parse_statement};
    use super::*;

    fn exec(text: &str) -> Result<Exec, Fault> {
        let Statement { body, .. } = parse_statement(text)?;
        match body {
            StatementBody::Exec(exec) => Ok(exec),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn printed(text: &str) -> String {
        exec(text).unwrap_or_else(|fault| panic!("{text}: {fault}")).to_string()
    }

    #[test]
    fn the_statement_of_stackqls_documentation_is_parsed() {
        let page =
            "EXEC digitalocean.compute.image_actions.image_actions_post \n@image_id='{{ image_id }}' --required;";

        assert_eq!(
            printed(page),
            "EXEC digitalocean.compute.image_actions.image_actions_post @image_id='{{ image_id }}'"
        );
    }

    #[test]
    fn every_form_has_the_same_meaning() {
        let plain = "EXEC a.b.c.m @x='1', @@json='{\"y\": 2}'";
        for text in [
            plain,
            "exec A.B.C.M @X='1' @@JSON='{\"y\": 2}';",
            "EXEC /*+ SHOWRESULTS */ a.b.c.m -- required\n @x = '1' -- one\n , @@json = '{\"y\": 2}' ; ;",
            "CALL a.b.c.m(x => '1', json => '{\"y\": 2}')",
            "call a.b.c.m ( x := '1', json = '{\"y\": 2}' );",
            "EXEC \"a\".b.c.m @x='1' /* @z='2' */ @@json='{\"y\": 2}'",
        ] {
            assert_eq!(printed(text), plain, "{text}");
        }
    }

    #[test]
    fn a_hint_or_an_argument_makes_it_wait() {
        let awaiting = "EXEC /*+ AWAIT */ m @x=1";
        for text in [awaiting, "EXEC /*+showresults*/ /*+ await */ m @x=1", "EXEC m @x=1 /*+ SHOWRESULTS, AWAIT */"] {
            assert_eq!(printed(text), awaiting, "{text}");
        }
        let limited = "EXEC m @x=1, @@await='10m'";
        for text in [limited, "EXEC m @@await='10m' @@json=?, @x=1", "CALL m(await => '10m', x => 1)"] {
            let wait = exec(text).unwrap().wait;
            assert!(matches!(&wait, Some(Wait::For(limit)) if limit.to_string() == "'10m'"), "{text}: {wait:?}");
        }
        assert_eq!(printed("EXEC /*+ AWAIT */ m @@await='1s'"), "EXEC m @@await='1s'");
        assert_eq!(exec("EXEC /* AWAIT */ m").unwrap().wait, None);
    }

    #[test]
    fn values_are_expressions_and_parameters() {
        let text = "EXEC m @a=?, @b=-1, @c=concat('a, @x=', ?), @d=NULL, @e=true, @f=$$it's$$, @g=1.5e3";

        assert_eq!(parse_statement(text).unwrap().parameters, 2);
        assert_eq!(
            printed(text),
            "EXEC m @a=$1, @b=-1, @c=concat('a, @x=', $2), @d=NULL, @e=true, @f=$$it's$$, @g=1.5e3"
        );
    }

    #[test]
    fn a_backslash_before_a_quote_escapes_nothing() {
        let text = r"EXEC m @x='\''', @y='a\', @z=''''''";

        assert_eq!(printed(text), text);
    }

    #[test]
    fn syntax_errors_name_the_problem() {
        for (text, expected) in [
            ("EXEC", "Expected: identifier"),
            ("EXEC m @", "Expected: the end"),
            ("EXEC m @x", "Expected: the end"),
            ("EXEC m @ @x=1", "Expected: the end"),
            ("EXEC m @x=", "`@x` has no value"),
            ("EXEC m @x=, @y=1", "Expected: an expression"),
            ("EXEC m @x=1 @y=2", "a comma is missing before `@y`"),
            ("EXEC m @x=1,", "Expected: the end"),
            ("EXEC m , @x=1", "Expected: the end"),
            ("EXEC m @x=1 2", "Expected: the end"),
            ("EXEC m (1)", "Expected: the end"),
            ("EXEC m @x=transfer", "transfer is a name"),
            ("EXEC m @x=\"transfer\"", "\"transfer\" is a name"),
            ("EXEC m @x=1 + y", "y is a name"),
            ("EXEC m @x=(SELECT 1)", "must be a value, not a query"),
            ("EXEC m @x=1 IN (SELECT a FROM t)", "must be a value, not a query"),
            ("CALL m(x => EXISTS (SELECT 1))", "must be a value, not a query"),
            ("EXEC m @@x=1", "there is no `@@x`"),
            ("EXEC m @@json='{}' @@json='{}'", "`@@json` is given twice"),
            ("EXEC /*+ AWAITS */ m", "EXEC has no hint `AWAITS`"),
            ("CALL m", "Expected: ("),
            ("CALL m(1)", "the argument 1 has no name"),
            ("CALL m(x => 1", "Expected: ,"),
            ("CALL m(x => )", "Expected: an expression"),
            ("CALL m(x => 1) y", "Expected: the end"),
        ] {
            let message = exec(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>().prop_map(|text| format!("'{}'", text.replace('\'', "''"))),
            any::<i64>().prop_map(|number| number.to_string()),
            (1..50_usize).prop_map(|number| format!("${number}")),
            Just("NULL".to_owned()),
            Just("true".to_owned()),
            "[a-z]{1,9}".prop_map(|word| format!("upper('{word}')")),
        ]
    }

    fn any_exec() -> impl Strategy<Value = Exec> {
        let arguments = proptest::collection::vec(("[a-z_][a-z0-9_]{0,9}", value()), 0..5);
        let parts = proptest::collection::vec(any::<String>().prop_filter("a name", |part| !part.is_empty()), 1..5);
        let wait = prop_oneof![Just(None), Just(Some(None)), value().prop_map(|limit| Some(Some(limit)))];
        (parts, arguments, proptest::option::of(value()), wait).prop_map(|(procedure, arguments, json, wait)| {
            let value = |text: String| {
                let tokens = super::super::tokens(&text).unwrap();
                parser(&tokens).parse_expr().unwrap()
            };
            let arguments = arguments.into_iter().map(|(name, text)| Argument { name, value: value(text) }).collect();
            let wait = wait.map(|limit| limit.map_or(Wait::Usual, |limit| Wait::For(Box::new(value(limit)))));
            Exec { procedure, arguments, json: json.map(value), wait }
        })
    }

    proptest! {
        #[test]
        fn the_printed_form_parses_to_the_same_statement(written in any_exec()) {
            let text = written.to_string();

            prop_assert_eq!(exec(&text).map_err(|fault| format!("{text}: {fault}")), Ok(written));
        }

        #[test]
        fn any_text_is_parsed_or_rejected(text: String, rest in "[@=,'?$a-z(){}*/+. -]{0,40}") {
            for text in [text.clone(), format!("EXEC {text}"), format!("EXEC m {rest}{text}"), format!("CALL m({rest}{text}")] {
                if let Ok(Statement { body: StatementBody::Exec(read), .. }) = parse_statement(&text) {
                    let again = exec(&read.to_string());
                    prop_assert_eq!(again, Ok(read), "{}", text);
                }
            }
        }
    }
}
