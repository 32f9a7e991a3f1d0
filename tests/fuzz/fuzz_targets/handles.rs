//! Any bytes are a handle or are refused: a ticket, a prepared statement's handle, the row within it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oceanflight::flight::read_any;

fuzz_target!(
    // libFuzzer's own hook ends the process at a panic that is caught, too: arrow-ipc's are, and mean "refused".
    // One that nobody catches still ends it.
    init: std::panic::set_hook(Box::new(|_| {})),
    |bytes: &[u8]| read_any(bytes)
);
