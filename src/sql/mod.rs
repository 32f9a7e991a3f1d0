//! Parses SQL text to a [`Statement`]: one statement, with numbered parameters. No I/O, and no knowledge of the tables.
//!
//! DataFusion parses most statements. StackQL's statements are parsed here: EXEC and CALL ([`Exec`]), SHOW ([`Show`]),
//! DESCRIBE ([`Describe`]).

mod depth;
mod exec;
mod fault;
mod placeholders;
mod show;
mod size;
mod table_change;
mod visit;

use std::collections::VecDeque;

use datafusion::sql::parser::{DFParserBuilder, ExplainStatement, Statement as Ast};
use datafusion::sql::sqlparser::ast::{Ident, Statement as SqlStatement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, TokenizerError};

use depth::{MAX_OPERATORS, depth};
pub use exec::{Argument, Exec, Wait};
pub use fault::Fault;
use placeholders::{check_placeholders, has_misplaced_parameter, number_parameters};
pub use show::{Describe, Show, ShowKind, Thing};
pub use size::MAX_TABLES;
use size::check_size;
pub use table_change::{CreateTable, DropTable, TableChange};
pub use visit::{visit, visit_expressions, visit_expressions_mut, visit_mut};

/// One SQL statement, parsed.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The syntax tree.
    pub body: StatementBody,
    /// The number of parameters: of `?`, or the highest `$n`.
    pub parameters: usize,
}

/// The syntax tree of a [`Statement`].
#[derive(Clone, Debug)]
pub enum StatementBody {
    /// A statement that DataFusion parses.
    Sql(Box<Ast>),
    /// EXEC or CALL.
    Exec(Exec),
    /// EXPLAIN of an EXEC or CALL.
    ExplainExec {
        /// The statement to explain.
        exec: Exec,
        /// Whether it is EXPLAIN VERBOSE.
        verbose: bool,
    },
    /// SHOW PROVIDERS, SERVICES, RESOURCES or METHODS.
    Show(Show),
    /// DESCRIBE of a table or of a method.
    Describe(Describe),
    /// CREATE TABLE … AS, or DROP TABLE.
    TableChange(TableChange),
}

/// Parses one statement.
///
/// # Errors
/// [`Fault`]: not SQL, not one statement, parameters that cannot be numbered, or a plan that would be too large.
pub fn parse(text: &str) -> Result<Statement, Fault> {
    let mut tokens = tokens(text)?;
    // Before it is parsed: the syntax trees of a hundred thousand statements have gigabytes.
    only_statement(&tokens)?;
    if depth(&tokens) > MAX_OPERATORS {
        return Err(Fault::TooLong);
    }
    let parameters = number_parameters(&mut tokens)?;
    if let Some(body) = parse_stackql(only_statement(&tokens)?)? {
        return Ok(Statement { body, parameters });
    }
    let mut statements = parse_statements(tokens).map_err(|fault| fault_as_written(text, fault))?;
    let ast = statements.pop_front().ok_or(Fault::Empty)?;
    check_placeholders(&ast)?;
    check_size(&ast)?;
    if let Some(change) = table_change::of(&ast)? {
        return Ok(Statement { body: StatementBody::TableChange(change), parameters });
    }
    Ok(Statement { body: StatementBody::Sql(Box::new(ast)), parameters })
}

/// Parses statements with DataFusion's parser.
fn parse_statements(tokens: Vec<TokenWithSpan>) -> Result<VecDeque<Ast>, Fault> {
    let misplaced = has_misplaced_parameter(&tokens);
    let builder = DFParserBuilder::new(tokens).with_dialect(&DIALECT);
    let mut parser = builder.build().map_err(|error| Fault::Syntax(message_of(&error)))?;
    parser.parse_statements().map_err(|error| {
        let (last, next) = (parser.parser.get_current_token(), parser.parser.peek_token_ref());
        let is_at_parameter = [last, next].iter().any(|token| matches!(token.token, Token::Placeholder(_)));
        match is_at_parameter || misplaced {
            true => Fault::AtParameter(message_of(&error)),
            false => Fault::Syntax(message_of(&error)),
        }
    })
}

/// Returns the parser's error for the text as written: `numbered` is the error after each `?` was replaced by `$n`.
fn fault_as_written(text: &str, numbered: Fault) -> Fault {
    tokens(text).and_then(parse_statements).err().unwrap_or(numbered)
}

const DIALECT: GenericDialect = GenericDialect {};

