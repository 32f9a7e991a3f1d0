//! Request paths with parameters: `/v2/images/{image_id}/actions`.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Value;

/// One piece of a [`PathTemplate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Sent unchanged.
    Fixed(String),
    /// Replaced by the value of the column with this name.
    Parameter(String),
}

/// The path of a declaration. Its parameters are columns of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathTemplate {
    segments: Vec<Segment>,
}

impl PathTemplate {
    /// Parses `/fixed/{parameter}`. The error is a description of the problem.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix('/').ok_or_else(|| format!("the path `{text}` does not start with `/`"))?;
        let segments = rest.split('/').map(|piece| Segment::parse(piece, text)).collect::<Result<_, _>>()?;
        Ok(Self { segments })
    }

    /// The segments between the slashes.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The parameters' names, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Fixed(_) => None,
            Segment::Parameter(name) => Some(name.as_str()),
        })
    }
}

impl PathTemplate {
    /// Returns the path of one request, percent-encoded; `None` if a parameter has no value.
    pub fn fill(&self, value_of: impl Fn(&str) -> Option<Value>) -> Option<String> {
        let mut filled = String::new();
        for segment in &self.segments {
            filled.push('/');
            match segment {
                Segment::Fixed(text) => filled.push_str(text),
                Segment::Parameter(name) => filled.extend(utf8_percent_encode(&value_of(name)?.to_string(), UNSAFE)),
            }
        }
        Some(filled)
    }
}

/// All characters except RFC 3986's unreserved ones, so that a value cannot end its segment.
const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Segment {
    fn parse(piece: &str, path: &str) -> Result<Self, String> {
        match piece.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
            Some("") => Err(format!("the path `{path}` has a parameter without a name")),
            Some(name) => Ok(Self::Parameter(name.to_owned())),
            None if piece.is_empty() || piece.contains(['{', '}']) => {
                Err(format!("the path `{path}` has the malformed piece `{piece}`"))
            }
            None => Ok(Self::Fixed(piece.to_owned())),
        }
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Fixed(text) => write!(f, "/{text}")?,
                Segment::Parameter(name) => write!(f, "/{{{name}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prints_as_it_was_written() {
        let path = PathTemplate::parse("/v2/images/{image_id}/actions").unwrap();

        assert_eq!(path.to_string(), "/v2/images/{image_id}/actions");
        assert_eq!(path.parameters().collect::<Vec<_>>(), ["image_id"]);
    }

    #[test]
    fn a_value_cannot_leave_its_segment() {
        let path = PathTemplate::parse("/v2/images/{id}/actions").unwrap();

        let filled = path.fill(|_| Some(Value::Text("a/../b?c=d é".into()))).unwrap();

        assert_eq!(filled, "/v2/images/a%2F..%2Fb%3Fc%3Dd%20%C3%A9/actions");
        assert_eq!(path.fill(|_| None), None);
    }

    #[test]
    fn malformed_paths_are_rejected() {
        for text in ["v2/images", "/v2//images", "/v2/{}", "/v2/{a", "/v2/x{a}"] {
            assert!(PathTemplate::parse(text).is_err(), "{text}");
        }
    }
}
