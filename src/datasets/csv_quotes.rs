//! Checks that each quote of a CSV file is closed.
//!
//! A reader closes an open quote at the end of the file. So a file that was cut within a quoted value, or whose quote was
//! forgotten, would have fewer rows, and the others in one value.

/// What is open in a CSV file, as far as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CsvQuotes {
    /// The next character begins a value.
    #[default]
    ValueBegins,
    /// A quote within is a character like others.
    Unquoted,
    Quoted,
    /// After a quote within a quoted value: it ends, or the quote is doubled.
    QuoteInQuoted,
}

impl CsvQuotes {
    /// Reads the next bytes.
    pub(super) fn read(&mut self, bytes: &[u8], delimiter: u8) {
        for byte in bytes {
            let ends = *byte == delimiter || matches!(byte, b'\n' | b'\r');
            *self = match (*self, byte) {
                (Self::Quoted, b'"') => Self::QuoteInQuoted,
                (Self::Quoted, _) | (Self::ValueBegins | Self::QuoteInQuoted, b'"') => Self::Quoted,
                (Self::ValueBegins | Self::Unquoted | Self::QuoteInQuoted, _) if ends => Self::ValueBegins,
                (Self::ValueBegins | Self::Unquoted | Self::QuoteInQuoted, _) => Self::Unquoted,
            };
        }
    }

    /// Whether a quote is open.
    pub(super) fn is_open(self) -> bool {
        self == Self::Quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_open(text: &str) -> bool {
        let mut quotes = CsvQuotes::default();
        text.as_bytes().chunks(1).for_each(|bytes| quotes.read(bytes, b','));
        quotes.is_open()
    }

    #[test]
    fn a_quote_is_one_only_at_the_beginning_of_a_value() {
        for text in ["a,\"b\"\n", "a,5\" disk\n", "\"a \"\"b\"\"\",c", "\"a\nb\",c\r\n", "", "\"\""] {
            assert!(!is_open(text), "{text}");
        }
        for text in ["id,name\n1,\"a\n2,b\n3,c\n", "\"a", "a,\"b \"\"c", "\""] {
            assert!(is_open(text), "{text}");
        }
    }
}
