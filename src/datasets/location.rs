//! Where the files of a dataset are.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};

use glob::{MatchOptions, Pattern};
use object_store::path::{DELIMITER, Path};

/// A file, a folder, or a pattern of names: on this machine or in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// As errors and lists show it.
    text: String,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// An absolute path.
    Local(PathBuf),
    /// A bucket, and the key in it.
    Bucket { bucket: String, key: String },
}

/// Within a pattern, `*` and `?` do not match `/`; `**` matches folders.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

impl Location {
    /// Reads a path, a pattern, or an `s3://` URL. A relative path is one from `base`.
    ///
    /// # Errors
    /// What a location is, for a sentence that begins with the setting's name.
    pub fn parse(text: &str, base: &FilePath) -> Result<Self, String> {
        let place = match text.split_once("://") {
            Some(("s3", rest)) => bucket(rest)?,
            Some(("file", path)) if path.starts_with('/') => Place::Local(PathBuf::from(path)),
            Some(_) => return Err("a path, or a URL that starts with `s3://`".into()),
            None if text.is_empty() => return Err("the path of a file or folder".into()),
            None => Place::Local(base.join(text)),
        };
        Ok(Self { text: text.to_owned(), place })
    }

    /// The bucket, if it is in one.
    pub fn bucket(&self) -> Option<&str> {
        match &self.place {
            Place::Local(_) => None,
            Place::Bucket { bucket, .. } => Some(bucket),
        }
    }

    /// The URL of the store that has the files.
    pub(super) fn store_url(&self) -> String {
        match &self.place {
            Place::Local(_) => "file:///".into(),
            Place::Bucket { bucket, .. } => format!("s3://{bucket}/"),
        }
    }

    /// What to list.
    ///
    /// # Errors
    /// Why there are no such files: a pattern or a name that is not valid.
    pub(super) fn scope(&self) -> Result<Scope, String> {
        let (text, is_literal) = match &self.place {
            Place::Local(path) => {
                let text = path.to_str().ok_or("its name is not UTF-8")?;
                // A file may be called `a[1].csv`.
                (text.to_owned(), path.exists())
            }
            Place::Bucket { key, .. } => (key.clone(), false),
        };
        let (fixed, pattern) = if is_literal { (text.as_str(), None) } else { split_pattern(&text) };
        let base = match &self.place {
            // Names in a store are encoded: this encodes each part.
            Place::Local(_) => Path::from_absolute_path(if fixed.is_empty() { "/" } else { fixed }),
            Place::Bucket { .. } => Path::parse(fixed.trim_end_matches(DELIMITER)),
        };
        let base = base.map_err(|error| error.to_string())?;
        let pattern = pattern.map(Pattern::new).transpose().map_err(|error| error.to_string())?;
        Ok(Scope { base, pattern })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn bucket(rest: &str) -> Result<Place, String> {
    match rest.split_once('/') {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
            Ok(Place::Bucket { bucket: bucket.to_owned(), key: key.to_owned() })
        }
        _ => Err("a bucket and a key: `s3://bucket/folder/`".into()),
    }
}

/// Splits a path before the first part with `*`, `?` or `[`.
fn split_pattern(path: &str) -> (&str, Option<&str>) {
    let Some(special) = path.find(['*', '?', '[']) else { return (path, None) };
    match path[..special].rfind(DELIMITER) {
        Some(slash) => (&path[..slash], Some(&path[slash + 1..])),
        None => ("", Some(path)),
    }
}

/// What is listed: one file or everything below a folder, or what matches a pattern below it.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) base: Path,
    pattern: Option<Pattern>,
}

impl Scope {
    /// Whether there is a pattern, so that the base is a folder.
    pub(super) fn has_pattern(&self) -> bool {
        self.pattern.is_some()
    }

    /// The parts of a file's name below the base, if the file belongs to it.
    pub(super) fn parts<'a>(&self, file: &'a Path) -> Option<Vec<&'a str>> {
        let below = file.as_ref().strip_prefix(self.base.as_ref())?.trim_start_matches(DELIMITER);
        let matches = self.pattern.as_ref().is_none_or(|pattern| pattern.matches_with(below, MATCHING));
        matches.then(|| below.split_terminator(DELIMITER).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(text: &str) -> Location {
        Location::parse(text, FilePath::new("/data")).unwrap()
    }

    fn below(location: &Location, file: &str) -> Option<String> {
        let scope = location.scope().unwrap();
        scope.parts(&Path::parse(file).unwrap()).map(|parts| parts.join("|"))
    }

    #[test]
    fn a_relative_path_is_one_from_the_base() {
        assert_eq!(location("a/b.csv").scope().unwrap().base.as_ref(), "data/a/b.csv");
        assert_eq!(location("/a/b.csv").scope().unwrap().base.as_ref(), "a/b.csv");
        assert_eq!(location("s3://bucket/a/b/").scope().unwrap().base.as_ref(), "a/b");
    }

    #[test]
    fn a_star_does_not_match_a_slash_and_two_stars_do() {
        assert_eq!(below(&location("a/*.csv"), "data/a/x.csv").as_deref(), Some("x.csv"));
        assert_eq!(below(&location("a/*.csv"), "data/a/b/x.csv"), None);
        assert_eq!(below(&location("a/**/*.csv"), "data/a/b/c/x.csv").as_deref(), Some("b|c|x.csv"));
        assert_eq!(below(&location("s3://bucket/year=*/x.csv"), "year=2026/x.csv").as_deref(), Some("year=2026|x.csv"));
    }

    #[test]
    fn other_urls_and_incomplete_ones_are_rejected() {
        for text in ["", "http://host/x.csv", "gs://bucket/x", "s3://bucket", "s3:///x", "s3://bucket/"] {
            assert!(Location::parse(text, FilePath::new("/")).is_err(), "{text}");
        }
        assert!(location("a/[b.csv").scope().is_err());
    }
}
