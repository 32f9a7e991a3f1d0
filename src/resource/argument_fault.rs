//! The errors of a procedure's arguments.

use crate::error::{Failure, Kind};

/// Invalid arguments of a procedure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problem.text(.procedure))]
pub struct Fault {
    /// `digitalocean.compute.image_actions.image_actions_post`.
    pub procedure: String,
    /// The problem.
    pub problem: Box<Problem>,
    /// A corrected statement.
    pub example: String,
}

/// What is wrong with [`Arguments`](super::Arguments).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The procedure has no parameter of this name.
    Unknown {
        /// The name in the statement.
        name: String,
        /// The most similar parameter, if one is similar enough.
        nearest: Option<String>,
        /// All parameters of the procedure.
        known: Vec<String>,
    },
    /// A parameter with two arguments.
    GivenTwice(String),
    /// Required parameters without an argument.
    Missing(Vec<String>),
    /// A value of the wrong type.
    Type {
        /// The parameter.
        name: String,
        /// The parameter's type.
        wanted: String,
        /// The value.
        found: String,
    },
    /// A value that is not one of the allowed values.
    NotAllowed {
        /// The parameter.
        name: String,
        /// The value.
        found: String,
        /// The allowed values.
        allowed: Vec<String>,
    },
    /// A parameter that is only valid with other values of another parameter.
    InvalidCombination {
        /// The parameter.
        name: String,
        /// The other parameter.
        other: String,
        /// The value of the other parameter.
        value: String,
        /// The values of the other parameter that it is valid with.
        is: Vec<String>,
    },
    /// A body that is not a JSON object, with the reason.
    NotAnObject(String),
    /// A path parameter in the body.
    BelongsInPath(String),
    /// A parameter that has different values in the body and as an argument.
    Contradiction {
        /// The parameter.
        name: String,
        /// The value of the argument.
        named: String,
        /// The value in the body.
        json: String,
    },
}

impl Problem {
    fn text(&self, procedure: &str) -> String {
        match self {
            Self::Unknown { name, .. } => format!("`{procedure}` has no parameter `{name}`"),
            Self::GivenTwice(name) => format!("`{name}` is given twice"),
            Self::Missing(names) => format!("`{procedure}` needs {}", quoted(names, " and ")),
            Self::Type { name, wanted, found } => format!("`{name}` must be {wanted}, but is `{found}`"),
            Self::NotAllowed { name, found, allowed } => {
                format!("`{name}` must be {}, but is `{found}`", quoted(allowed, " or "))
            }
            Self::InvalidCombination { name, other, value, is } => {
                format!("`{name}` is only valid with {} as `{other}`, not with `{value}`", quoted(is, " or "))
            }
            Self::NotAnObject(why) => format!("the JSON body is not an object: {why}"),
            Self::BelongsInPath(name) => format!("`{name}` must not be in the JSON body"),
            Self::Contradiction { name, named, json } => {
                format!("`{name}` is `{named}`, but `{json}` in the JSON body")
            }
        }
    }
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        let example = &self.example;
        Some(match self.problem.as_ref() {
            Problem::Unknown { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`? {example}"),
            Problem::Unknown { nearest: None, known, .. } => {
                format!("its parameters are {}: {example}", known.join(", "))
            }
            _ => format!("write {example}"),
        })
    }
}

fn quoted(names: &[String], separator: &str) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(separator)
}
