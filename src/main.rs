//! The program `oceanflight`.
fn main() {}
