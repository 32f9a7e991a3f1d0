//! SQL text to a [`Statement`]: one statement, its parameters numbered. No I/O, and no
//! knowledge of what the tables are.
//!
//! Most statements are DataFusion's to parse. Those that StackQL's users know and DataFusion does not are read here:
//! EXEC and CALL ([`Exec`]), SHOW ([`Show`]), DESCRIBE ([`Describe`]).

mod exec;
mod show;

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, ExplainStatement, Statement as Ast};
use datafusion::sql::sqlparser::ast::{
    Ident, ObjectNamePart, Statement as SqlStatement, Value, ValueWithSpan, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, TokenizerError};

pub use exec::{Argument, Exec, Wait};
pub use show::{Describe, Listing, Show, Thing};

use crate::error::{Failure, Kind};

/// One SQL statement, parsed.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it says.
    pub body: Body,
    /// How many parameters it takes: `?`, or the highest `$n`.
    pub parameters: usize,
}

/// What a [`Statement`] says.
#[derive(Clone, Debug)]
pub enum Body {
    /// In DataFusion's own tree.
    Sql(Box<Ast>),
    /// EXEC or CALL.
    Exec(Exec),
    /// EXPLAIN of that.
    ExplainExec {
        /// What is explained.
        exec: Exec,
        /// With everything that DataFusion knows.
        verbose: bool,
    },
    /// SHOW PROVIDERS and the like.
    Show(Show),
    /// DESCRIBE of a table or of a method.
    Describe(Describe),
}

/// Text that is not one SQL statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not parse; the parser's own words.
    Syntax(String),
    /// It does not parse where a parameter stands; the parser's own words.
    AtParameter(String),
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
    /// An EXEC's argument that is a name, and no value.
    Name(String),
    /// An EXEC's argument that is a query.
    Query,
    /// A CALL's argument without a name.
    Positional(String),
    /// A hint in an EXEC that there is none of.
    Hint(String),
    /// EXPLAIN ANALYZE of an EXEC, which would carry it out.
    Analyze,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(message) | Self::AtParameter(message) => write!(f, "the SQL does not parse: {message}"),
            Self::Empty => f.write_str("there is no SQL statement in the text"),
            Self::TooLong => write!(f, "the statement has more than {MOST_OPERATORS} operators"),
            Self::Several(count) => write!(f, "the text holds {count} statements, and one is run at a time"),
            Self::MixedParameters => f.write_str("the statement mixes `?` with `$1`"),
            Self::Parameter(name) => write!(f, "`{name}` is no parameter"),
            Self::Name(name) => write!(f, "{name} is a name, and an argument is a value"),
            Self::Query => f.write_str("an argument is a value, and no query"),
            Self::Positional(value) => write!(f, "the argument {value} has no name"),
            Self::Hint(word) => write!(f, "`{word}` is no hint of EXEC"),
            Self::Analyze => f.write_str("EXPLAIN ANALYZE would carry the EXEC out"),
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
            Self::AtParameter(_) => Some(
                "a parameter stands for a value: write names, types and units in the statement, such as \
                 `extract(year FROM now())`"
                    .into(),
            ),
            Self::TooLong => {
                Some("write `x IN (…)` instead of `x = … OR x = …`; a list may be as long as it likes".into())
            }
            Self::Several(_) => Some("send them one after another".into()),
            Self::MixedParameters | Self::Parameter(_) => {
                Some("write parameters either as `?` or as `$1`, `$2`, …".into())
            }
            Self::Name(name) => Some(format!("write '{}' in single quotes", name.trim_matches('"'))),
            Self::Query => Some("run the query, and bind what it answers to a parameter".into()),
            Self::Positional(_) => Some("write `name => value`; DESCRIBE METHOD shows the names".into()),
            Self::Hint(_) => Some("there are SHOWRESULTS and AWAIT".into()),
            Self::Analyze => Some("EXPLAIN alone shows the request, and sends nothing".into()),
        }
    }
}

