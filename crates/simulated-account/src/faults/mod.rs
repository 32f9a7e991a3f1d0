//! What tests need: an API that fails in every way, a log of its requests, and control over HTTP.
//!
//! | module | what |
//! |---|---|
//! | `effect` | the effects besides another status |
//! | `apply` | effects before, instead of and on a response |
//! | `body`, `response` | a changed JSON body; responses that are not the API's |
//! | `delivery` | a response that is sent in part, or never ends |
//! | `change` | rows that are added to a list or removed |
//! | `text` | the effects as text |
//! | `requests`, `account` | the log; what tests read from an account |
//! | `control` | `/_demo/…` |

mod account;
mod apply;
mod body;
mod change;
mod control;
mod delivery;
mod effect;
mod requests;
mod response;
#[cfg(test)]
mod tests;
mod text;

pub use change::Change;
pub use effect::{After, Before, Instead, Paging, TestEffect};
pub use requests::RecordedRequest;

pub(crate) use apply::{Broken, before, outcome};
pub(crate) use control::respond as control;
pub(crate) use requests::{InFlight, Recorder};
pub(crate) use text::{EFFECTS, effect};
