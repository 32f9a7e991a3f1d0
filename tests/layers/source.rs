//! Reads a source file as text: blanks comments, strings and tests, and finds the paths in its code.

use std::ops::Range;

/// `src/table/scan.rs` is `table::scan`, `src/table/mod.rs` is `table`, `src/lib.rs` is the root.
pub(super) fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').filter(|name| *name != "lib").map(str::to_owned).collect()
}

/// The paths in a file's code, each with its line.
pub(super) struct Named {
    /// Paths from the crate's root (`crate`, `api`, …) or from a dependency's (`axum`, …).
    pub(super) paths: Vec<(usize, Vec<String>)>,
    /// The modules that this file declares itself, outside of inline ones.
    pub(super) modules: Vec<(usize, String)>,
}

impl Named {
    pub(super) fn of(file: &str, text: &str) -> Self {
        let blanked = blank(text, false);
        let mut reader = Reader::new(module_of(file), tokens(&blanked));
        reader.read();
        reader.named
    }
}

/// A word or a sign, and its line.
#[derive(Clone, Copy)]
struct Token<'a> {
    line: usize,
    text: &'a str,
}

fn tokens(blanked: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (at, line) in blanked.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let length = if rest.starts_with("::") { 2 } else { word.max(first.len_utf8()) };
            let (text, after) = rest.split_at(length);
            tokens.push(Token { line: at + 1, text });
            rest = after.trim_start();
        }
    }
    tokens
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Reads a file's tokens, and collects the paths.
struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    /// The current module, and the depth of each inline `mod` around it.
    module: Vec<String>,
    inline: Vec<usize>,
    depth: usize,
    named: Named,
}

impl<'a> Reader<'a> {
    fn new(module: Vec<String>, tokens: Vec<Token<'a>>) -> Self {
        Self {
            tokens,
            at: 0,
            module,
            inline: Vec::new(),
            depth: 0,
            named: Named { paths: Vec::new(), modules: Vec::new() },
        }
    }

    fn text(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text)
    }

    fn read(&mut self) {
        while self.at < self.tokens.len() {
            match self.text(0) {
                "mod" => self.declaration(),
                // `use<'a>` is a bound.
                "use" if self.text(1) != "<" => {
                    self.at += 1;
                    self.tree(Vec::new());
                }
                "{" => self.open(),
                "}" => self.close(),
                word if word.starts_with(is_word) => self.path(),
                _ => self.at += 1,
            }
        }
    }

    fn declaration(&mut self) {
        let (line, name) = (self.tokens[self.at].line, self.text(1).to_owned());
        if self.inline.is_empty() {
            self.named.modules.push((line, name.clone()));
        }
        if self.text(2) == "{" {
            self.inline.push(self.depth);
            self.module.push(name);
        }
        self.at += 2;
    }

    fn open(&mut self) {
        self.depth += 1;
        self.at += 1;
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.at += 1;
        if self.inline.last() == Some(&self.depth) {
            self.inline.pop();
            self.module.pop();
        }
    }

    /// A path within code: words with `::` between them.
    fn path(&mut self) {
        let line = self.tokens[self.at].line;
        let mut path = vec![self.text(0).to_owned()];
        while self.text(1) == "::" && self.text(2).starts_with(is_word) {
            path.push(self.text(2).to_owned());
            self.at += 2;
        }
        self.at += 1;
        if path.len() > 1 {
            self.keep(line, path);
        }
    }

    /// The tree of a `use`: `a::{b, c::*, d as e}`.
    fn tree(&mut self, mut path: Vec<String>) {
        loop {
            let line = self.tokens.get(self.at).map_or(0, |token| token.line);
            let text = self.text(0);
            self.at += 1;
            match text {
                "::" => {}
                "{" => return self.branches(&path),
                "*" => return self.keep(line, [path, vec!["*".into()]].concat()),
                _ => path.push(text.to_owned()),
            }
            if text != "::" && self.text(0) != "::" {
                path.pop_if(|last| last == "self");
                return self.keep(line, path);
            }
        }
    }

    fn branches(&mut self, path: &[String]) {
        while !matches!(self.text(0), "}" | "") {
            self.tree(path.to_vec());
            while !matches!(self.text(0), "," | "}" | "") {
                self.at += 1; // `as name`
            }
            self.at += usize::from(self.text(0) == ",");
        }
        self.at += 1;
    }

    /// Adds a path, resolved from the root.
    fn keep(&mut self, line: usize, path: Vec<String>) {
        let mut rest = path.as_slice();
        let mut base = match rest.first().map(String::as_str) {
            Some("crate" | "oceanflight") => Vec::new(),
            Some("self" | "super") => self.module.clone(),
            _ => return self.named.paths.push((line, path)),
        };
        while let [first, after @ ..] = rest
            && matches!(first.as_str(), "crate" | "oceanflight" | "self" | "super")
        {
            if first == "super" {
                base.pop();
            }
            rest = after;
        }
        let whole = [vec!["crate".to_owned()], base, rest.to_vec()].concat();
        self.named.paths.push((line, whole));
    }
}

