//! Parses SHOW and DESCRIBE in StackQL's form.
//!
//! ```sql
//! SHOW [EXTENDED] PROVIDERS | SERVICES [IN p] | RESOURCES [IN p.s] | METHODS [IN p.s.r] [LIKE 'pattern'] [WHERE …]
//! DESCRIBE [EXTENDED] p.s.r
//! DESCRIBE METHOD [EXTENDED] p.s.r.m
//! ```

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Fault, expect_end, parse_name, parser, syntax_error};

/// A SHOW statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Show {
    /// The kind of the listed objects.
    pub listing: ShowKind,
    /// Whether it is SHOW EXTENDED, which has more columns.
    pub extended: bool,
    /// The parts of the name after IN; empty if there is no IN.
    pub within: Vec<String>,
    /// The LIKE pattern for the name.
    pub like: Option<String>,
    /// The WHERE condition on the columns of the list.
    pub filter: Option<Expr>,
}

/// The kind of objects that [`Show`] lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowKind {
    /// APIs, which are catalogs.
    Providers,
    /// The parts of an API, which are schemas.
    Services,
    /// Tables.
    Resources,
    /// The requests of a table, and its procedures.
    Methods,
}

/// A DESCRIBE statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Describe {
    /// The kind of the object.
    pub thing: Thing,
    /// Whether it is DESCRIBE EXTENDED, which has more columns.
    pub extended: bool,
    /// The parts of the object's name.
    pub name: Vec<String>,
}

/// The kind of object that [`Describe`] describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A table: its columns are listed.
    Table,
    /// A method: its parameters are listed.
    Method,
}

/// Parses a statement that begins with SHOW. None: DataFusion is to parse it.
pub(super) fn parse_show(tokens: &[TokenWithSpan]) -> Result<Option<Show>, Fault> {
    let mut parser = parser(tokens);
    parser.next_token();
    let extended = consume_word(&mut parser, "EXTENDED");
    let Some(listing) = parse_listing(&mut parser) else { return Ok(None) };
    let mut show = Show { listing, extended, within: Vec::new(), like: None, filter: None };
    if parser.parse_one_of_keywords(&[Keyword::IN, Keyword::FROM]).is_some() {
        show.within = parse_name(&mut parser)?;
    }
    if parser.parse_keyword(Keyword::LIKE) {
        show.like = Some(parser.parse_literal_string().map_err(syntax_error)?);
    }
    if parser.parse_keyword(Keyword::WHERE) {
        show.filter = Some(parser.parse_expr().map_err(syntax_error)?);
    }
    expect_end(&mut parser)?;
    Ok(Some(show))
}

fn parse_listing(parser: &mut Parser<'_>) -> Option<ShowKind> {
    let listings = [
        ("PROVIDERS", ShowKind::Providers),
        ("SERVICES", ShowKind::Services),
        ("RESOURCES", ShowKind::Resources),
        ("METHODS", ShowKind::Methods),
    ];
    listings.into_iter().find(|(name, _)| consume_word(parser, name)).map(|(_, listing)| listing)
}

/// Parses a statement that begins with DESCRIBE. None: DataFusion is to parse it.
pub(super) fn parse_describe(tokens: &[TokenWithSpan]) -> Result<Option<Describe>, Fault> {
    let mut parser = parser(tokens);
    parser.next_token();
    let mut thing = Thing::Table;
    let mut extended = consume_word(&mut parser, "EXTENDED");
    // `DESCRIBE method` describes a table with that name.
    if parser.peek_nth_token(1).token != Token::EOF && consume_word(&mut parser, "METHOD") {
        thing = Thing::Method;
        extended |= consume_word(&mut parser, "EXTENDED");
    }
    let Ok(name) = parse_name(&mut parser) else { return Ok(None) };
    match (expect_end(&mut parser), thing) {
        (Ok(()), _) => Ok(Some(Describe { thing, extended, name })),
        (Err(fault), Thing::Method) => Err(fault),
        (Err(_), Thing::Table) => Ok(None),
    }
}

/// Consumes the word if it is next. It need not be a keyword of SQL.
fn consume_word(parser: &mut Parser<'_>, word: &str) -> bool {
    let found = parser.peek_token().token.to_string().eq_ignore_ascii_case(word);
    if found {
        parser.next_token();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{StatementBody, parse};
    use super::*;

    fn show(text: &str) -> Show {
        match parse(text).unwrap().body {
            StatementBody::Show(show) => show,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn describe(text: &str) -> Describe {
        match parse(text).unwrap().body {
            StatementBody::Describe(describe) => describe,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn each_show_is_parsed_with_its_clauses() {
        let all = show("SHOW PROVIDERS;");
        assert_eq!((all.listing, all.extended, all.within.len()), (ShowKind::Providers, false, 0));

        let some = show("show extended methods in Digitalocean.compute.images like 'i%' where SQLVerb = ? -- x");
        assert_eq!((some.listing, some.extended), (ShowKind::Methods, true));
        assert_eq!(some.within, ["digitalocean", "compute", "images"]);
        assert_eq!(some.like.as_deref(), Some("i%"));
        assert_eq!(some.filter.unwrap().to_string(), "SQLVerb = $1");
        assert_eq!(show("SHOW RESOURCES FROM a.b WHERE name = 'x'").within, ["a", "b"]);
        assert!(matches!(parse("SHOW SERVICES IN a b"), Err(Fault::Syntax(_))));
        assert!(matches!(parse("SHOW SERVICES LIKE 5"), Err(Fault::Syntax(_))));
    }

    #[test]
    fn describe_is_parsed_for_tables_and_methods() {
        let described = |text| {
            let Describe { thing, extended, name } = describe(text);
            (thing, extended, name.join("."))
        };

        assert_eq!(described("DESCRIBE a.b.c"), (Thing::Table, false, "a.b.c".into()));
        assert_eq!(described("DESC EXTENDED images;"), (Thing::Table, true, "images".into()));
        assert_eq!(described("DESCRIBE METHOD a.b.c.d"), (Thing::Method, false, "a.b.c.d".into()));
        assert_eq!(described("DESCRIBE METHOD EXTENDED a.b.c.d"), (Thing::Method, true, "a.b.c.d".into()));
        assert_eq!(described("DESCRIBE EXTENDED METHOD a.b.c.d"), (Thing::Method, true, "a.b.c.d".into()));
        assert_eq!(described("DESCRIBE method"), (Thing::Table, false, "method".into()));
    }
}
