//! SHOW and DESCRIBE as StackQL's users know them.
//!
//! ```sql
//! SHOW [EXTENDED] PROVIDERS | SERVICES [IN p] | RESOURCES [IN p.s] | METHODS [IN p.s.r] [LIKE 'pattern'] [WHERE …]
//! DESCRIBE [EXTENDED] p.s.r
//! DESCRIBE METHOD [EXTENDED] p.s.r.m
//! ```

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;

use super::{Fault, end, name, parser, syntax};

/// SHOW of what there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Show {
    /// What is listed.
    pub listing: ShowKind,
    /// With all that is known of it.
    pub extended: bool,
    /// The parts of the name behind IN; empty where there is none.
    pub within: Vec<String>,
    /// The pattern that the name is like.
    pub like: Option<String>,
    /// A condition on the columns of the list.
    pub filter: Option<Expr>,
}

/// What [`Show`] lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowKind {
    /// APIs.
    Providers,
    /// Their parts.
    Services,
    /// Tables.
    Resources,
    /// What a table can be asked.
    Methods,
}

/// DESCRIBE of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Describe {
    /// What it is.
    pub thing: Thing,
    /// With all that is known of it.
    pub extended: bool,
    /// The parts of its name.
    pub name: Vec<String>,
}

/// What [`Describe`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// Its columns are told.
    Table,
    /// Its parameters are told.
    Method,
}

/// Reads a statement that begins with SHOW; nothing where it is DataFusion's own.
pub(super) fn parse_show(tokens: &[TokenWithSpan]) -> Result<Option<Show>, Fault> {
    let mut parser = parser(tokens);
    parser.next_token();
    let extended = word(&mut parser, "EXTENDED");
    let Some(listing) = listing(&mut parser) else { return Ok(None) };
    let mut show = Show { listing, extended, within: Vec::new(), like: None, filter: None };
    if parser.parse_one_of_keywords(&[Keyword::IN, Keyword::FROM]).is_some() {
        show.within = name(&mut parser)?;
    }
    if parser.parse_keyword(Keyword::LIKE) {
        show.like = Some(parser.parse_literal_string().map_err(syntax)?);
    }
    if parser.parse_keyword(Keyword::WHERE) {
        show.filter = Some(parser.parse_expr().map_err(syntax)?);
    }
    end(&mut parser)?;
    Ok(Some(show))
}

fn listing(parser: &mut Parser<'_>) -> Option<ShowKind> {
    let listings = [
        ("PROVIDERS", ShowKind::Providers),
        ("SERVICES", ShowKind::Services),
        ("RESOURCES", ShowKind::Resources),
        ("METHODS", ShowKind::Methods),
    ];
    listings.into_iter().find(|(name, _)| word(parser, name)).map(|(_, listing)| listing)
}

/// Reads a statement that begins with DESCRIBE; nothing where it is DataFusion's own.
pub(super) fn parse_describe(tokens: &[TokenWithSpan]) -> Result<Option<Describe>, Fault> {
    let mut parser = parser(tokens);
    parser.next_token();
    let mut thing = Thing::Table;
    let mut extended = word(&mut parser, "EXTENDED");
    // `DESCRIBE method` is about a table of that name.
    if parser.peek_nth_token(1).token != datafusion::sql::sqlparser::tokenizer::Token::EOF
        && word(&mut parser, "METHOD")
    {
        thing = Thing::Method;
        extended |= word(&mut parser, "EXTENDED");
    }
    let Ok(name) = name(&mut parser) else { return Ok(None) };
    match (end(&mut parser), thing) {
        (Ok(()), _) => Ok(Some(Describe { thing, extended, name })),
        (Err(fault), Thing::Method) => Err(fault),
        (Err(_), Thing::Table) => Ok(None),
    }
}

/// Takes this word, which need not be a keyword of SQL.
fn word(parser: &mut Parser<'_>, word: &str) -> bool {
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
    fn each_listing_is_read_with_its_parts() {
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
    fn a_table_and_a_method_are_described() {
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