/// Parses a statement that DataFusion does not have. None: DataFusion is to parse it.
fn parse_stackql(tokens: &[TokenWithSpan]) -> Result<Option<StatementBody>, Fault> {
    let words: Vec<String> = tokens.iter().map(|token| &token.token).filter_map(significant).take(12).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let body = match words[..] {
        ["EXEC" | "CALL", ..] => StatementBody::Exec(exec::parse(tokens)?),
        ["EXPLAIN", ..] => match explained_exec(&words) {
            Some((words, verbose)) => {
                let exec = exec::parse(without_words(tokens, words?))?;
                StatementBody::ExplainExec { exec, verbose }
            }
            None => return Ok(None),
        },
        ["SHOW", ..] => return Ok(show::parse_show(tokens)?.map(StatementBody::Show)),
        ["DESCRIBE" | "DESC", ..] => {
            return Ok(show::parse_describe(tokens)?.map(StatementBody::Describe));
        }
        _ => return Ok(None),
    };
    Ok(Some(body))
}

/// Whether a statement begins with EXPLAIN, so that its rows are plans.
pub fn is_explain(text: &str) -> bool {
    let first = |token: &TokenWithSpan| significant(&token.token).filter(|word| word != ";");
    tokens(text).is_ok_and(|tokens| tokens.iter().find_map(first).as_deref() == Some("EXPLAIN"))
}

/// Whether a statement begins with CREATE or DROP.
pub fn may_change_tables(text: &str) -> bool {
    let first = |token: &TokenWithSpan| significant(&token.token).filter(|word| word != ";");
    let first = tokens(text).ok().and_then(|tokens| tokens.iter().find_map(first));
    matches!(first.as_deref(), Some("CREATE" | "DROP"))
}

/// Returns the number of words before the EXEC in an EXPLAIN, and whether VERBOSE is among them; none if a query is
/// explained.
fn explained_exec(words: &[&str]) -> Option<(Result<usize, Fault>, bool)> {
    let statement = words.iter().position(|word| ["EXEC", "CALL", "SELECT", "WITH"].contains(word))?;
    if !["EXEC", "CALL"].contains(&words[statement]) {
        return None;
    }
    Some(match &words[1..statement] {
        [] => (Ok(1), false),
        ["VERBOSE"] => (Ok(2), true),
        options if options.contains(&"ANALYZE") => (Err(Fault::Analyze), false),
        _ => (Err(Fault::Syntax("EXPLAIN of an EXEC supports only VERBOSE".into())), false),
    })
}

/// Returns a word in capitals, or the text of another token; none for white space and comments.
fn significant(token: &Token) -> Option<String> {
    match token {
        Token::Whitespace(_) => None,
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
        other => Some(other.to_string()),
    }
}

/// Returns the tokens of the only statement, without the semicolons after it.
fn only_statement(tokens: &[TokenWithSpan]) -> Result<&[TokenWithSpan], Fault> {
    let is_statement = |tokens: &&[TokenWithSpan]| tokens.iter().any(|token| significant(&token.token).is_some());
    let mut statements = tokens.split(|token| token.token == Token::SemiColon).filter(is_statement);
    let first = statements.next().unwrap_or_default();
    match statements.count() {
        0 => Ok(first),
        more => Err(Fault::Several(more + 1)),
    }
}

/// Returns the tokens after the first `words` words.
fn without_words(tokens: &[TokenWithSpan], words: usize) -> &[TokenWithSpan] {
    let mut places = tokens.iter().enumerate().filter(|(_, token)| significant(&token.token).is_some());
    let last = places.nth(words.saturating_sub(1)).map_or(0, |(place, _)| place + 1);
    &tokens[last..]
}

/// Returns sqlparser's parser over the tokens.
fn parser(tokens: &[TokenWithSpan]) -> Parser<'static> {
    Parser::new(&DIALECT).with_tokens_with_locations(tokens.to_vec())
}

fn syntax_error(error: ParserError) -> Fault {
    Fault::Syntax(parser_message(&error))
}

fn parser_message(error: &ParserError) -> String {
    match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message.clone(),
        ParserError::RecursionLimitExceeded => "it is nested too deeply".into(),
    }
}

/// Fails unless all tokens are parsed.
fn expect_end(parser: &mut Parser<'_>) -> Result<(), Fault> {
    match parser.peek_token() {
        TokenWithSpan { token: Token::EOF, .. } => Ok(()),
        found => parser.expected("the end of the statement", found).map_err(syntax_error),
    }
}

/// Parses a name such as `a.b.c` to its parts, in lower case if they are not quoted.
fn parse_name(parser: &mut Parser<'_>) -> Result<Vec<String>, Fault> {
    let name = parser.parse_object_name(false).map_err(syntax_error)?;
    let parts: Option<Vec<String>> = name.0.iter().map(|part| part.as_ident().map(identifier)).collect();
    parts.ok_or_else(|| Fault::Syntax(format!("`{name}` is not a name")))
}

