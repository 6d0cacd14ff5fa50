//! The binary `selfheal`.

use std::process::ExitCode;

fn main() -> ExitCode {
    selfheal_server::cli::main()
}
