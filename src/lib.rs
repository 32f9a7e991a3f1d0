//! x

pub mod api;
pub mod demo;
pub mod engine;
pub mod error;
pub mod flight;
pub mod resource;
pub mod rows;
pub mod secret;
pub mod sql;
pub mod table;