/// Returns a name as it is looked up: in lower case if it is not quoted.
pub fn identifier(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, Fault> {
    let tokens = Tokenizer::new(&DIALECT, text).tokenize_with_location();
    tokens.map_err(|TokenizerError { message, location }| Fault::Syntax(format!("{message}{location}")))
}

/// Returns the parser's message without the prefix of its error type.
fn message_of(error: &datafusion::error::DataFusionError) -> String {
    use datafusion::error::DataFusionError;
    match error.find_root() {
        DataFusionError::SQL(inner, _) => parser_message(inner),
        other => other.to_string(),
    }
}

/// Returns the statement, or the one that an EXPLAIN explains; none for DataFusion's own statements, such as COPY.
pub fn statement_of(ast: &Ast) -> Option<&SqlStatement> {
    match ast {
        Ast::Statement(statement) => Some(statement),
        Ast::Explain(ExplainStatement { statement, .. }) => statement_of(statement),
        _ => None,
    }
}

/// As [`statement_of`].
pub fn statement_of_mut(ast: &mut Ast) -> Option<&mut SqlStatement> {
    match ast {
        Ast::Statement(statement) => Some(statement),
        Ast::Explain(ExplainStatement { statement, .. }) => statement_of_mut(statement),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datafusion_parses_its_own_statements() {
        for text in ["SHOW TABLES", "SHOW ALL", "SHOW COLUMNS FROM t", "DESCRIBE SELECT 1", "EXPLAIN SELECT 1"] {
            assert!(matches!(parse(text).unwrap().body, StatementBody::Sql(_)), "{text}");
        }
    }

    #[test]
    fn an_exec_is_one_statement_too() {
        assert!(matches!(parse("EXEC a.b.c.d;;").unwrap().body, StatementBody::Exec(_)));
        assert!(matches!(parse("; EXEC a.b.c.d").unwrap().body, StatementBody::Exec(_)));
        assert_eq!(parse("EXEC a.b.c.d; SELECT 1").unwrap_err(), Fault::Several(2));
        assert_eq!(parse("SELECT 1; EXEC a.b.c.d").unwrap_err(), Fault::Several(2));
        assert_eq!(parse("SHOW PROVIDERS; EXEC a; EXEC b").unwrap_err(), Fault::Several(3));
    }

    #[test]
    fn an_exec_can_be_explained_but_not_analyzed() {
        for text in ["EXPLAIN EXEC a.b.c.d", "EXPLAIN VERBOSE CALL a.b.c.d()", "explain -- x\n exec a.b.c.d;"] {
            assert!(matches!(parse(text).unwrap().body, StatementBody::ExplainExec { .. }), "{text}");
        }
        for text in ["EXPLAIN FORMAT TREE EXEC a.b.c.d", "EXPLAIN (VERBOSE) CALL a.b.c.d()"] {
            assert!(matches!(parse(text).unwrap_err(), Fault::Syntax(_)), "{text}");
        }
        for text in
            ["EXPLAIN ANALYZE EXEC a.b.c.d", "EXPLAIN ANALYZE VERBOSE CALL a.b.c.d()", "EXPLAIN (ANALYZE) EXEC a.b.c.d"]
        {
            assert_eq!(parse(text).unwrap_err(), Fault::Analyze, "{text}");
        }
    }

    #[test]
    fn an_explain_is_recognized_by_its_first_word() {
        for text in ["EXPLAIN SELECT 1", "-- a\n explain /* b */ analyze SELECT 1", "; EXPLAIN EXEC a.b.c.d"] {
            assert!(is_explain(text), "{text}");
        }
        for text in ["SELECT 'a' AS plan_type", "\"explain\" SELECT 1", "DESCRIBE t", "SELECT explain", "", "'"] {
            assert!(!is_explain(text), "{text}");
        }
    }

    #[test]
    fn comments_quotes_and_a_trailing_semicolon_are_accepted() {
        for text in [
            "SELECT 1;",
            ";; SELECT 1",
            "-- a\nSELECT 1 -- required;",
            "SELECT 1 /* b */ ; -- c",
            "SELECT '--', \"x\" FROM t;",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn text_that_is_not_one_statement_is_rejected() {
        assert_eq!(parse("").unwrap_err(), Fault::Empty);
        assert_eq!(parse(" -- nothing\n ; ").unwrap_err(), Fault::Empty);
        assert_eq!(parse("SELECT 1; SELECT 2").unwrap_err(), Fault::Several(2));
        assert_eq!(parse(&"SELECT 1;".repeat(100_000)).unwrap_err(), Fault::Several(100_000));
        assert_eq!(parse("SELECT ?, $1").unwrap_err(), Fault::MixedParameters);
        assert_eq!(parse("SELECT $0").unwrap_err(), Fault::Parameter("$0".into()));
        assert_eq!(parse("SELECT $name").unwrap_err(), Fault::Parameter("$name".into()));
        assert!(matches!(parse("SELEC 1").unwrap_err(), Fault::Syntax(_)));
        assert!(matches!(parse("SELECT 'open").unwrap_err(), Fault::Syntax(_)));
    }

    #[test]
    fn a_syntax_error_says_where() {
        let message = parse("SELECT 1\nFROM t WHERE )").unwrap_err().to_string();

        assert!(message.contains("Line: 2"), "{message}");
        assert!(!message.contains("ParserError"), "{message}");
    }
}
