//! The binary `selfheal`.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Futures and records are larger than what the system's allocator keeps at hand for each thread: a remediation took a third more of the
/// processors with it, and memory grew with each storm (`benches/README.md`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    selfheal_server::cli::main()
}
