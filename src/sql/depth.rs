//! An upper bound on the depth of a statement's syntax tree, counted from its tokens before it is parsed. Parser and
//! planner recurse into the tree, so a tree that is too deep overflows the stack.
//!
//! ```text
//! a + b + c            each chain operator nests once: depth 2
//! a = 1 AND b = 2      the AND nests once; the comparisons are siblings, because AND resets `compared`
//! a < b < c            the second comparison without a separator nests once
//! (…) […] {…} CASE…END `compared` is saved at the opening bracket and restored at the closing one
//! ```
//!
//! Precedence, which decides what is nested in what, is not known before parsing. So the count only grows: it assumes
//! that each operator is nested in the one before it, except where a separator makes that impossible.
//!
//! Do not change without thinking: the real depth must never exceed the count by more than one comparison for each open
//! bracket. A token may reset `compared` only if it separates terms in every dialect that sqlparser reads. A new
//! operator of sqlparser must be counted: for this reason `is_operator` lists the tokens that are *not* operators.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// The maximum count. `a OR b OR …` is a tree as deep as it is long, and so is `a < b < …`; planning recurses into it,
/// in quadratic time. Tokens that do not make a tree deeper are not counted: commas, names, values. A long IN list is
/// flat.
pub(super) const MAX_OPERATORS: usize = 1_000;

/// The maximum nesting of brackets. The parser limits the brackets of expressions, but not those of types.
const MAX_BRACKETS: usize = 200;

/// Returns an upper bound on the tree's depth; far above [`MAX_OPERATORS`] if brackets are nested too deeply.
///
/// The first comparison after each AND, OR and comma, and in each pair of brackets, is not counted, because there it is
/// one of several siblings. Without this, an ordinary WHERE clause would count each of its conditions twice.
pub(super) fn depth(tokens: &[TokenWithSpan]) -> usize {
    let mut counter = DepthCounter::default();
    for token in tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_))) {
        counter.token(token);
    }
    counter.count
}

#[derive(Default)]
struct DepthCounter<'a> {
    count: usize,
    /// Whether a comparison was seen since the last separator of terms (AND, OR, comma, …).
    compared: bool,
    /// The open brackets, each with the value of `compared` before it.
    brackets: Vec<(Bracket, bool)>,
    previous: Option<&'a Token>,
}

/// A pair of tokens that encloses terms.
#[derive(Clone, Copy, PartialEq)]
enum Bracket {
    Round,
    Square,
    Curly,
    Case,
}

impl<'a> DepthCounter<'a> {
    fn token(&mut self, token: &'a Token) {
        if is_chain(token) && !self.is_sign(token) {
            self.count += 1;
        } else if is_operator(token) {
            self.count += usize::from(std::mem::replace(&mut self.compared, true));
        }
        match token {
            Token::LParen => self.open(Bracket::Round),
            Token::LBracket => self.open(Bracket::Square),
            Token::LBrace => self.open(Bracket::Curly),
            Token::RParen => self.close(Bracket::Round),
            Token::RBracket => self.close(Bracket::Square),
            Token::RBrace => self.close(Bracket::Curly),
            Token::Comma => self.compared = false,
            Token::Word(word) => self.keyword(word.keyword),
            _ => {}
        }
        self.previous = Some(token);
    }

    fn keyword(&mut self, keyword: Keyword) {
        use Keyword::{AND, CASE, ELSE, END, EXCEPT, INTERSECT, JOIN, OR, THEN, UNION, WHEN};
        match keyword {
            AND | OR | UNION | EXCEPT | INTERSECT | JOIN => self.compared = false,
            CASE => self.open(Bracket::Case),
            // These four may also be names of columns: `then < then` is a chain of comparisons. They are keywords of a
            // CASE only after the end of a value, where a name cannot be.
            WHEN | THEN | ELSE if self.follows_a_value() => self.compared = false,
            END if self.follows_a_value() => self.close(Bracket::Case),
            _ => {}
        }
    }

    fn open(&mut self, bracket: Bracket) {
        self.brackets.push((bracket, std::mem::take(&mut self.compared)));
        if self.brackets.len() > MAX_BRACKETS {
            // Above every limit, and without an overflow when more operators follow.
            self.count = usize::MAX / 2;
        }
    }

    /// Restores `compared` from before the opening bracket. A bracket that does not match the last open one is ignored.
    /// (`case` may be a column: `x.case` opens a bracket that is never closed. [`MAX_BRACKETS`] bounds these.)
    fn close(&mut self, bracket: Bracket) {
        if let Some((_, compared)) = self.brackets.pop_if(|(open, _)| *open == bracket) {
            self.compared = compared;
        }
    }

    /// Whether the token is the sign of a number or the like: `-1` in a list, which is not a chain operator.
    fn is_sign(&self, token: &Token) -> bool {
        matches!(token, Token::Plus | Token::Minus)
            && matches!(self.previous, Some(Token::LParen | Token::Comma | Token::LBracket | Token::LBrace))
    }

    /// Whether the previous token ends a value, so that an operator or a keyword must follow. False if in doubt: then
    /// the caller takes a keyword for a name and does not reset `compared`.
    fn follows_a_value(&self) -> bool {
        use Keyword::{END, FALSE, NULL, NoKeyword, TRUE};
        match self.previous {
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

/// Tokens that always nest: binary operators and set operations.
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

/// Whether a token may make a tree deeper. sqlparser has dozens of operators, so the other tokens are listed: a new
/// operator counts without a change here.
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

#[cfg(test)]
mod tests {
    use crate::sql::{Fault, parse};

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
        assert!(parse(&format!("SELECT {} 1", "a = 1, b < 2, f(c >= 3),".repeat(600))).is_ok());
        assert!(parse(&format!("SELECT 1 WHERE x IN ({})", vec!["1"; 50_000].join(", "))).is_ok());
    }
}
