//! Checks that a file of JSON is one list, from its first character to its last.
//!
//! DataFusion's reader of lists takes a file that was cut between two objects for a shorter list, and does not look at what
//! comes after the list.

/// What a file of JSON is, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct JsonScan {
    state: State,
    /// How many lists and objects are open.
    depth: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No character yet but white space.
    #[default]
    Begin,
    /// The first character is not `[`.
    NoList,
    InList,
    InText,
    /// After a backslash in a text.
    Escape,
    AfterList,
    /// After the end of the list is something else.
    Trailing,
}

/// The form of a file of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonForm {
    /// There is nothing in it.
    Empty,
    /// Objects, one after another.
    Objects,
    /// One list.
    List,
    /// A list that does not end.
    OpenList,
    /// A list, and something after it.
    ListAndMore,
}

impl JsonScan {
    /// Reads the next bytes. Returns whether it has to see more.
    pub(super) fn read(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            self.step(*byte);
        }
        self.state != State::NoList
    }

    fn step(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::InText, b'\\') => State::Escape,
            (State::InText, b'"') => State::InList,
            (State::InText | State::Escape, _) => State::InText,
            (state @ (State::Begin | State::AfterList), byte) if byte.is_ascii_whitespace() => state,
            (State::Begin, byte) if BYTE_ORDER_MARK.contains(&byte) => State::Begin,
            (State::Begin, b'[') => {
                self.depth = 1;
                State::InList
            }
            (State::Begin | State::NoList, _) => State::NoList,
            (State::InList, b'"') => State::InText,
            (State::InList, b'[' | b'{') => {
                self.depth += 1;
                State::InList
            }
            (State::InList, b']' | b'}') => {
                self.depth -= 1;
                if self.depth == 0 { State::AfterList } else { State::InList }
            }
            (State::InList, _) => State::InList,
            (State::AfterList | State::Trailing, _) => State::Trailing,
        };
    }

    /// The form of what was read.
    pub(super) fn form(&self) -> JsonForm {
        match self.state {
            State::Begin => JsonForm::Empty,
            State::NoList => JsonForm::Objects,
            State::InList | State::InText | State::Escape => JsonForm::OpenList,
            State::AfterList => JsonForm::List,
            State::Trailing => JsonForm::ListAndMore,
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> JsonForm {
        let mut scan = JsonScan::default();
        // Byte by byte, as a store may send them.
        for bytes in text.as_bytes().chunks(1) {
            scan.read(bytes);
        }
        scan.form()
    }

    #[test]
    fn a_list_ends_with_its_own_bracket() {
        assert_eq!(form(" \u{feff}[{\"a\": [1, 2]}, {\"b\": \"]\\\"]\"}]\n"), JsonForm::List);
        assert_eq!(form("[]"), JsonForm::List);
        assert_eq!(form("{\"a\": 1}\n{\"a\": 2}"), JsonForm::Objects);
        assert_eq!(form(" \n"), JsonForm::Empty);
    }

    #[test]
    fn a_list_that_was_cut_or_has_something_after_it_is_found() {
        for text in ["[", "[{\"a\": 1}", "[{\"a\": 1},", "[{\"a\": [1]", "[{\"a\": \"x]", "[\"\\"] {
            assert_eq!(form(text), JsonForm::OpenList, "{text}");
        }
        for text in ["[]x", "[] []", "[{\"a\": 1}]\n{\"a\": 2}", "[]]"] {
            assert_eq!(form(text), JsonForm::ListAndMore, "{text}");
        }
    }
}