/// Replaces comments, and strings unless `keep_strings`, by spaces; lines and positions stay the same.
pub(super) fn blank(text: &str, keep_strings: bool) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let in_word = blanked.ends_with(is_word);
        let comment = comment(rest);
        let length = comment.or_else(|| literal(rest, in_word));
        let (piece, after) = rest.split_at(length.unwrap_or_else(|| rest.chars().next().map_or(0, char::len_utf8)));
        if length.is_none() || (keep_strings && comment.is_none()) {
            blanked.push_str(piece);
        } else {
            blanked.extend(piece.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    blanked
}

/// The length of the comment that the text starts with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    text.strip_prefix("/*")?;
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let pair = &text.as_bytes()[at..text.len().min(at + 2)];
        match pair {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => at += 1,
        }
        at += if matches!(pair, b"/*" | b"*/") { 2 } else { 0 };
        if depth == 0 {
            return Some(at);
        }
    }
    Some(text.len())
}

/// The length of the string or the character that the text starts with: `"…"`, `br#"…"#`, `'…'`.
fn literal(text: &str, in_word: bool) -> Option<usize> {
    if let Some(inside) = text.strip_prefix('\'') {
        let mut characters = inside.chars();
        return match (characters.next()?, characters.next()) {
            ('\\', Some(escaped)) => Some(2 + escaped.len_utf8() + inside[1 + escaped.len_utf8()..].find('\'')? + 1),
            (character, Some('\'')) => Some(2 + character.len_utf8()),
            _ => None, // a lifetime
        };
    }
    let prefix = text.find(|c| !matches!(c, 'b' | 'c' | 'r')).filter(|length| *length == 0 || !in_word)?;
    let raw = text[..prefix].contains('r');
    let hashes = text[prefix..].bytes().take_while(|byte| raw && *byte == b'#').count();
    let start = prefix + hashes + 1;
    if text.as_bytes().get(start - 1) != Some(&b'"') {
        return None;
    }
    let inside = &text[start..];
    let end = if raw { inside.find(&format!("\"{}", "#".repeat(hashes))) } else { closing_quote(inside) };
    end.map(|end| start + end + 1 + hashes)
}

fn closing_quote(inside: &str) -> Option<usize> {
    let mut escaped = false;
    inside.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// Returns the ranges of `#[cfg(test)]` items in a blanked text.
pub(super) fn test_ranges(blanked: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (start, _) in blanked.match_indices("#[cfg(test)]").chain(blanked.match_indices("#[cfg(all(test")) {
        let mut depth = 0_i32;
        let end = blanked[start..].bytes().position(|byte| {
            depth += i32::from(b"([{".contains(&byte)) - i32::from(b")]}".contains(&byte));
            depth < 0 || (depth == 0 && matches!(byte, b'}' | b';'))
        });
        ranges.push(start..end.map_or(blanked.len(), |end| start + end + 1));
    }
    ranges
}

/// Returns the modules in separate files that a file declares with `#[cfg(test)]`.
pub(super) fn test_modules(file: &str, text: &str) -> Vec<String> {
    let blanked = blank(text, false);
    let declared = |range: Range<usize>| {
        let name = blanked[range].strip_suffix(';')?.rsplit_once("mod ")?.1.trim().to_owned();
        Some([module_of(file), vec![name]].concat().join("::"))
    };
    test_ranges(&blanked).into_iter().filter_map(declared).collect()
}