/// `a OR b OR …` is a tree as deep as it is long, and so is `a < b < …`. Planning goes down it by recursion, and takes
/// time that grows with its square. What makes no tree deeper does not count: commas, names, values; a long IN list is
/// flat.
const MOST_OPERATORS: usize = 1_000;

/// Parses one statement.
///
/// # Errors
/// [`Fault`]: not SQL, not one statement, or parameters that cannot be numbered.
pub fn parse(text: &str) -> Result<Statement, Fault> {
    let mut tokens = tokens(text)?;
    if depth(&tokens) > MOST_OPERATORS {
        return Err(Fault::TooLong);
    }
    let parameters = number_parameters(&mut tokens)?;
    if let Some(body) = own(&tokens)? {
        return Ok(Statement { body, parameters });
    }
    let mut statements = statements(tokens).map_err(|fault| as_written(text, fault))?;
    match (statements.pop_front(), statements.len()) {
        (None, _) => Err(Fault::Empty),
        (Some(ast), 0) => {
            check_placeholders(&ast)?;
            Ok(Statement { body: Body::Sql(Box::new(ast)), parameters })
        }
        (Some(_), more) => Err(Fault::Several(more + 1)),
    }
}

fn statements(tokens: Vec<TokenWithSpan>) -> Result<VecDeque<Ast>, Fault> {
    let misplaced = has_misplaced_parameter(&tokens);
    let builder = DFParserBuilder::new(tokens).with_dialect(&DIALECT);
    let mut parser = builder.build().map_err(|error| Fault::Syntax(plain(&error)))?;
    parser.parse_statements().map_err(|error| {
        let (behind, next) = (parser.parser.get_current_token(), parser.parser.peek_token_ref());
        let stands_there = [behind, next].iter().any(|token| matches!(token.token, Token::Placeholder(_)));
        match stands_there || misplaced {
            true => Fault::AtParameter(plain(&error)),
            false => Fault::Syntax(plain(&error)),
        }
    })
}

/// Whether a parameter stands where only a name, a type or a part of a date can. The parser goes back before it reports
/// some of these.
fn has_misplaced_parameter(tokens: &[TokenWithSpan]) -> bool {
    let tokens: Vec<&Token> =
        tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let keyword = |token: &Token| match token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    };
    (1..tokens.len()).filter(|at| matches!(tokens[*at], Token::Placeholder(_))).any(|at| {
        let is_extracted = at > 1 && *tokens[at - 1] == Token::LParen && keyword(tokens[at - 2]) == Keyword::EXTRACT;
        is_extracted || matches!(keyword(tokens[at - 1]), Keyword::AS | Keyword::FROM | Keyword::JOIN | Keyword::TABLE)
    })
}

/// The parser's words about the text itself, where each `?` was numbered before it was parsed.
fn as_written(text: &str, numbered: Fault) -> Fault {
    tokens(text).and_then(statements).err().unwrap_or(numbered)
}

const DIALECT: GenericDialect = GenericDialect {};

/// The statement, where it is one that DataFusion does not know.
fn own(tokens: &[TokenWithSpan]) -> Result<Option<Body>, Fault> {
    let words: Vec<String> = tokens.iter().map(|token| &token.token).filter_map(significant).take(12).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let body = match words[..] {
        ["EXEC" | "CALL", ..] => Body::Exec(exec::parse(only(tokens)?)?),
        ["EXPLAIN", ..] => match explained(&words) {
            Some((explaining, verbose)) => {
                Body::ExplainExec { exec: exec::parse(without_words(only(tokens)?, explaining?))?, verbose }
            }
            None => return Ok(None),
        },
        ["SHOW", ..] => return Ok(show::parse_show(only(tokens)?)?.map(Body::Show)),
        ["DESCRIBE" | "DESC", ..] => return Ok(show::parse_describe(only(tokens)?)?.map(Body::Describe)),
        _ => return Ok(None),
    };
    Ok(Some(body))
}

