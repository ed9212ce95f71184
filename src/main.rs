//! The `doorward` program: command line to exit code.

use std::process::ExitCode;

use doorward::command::line;

/// Measured better than the system's allocator under many small buffers, and needs nothing but gcc to build.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    line::run()
}
