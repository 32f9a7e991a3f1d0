//! The body of a successful response.

use bytes::Bytes;
use chrono::{DateTime, Utc};

/// A complete body that looks like a JSON object.
#[derive(Clone, Debug)]
pub struct Body {
    bytes: Bytes,
    head: Head,
}

/// Status and headers of a response.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// The `x-request-id` header, for DigitalOcean's support.
    pub request_id: Option<String>,
    /// The server's clock: the `date` header, in whole seconds.
    pub date: Option<DateTime<Utc>>,
}

/// Why bytes are not a [`Body`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnObject {
    /// It starts like an object but does not end like one.
    Unfinished,
    /// There are no bytes, or only white space.
    Empty,
    /// It is something else, such as a gateway's HTML page.
    Other,
}

impl Body {
    /// Accepts bytes that start with `{` and end with `}`. The decoder checks the rest.
    ///
    /// # Errors
    /// [`NotAnObject`].
    pub fn try_new(bytes: Bytes, head: Head) -> Result<Self, NotAnObject> {
        let text = bytes.trim_ascii();
        match (text.first(), text.last()) {
            (Some(b'{'), Some(b'}')) => Ok(Self { bytes, head }),
            (Some(b'{'), _) => Err(NotAnObject::Unfinished),
            (None, _) => Err(NotAnObject::Empty),
            (_, _) => Err(NotAnObject::Other),
        }
    }

    /// The bytes as received.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Status and headers of the response.
    pub fn head(&self) -> &Head {
        &self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_json_object_is_a_body() {
        let problem = |text: &'static str| Body::try_new(Bytes::from_static(text.as_bytes()), Head::default()).err();

        assert_eq!(problem(" {\"a\": 1}\n"), None);
        assert_eq!(problem("{\"a\": [1, 2"), Some(NotAnObject::Unfinished));
        assert_eq!(problem("<html>"), Some(NotAnObject::Other));
        assert_eq!(problem("null"), Some(NotAnObject::Other));
        assert_eq!(problem(""), Some(NotAnObject::Empty));
        assert_eq!(problem(" \r\n"), Some(NotAnObject::Empty));
    }
}
