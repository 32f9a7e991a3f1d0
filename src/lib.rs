//! x

pub mod error;
pub mod resource;
pub mod secret;
