//! SQL text to a [`Statement`]: one statement, its parameters numbered. No I/O, and no
//! knowledge of what the tables are.

use std::fmt;

use datafusion::sql::parser::{DFParserBuilder, Statement as Ast};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, TokenizerError};

use crate::error::{Failure, Kind};

/// One SQL statement, parsed.
#[derive(Clone, Debug)]
pub struct Statement {
    /// DataFusion's own tree.
    pub ast: Ast,
    /// How many parameters it takes: `?`, or the highest `$n`.
    pub parameters: usize,
}

/// Text that is not one SQL statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not parse; the parser's own words.
    Syntax(String),
    /// Nothing but white space and comments.
    Empty,
    /// More operators than can be planned.
    TooLong,
    /// Several statements in one text.
    Several(usize),
    /// `?` and `$1` in one statement.
    MixedParameters,
    /// A parameter that is neither `?` nor `$1`, `$2`, …
    Parameter(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(message) => write!(f, "the SQL does not parse: {message}"),
            Self::Empty => f.write_str("there is no SQL statement in the text"),
            Self::TooLong => write!(f, "the statement has more than {MOST_OPERATORS} operators"),
            Self::Several(count) => write!(f, "the text holds {count} statements, and one is run at a time"),
            Self::MixedParameters => f.write_str("the statement mixes `?` with `$1`"),
            Self::Parameter(name) => write!(f, "`{name}` is no parameter"),
        }
    }
}

impl std::error::Error for Fault {}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax(_) | Self::Empty => None,
            Self::TooLong => {
                Some("write `x IN (…)` instead of `x = … OR x = …`; a list may be as long as it likes".into())
            }
            Self::Several(_) => Some("send them one after another".into()),
            Self::MixedParameters | Self::Parameter(_) => {
                Some("write parameters either as `?` or as `$1`, `$2`, …".into())
            }
        }
    }
}

/// `a OR b OR …` is a tree as deep as it is long. Planning goes down it by recursion, and takes time that grows with
/// its square. What makes no tree deeper does not count: commas, names, values, comparisons; a long IN list is flat.
const MOST_OPERATORS: usize = 1_000;

/// Parses one statement.
///
/// # Errors
/// [`Fault`]: not SQL, not one statement, or parameters that cannot be numbered.
pub fn parse(text: &str) -> Result<Statement, Fault> {
    let mut tokens = tokens(text)?;
    if tokens.iter().filter(|token| is_operator(&token.token)).count() > MOST_OPERATORS {
        return Err(Fault::TooLong);
    }
    let parameters = number_parameters(&mut tokens)?;
    let mut statements = DFParserBuilder::new(tokens)
        .with_dialect(&GenericDialect {})
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| Fault::Syntax(plain(&error)))?;
    match (statements.pop_front(), statements.len()) {
        (None, _) => Err(Fault::Empty),
        (Some(ast), 0) => Ok(Statement { ast, parameters }),
        (Some(_), more) => Err(Fault::Several(more + 1)),
    }
}

fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, Fault> {
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
    tokens.map_err(|TokenizerError { message, location }| Fault::Syntax(format!("{message}{location}")))
}

fn is_operator(token: &Token) -> bool {
    use Keyword::{AND, EXCEPT, INTERSECT, JOIN, OR, UNION};
    match token {
        Token::Word(word) => matches!(word.keyword, AND | OR | UNION | EXCEPT | INTERSECT | JOIN),
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat => true,
        Token::Ampersand | Token::Pipe | Token::Caret | Token::DoubleColon | Token::LBracket => true,
        _ => false,
    }
}

/// The parser's message without its own name in front.
fn plain(error: &datafusion::error::DataFusionError) -> String {
    use datafusion::error::DataFusionError;
    use datafusion::sql::sqlparser::parser::ParserError;
    match error.find_root() {
        DataFusionError::SQL(inner, _) => match inner.as_ref() {
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message.clone(),
            ParserError::RecursionLimitExceeded => "it is nested too deeply".into(),
        },
        other => other.to_string(),
    }
}

/// Renames each `?` to `$n`, as tokens: a `?` inside of a string or a comment is none.
///
/// DataFusion makes one parameter named `?` of them all, and fails when it is bound.
fn number_parameters(tokens: &mut [TokenWithSpan]) -> Result<usize, Fault> {
    let (mut questions, mut highest) = (0, 0);
    for token in tokens {
        match &mut token.token {
            Token::Placeholder(name) if name == "?" => {
                questions += 1;
                *name = format!("${questions}");
            }
            Token::Placeholder(name) => highest = highest.max(number(name)?),
            _ => {}
        }
    }
    if questions > 0 && highest > 0 { Err(Fault::MixedParameters) } else { Ok(questions.max(highest)) }
}

/// The `n` of `$n`, from 1 to a number of parameters that a statement may have.
fn number(name: &str) -> Result<usize, Fault> {
    let number = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
    number.filter(|number| (1..=1_000).contains(number)).ok_or_else(|| Fault::Parameter(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_marks_are_numbered_by_position() {
        let statement = parse("SELECT ?, 'é?', ? -- ?\n, \"a?\", ? /* ? */ FROM t").unwrap();

        assert_eq!(statement.ast.to_string(), "SELECT $1, 'é?', $2, \"a?\", $3 FROM t");
        assert_eq!(statement.parameters, 3);
    }

    #[test]
    fn numbered_parameters_are_counted_by_the_highest() {
        assert_eq!(parse("SELECT $2, $1, $2").unwrap().parameters, 2);
        assert_eq!(parse("SELECT $10").unwrap().parameters, 10);
        assert_eq!(parse("SELECT 1").unwrap().parameters, 0);
    }

    #[test]
    fn comments_quotes_and_a_trailing_semicolon_are_taken() {
        for text in
            ["SELECT 1;", "-- a\nSELECT 1 -- required;", "SELECT 1 /* b */ ; -- c", "SELECT '--', \"x\" FROM t;"]
        {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_not_one_statement_is_refused() {
        assert_eq!(parse("").unwrap_err(), Fault::Empty);
        assert_eq!(parse(" -- nothing\n ; ").unwrap_err(), Fault::Empty);
        assert_eq!(parse("SELECT 1; SELECT 2").unwrap_err(), Fault::Several(2));
        assert_eq!(parse("SELECT ?, $1").unwrap_err(), Fault::MixedParameters);
        assert_eq!(parse("SELECT $0").unwrap_err(), Fault::Parameter("$0".into()));
        assert_eq!(parse("SELECT $name").unwrap_err(), Fault::Parameter("$name".into()));
        assert!(matches!(parse("SELEC 1").unwrap_err(), Fault::Syntax(_)));
        assert!(matches!(parse("SELECT 'open").unwrap_err(), Fault::Syntax(_)));
    }

    #[test]
    fn a_chain_is_bounded_and_a_list_is_not() {
        let chain = |terms: usize| format!("SELECT 1 WHERE {}", vec!["x = 1"; terms].join(" OR "));

        assert_eq!(parse(&chain(3_000)).unwrap_err(), Fault::TooLong);
        assert!(parse(&chain(300)).is_ok());
        assert!(parse(&format!("SELECT 1 WHERE x IN ({})", vec!["1"; 50_000].join(", "))).is_ok());
    }

    #[test]
    fn a_syntax_error_says_where() {
        let message = parse("SELECT 1\nFROM t WHERE )").unwrap_err().to_string();

        assert!(message.contains("Line: 2"), "{message}");
        assert!(!message.contains("ParserError"), "{message}");
    }
}