/// Whether a statement begins with EXPLAIN, and so answers plans.
pub fn is_explain(text: &str) -> bool {
    let first = |token: &TokenWithSpan| significant(&token.token).filter(|word| word != ";");
    tokens(text).is_ok_and(|tokens| tokens.iter().find_map(first).as_deref() == Some("EXPLAIN"))
}

/// How many words of EXPLAIN stand before an EXEC, and whether VERBOSE is among them; nothing where it is of a query.
fn explained(words: &[&str]) -> Option<(Result<usize, Fault>, bool)> {
    let options = words.iter().skip(1).take_while(|word| !["EXEC", "CALL", "SELECT", "WITH"].contains(word)).count();
    let options = &words[1..=options];
    matches!(words.get(options.len() + 1), Some(&("EXEC" | "CALL"))).then(|| match options {
        [] => (Ok(1), false),
        ["VERBOSE"] => (Ok(2), true),
        _ if options.contains(&"ANALYZE") => (Err(Fault::Analyze), false),
        _ => (Err(Fault::Syntax("EXPLAIN of an EXEC takes VERBOSE, and nothing else".into())), false),
    })
}

/// A word in capitals, or whatever else means something.
fn significant(token: &Token) -> Option<String> {
    match token {
        Token::Whitespace(_) => None,
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
        other => Some(other.to_string()),
    }
}

/// The tokens of the only statement, without the semicolons behind it.
fn only(tokens: &[TokenWithSpan]) -> Result<&[TokenWithSpan], Fault> {
    let mut statements = tokens.split(|token| token.token == Token::SemiColon);
    let first = statements.next().unwrap_or_default();
    let says_something = |tokens: &&[TokenWithSpan]| tokens.iter().any(|token| significant(&token.token).is_some());
    match statements.filter(says_something).count() {
        0 => Ok(first),
        more => Err(Fault::Several(more + 1)),
    }
}

/// What follows the first `words`.
fn without_words(tokens: &[TokenWithSpan], words: usize) -> &[TokenWithSpan] {
    let mut places = tokens.iter().enumerate().filter(|(_, token)| significant(&token.token).is_some());
    let last = places.nth(words.saturating_sub(1)).map_or(0, |(place, _)| place + 1);
    &tokens[last..]
}

/// sqlparser's parser over some of the tokens.
fn parser(tokens: &[TokenWithSpan]) -> Parser<'static> {
    Parser::new(&DIALECT).with_tokens_with_locations(tokens.to_vec())
}

fn syntax(error: ParserError) -> Fault {
    Fault::Syntax(parser_message(&error))
}

fn parser_message(error: &ParserError) -> String {
    match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message.clone(),
        ParserError::RecursionLimitExceeded => "it is nested too deeply".into(),
    }
}

/// Fails unless all is read.
fn end(parser: &mut Parser<'_>) -> Result<(), Fault> {
    match parser.peek_token() {
        TokenWithSpan { token: Token::EOF, .. } => Ok(()),
        found => parser.expected("the end of the statement", found).map_err(syntax),
    }
}

/// The parts of `a.b.c`, in lower case where they are not quoted.
fn name(parser: &mut Parser<'_>) -> Result<Vec<String>, Fault> {
    let name = parser.parse_object_name(false).map_err(syntax)?;
    let part = |part: &ObjectNamePart| part.as_ident().map(identifier);
    let parts: Option<Vec<String>> = name.0.iter().map(part).collect();
    parts.ok_or_else(|| Fault::Syntax(format!("`{name}` is no name")))
}

/// A name as it is looked up: in lower case where it is not quoted.
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

/// Brackets within brackets; the parser bounds those of expressions itself, and not those of types.
const MOST_BRACKETS: usize = 200;

/// A bound of how deep the tree becomes. What is counted is never taken back: precedence decides what stands upon what,
/// and is not known here. But one comparison is free after each AND, OR or comma and within each pair of brackets,
/// where it is one of many terms beside each other.
fn depth(tokens: &[TokenWithSpan]) -> usize {
    let mut reading = Depth::default();
    for token in tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_))) {
        reading.token(token);
    }
    reading.counted
}

