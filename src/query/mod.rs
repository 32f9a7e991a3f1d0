//! Who asks. Every call of the engine is given it, planning and metadata included.

mod principal;

pub use principal::{Identity, Peer, Principal};