#[derive(Default)]
struct Depth<'a> {
    counted: usize,
    /// Whether there was a comparison since the last thing that parts terms.
    compared: bool,
    /// The brackets that are open, and what `compared` was before each.
    open: Vec<(Bracket, bool)>,
    before: Option<&'a Token>,
}

/// What encloses terms.
#[derive(Clone, Copy, PartialEq)]
enum Bracket {
    Round,
    Square,
    Curly,
    Case,
}

impl<'a> Depth<'a> {
    fn token(&mut self, token: &'a Token) {
        if is_chain(token) && !self.is_sign(token) {
            self.counted += 1;
        } else if is_operator(token) {
            self.counted += usize::from(std::mem::replace(&mut self.compared, true));
        }
        match token {
            Token::LParen => self.opens(Bracket::Round),
            Token::LBracket => self.opens(Bracket::Square),
            Token::LBrace => self.opens(Bracket::Curly),
            Token::RParen => self.closes(Bracket::Round),
            Token::RBracket => self.closes(Bracket::Square),
            Token::RBrace => self.closes(Bracket::Curly),
            Token::Comma => self.compared = false,
            Token::Word(word) => self.keyword(word.keyword),
            _ => {}
        }
        self.before = Some(token);
    }

    fn keyword(&mut self, keyword: Keyword) {
        use Keyword::{AND, CASE, ELSE, END, EXCEPT, INTERSECT, JOIN, OR, THEN, UNION, WHEN};
        match keyword {
            AND | OR | UNION | EXCEPT | INTERSECT | JOIN => self.compared = false,
            CASE => self.opens(Bracket::Case),
            // Names of columns, where a value may stand.
            WHEN | THEN | ELSE if self.is_behind_a_value() => self.compared = false,
            END if self.is_behind_a_value() => self.closes(Bracket::Case),
            _ => {}
        }
    }

    fn opens(&mut self, bracket: Bracket) {
        self.open.push((bracket, std::mem::take(&mut self.compared)));
        if self.open.len() > MOST_BRACKETS {
            self.counted = usize::MAX / 2;
        }
    }

    fn closes(&mut self, bracket: Bracket) {
        if let Some((_, compared)) = self.open.pop_if(|(open, _)| *open == bracket) {
            self.compared = compared;
        }
    }

    /// `-1` in a list.
    fn is_sign(&self, token: &Token) -> bool {
        matches!(token, Token::Plus | Token::Minus)
            && matches!(self.before, Some(Token::LParen | Token::Comma | Token::LBracket | Token::LBrace))
    }

    /// Whether no value can follow.
    fn is_behind_a_value(&self) -> bool {
        use Keyword::{END, FALSE, NULL, NoKeyword, TRUE};
        match self.before {
            Some(Token::Word(word)) => {
                word.quote_style.is_some() || matches!(word.keyword, NoKeyword | NULL | TRUE | FALSE | END)
            }
            Some(
                Token::Number(..)
                | Token::SingleQuotedString(_)
                | Token::Placeholder(_)
                | Token::RParen
                | Token::RBracket
                | Token::RBrace,
            ) => true,
            Some(_) | None => false,
        }
    }
}

/// What makes one tree of a whole statement.
fn is_chain(token: &Token) -> bool {
    use Keyword as K;
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            K::AND
                | K::OR
                | K::XOR
                | K::UNION
                | K::EXCEPT
                | K::INTERSECT
                | K::MINUS
                | K::JOIN
                | K::PIVOT
                | K::UNPIVOT
                | K::MATCH_RECOGNIZE
        ),
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat => true,
        Token::Ampersand | Token::Pipe | Token::Caret | Token::DoubleColon | Token::LBracket => true,
        _ => false,
    }
}

/// Whether a token may make a tree deeper. sqlparser has dozens of operators, so what is none is listed.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => is_operator_keyword(word.keyword),
        Token::EOF
        | Token::Whitespace(_)
        | Token::Comma
        | Token::Period
        | Token::SemiColon
        | Token::LParen
        | Token::RParen
        | Token::RBracket
        | Token::LBrace
        | Token::RBrace
        | Token::Number(..)
        | Token::Placeholder(_)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::NationalStringLiteral(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::HexStringLiteral(_) => false,
        _ => true,
    }
}

fn is_operator_keyword(keyword: Keyword) -> bool {
    use Keyword as K;
    let logic = matches!(keyword, K::NOT | K::IS | K::NOTNULL);
    let compares = matches!(keyword, K::IN | K::BETWEEN | K::LIKE | K::ILIKE | K::SIMILAR | K::RLIKE | K::REGEXP);
    let others = matches!(keyword, K::AT | K::COLLATE | K::DIV | K::OVERLAPS | K::OPERATOR | K::MEMBER | K::MATCH);
    logic || compares || others
}

/// The parser's message without its own name in front.
fn plain(error: &datafusion::error::DataFusionError) -> String {
    use datafusion::error::DataFusionError;
    match error.find_root() {
        DataFusionError::SQL(inner, _) => parser_message(inner),
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

/// The statement, or the one that an EXPLAIN explains; nothing where it is one of DataFusion's own, such as COPY.
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

/// `:name` is a placeholder that the parser makes of two tokens.
fn check_placeholders(ast: &Ast) -> Result<(), Fault> {
    match statement_of(ast).map(|statement| statement.visit(&mut Placeholders)) {
        Some(ControlFlow::Break(fault)) => Err(fault),
        Some(ControlFlow::Continue(())) | None => Ok(()),
    }
}

struct Placeholders;

impl Visitor for Placeholders {
    type Break = Fault;

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Fault> {
        match &value.value {
            Value::Placeholder(name) => match number(name) {
                Ok(_) => ControlFlow::Continue(()),
                Err(fault) => ControlFlow::Break(fault),
            },
            _ => ControlFlow::Continue(()),
        }
    }
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
    fn what_datafusion_knows_is_left_to_it() {
        for text in ["SHOW TABLES", "SHOW ALL", "SHOW COLUMNS FROM t", "DESCRIBE SELECT 1", "EXPLAIN SELECT 1"] {
            assert!(matches!(parse(text).unwrap().body, Body::Sql(_)), "{text}");
        }
    }

    #[test]
    fn an_exec_is_one_statement_too() {
        assert!(matches!(parse("EXEC a.b.c.d;;").unwrap().body, Body::Exec(_)));
        assert_eq!(parse("EXEC a.b.c.d; SELECT 1").unwrap_err(), Fault::Several(2));
        assert_eq!(parse("SELECT 1; EXEC a.b.c.d").unwrap_err(), Fault::Several(2));
        assert_eq!(parse("SHOW PROVIDERS; EXEC a; EXEC b").unwrap_err(), Fault::Several(3));
    }

    #[test]
    fn an_exec_can_be_explained_and_not_analyzed() {
        for text in ["EXPLAIN EXEC a.b.c.d", "EXPLAIN VERBOSE CALL a.b.c.d()", "explain -- x\n exec a.b.c.d;"] {
            assert!(matches!(parse(text).unwrap().body, Body::ExplainExec { .. }), "{text}");
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
    fn an_explain_is_told_by_its_first_word() {
        for text in ["EXPLAIN SELECT 1", "-- a\n explain /* b */ analyze SELECT 1", "; EXPLAIN EXEC a.b.c.d"] {
            assert!(is_explain(text), "{text}");
        }
        for text in ["SELECT 'a' AS plan_type", "\"explain\" SELECT 1", "DESCRIBE t", "SELECT explain", "", "'"] {
            assert!(!is_explain(text), "{text}");
        }
    }

    #[test]
    fn question_marks_are_numbered_by_position() {
        let statement = parse("SELECT ?, 'é?', ? -- ?\n, \"a?\", ? /* ? */ FROM t").unwrap();

        let Body::Sql(ast) = statement.body else { panic!("{statement:?}") };
        assert_eq!(ast.to_string(), "SELECT $1, 'é?', $2, \"a?\", $3 FROM t");
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
        for link in ["<1", "=1", "<>1", ">=1", " IS NULL", " IS NOT TRUE", " LIKE 'x'", " BETWEEN 1 AND 2", " IN (1)"] {
            assert_eq!(parse(&format!("SELECT 1{}", link.repeat(3_000))).unwrap_err(), Fault::TooLong, "{link}");
            assert_eq!(parse(&format!("EXEC m @x=1{}", link.repeat(3_000))).unwrap_err(), Fault::TooLong, "{link}");
        }
        for link in [" AT TIME ZONE 'UTC'", " COLLATE \"C\"", "::INT", "[1]", "->'a'", "#>>'a'", " DIV 2", "~1", "!"] {
            assert_eq!(parse(&format!("SELECT x{}", link.repeat(3_000))).unwrap_err(), Fault::TooLong, "{link}");
        }
        for link in ["<CASE WHEN a=1 THEN 1 ELSE 2 END", "<[1, 2]", "<(1)", "<f(1, 2)", "={'a': 1, 'b': 2}"] {
            assert_eq!(parse(&format!("SELECT 1{}", link.repeat(3_000))).unwrap_err(), Fault::TooLong, "{link}");
        }
        for part in
            ["+1", "||1", "&1", " AND 1", " BETWEEN 1 AND 2", "<minus", "<and", "<then", "<[1, 2]", "::INT", " XOR 1"]
        {
            let mixed = format!("{}{part}", "<1".repeat(300)).repeat(30);
            assert_eq!(parse(&format!("SELECT 1{mixed}")).unwrap_err(), Fault::TooLong, "{part}");
        }
        let nested = format!("SELECT CAST(1 AS {}INT{})", "Nullable(".repeat(3_000), ")".repeat(3_000));
        assert_eq!(parse(&nested).unwrap_err(), Fault::TooLong);
        for link in ["<then", "<STRUCT<a INT, b INT>(1, 2)", "<x.case", " PIVOT(sum(x) FOR y IN (1))"] {
            assert_eq!(parse(&format!("SELECT 1{}", link.repeat(3_000))).unwrap_err(), Fault::TooLong, "{link}");
        }
        assert!(parse(&chain(900)).is_ok());
        assert!(parse(&format!("SELECT 1 WHERE x IN ({})", vec!["-1"; 5_000].join(", "))).is_ok());
        assert!(parse(&format!("SELECT CASE {} END", "WHEN a = 1 AND b < 2 THEN 3 ".repeat(900))).is_ok());
        assert!(parse(&format!("SELECT {} 1", "a = 1, b < 2, f(c >= 3),".repeat(3_000))).is_ok());
        assert!(parse(&format!("SELECT 1 WHERE x IN ({})", vec!["1"; 50_000].join(", "))).is_ok());
    }

    #[test]
    fn a_parameter_in_place_of_a_name_a_type_or_a_unit_is_told_apart() {
        for text in [
            "SELECT EXTRACT(? FROM now())",
            "SELECT CAST(1 AS ?)",
            "SELECT 1 AS ?",
            "SELECT * FROM ?",
            "SELECT 1 FROM t JOIN $1 ON true",
            "SELECT INTERVAL '1' ?",
        ] {
            let fault = parse(text).unwrap_err();
            assert!(matches!(fault, Fault::AtParameter(_)), "{text}: {fault:?}");
            assert!(text.contains('$') || !fault.to_string().contains('$'), "{text}: {fault}");
        }
        assert!(matches!(parse("SELEC 1 + ?").unwrap_err(), Fault::Syntax(_)));
    }

    #[test]
    fn a_syntax_error_says_where() {
        let message = parse("SELECT 1\nFROM t WHERE )").unwrap_err().to_string();

        assert!(message.contains("Line: 2"), "{message}");
        assert!(!message.contains("ParserError"), "{message}");
    }
}
