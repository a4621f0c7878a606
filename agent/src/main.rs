//! The one binary of plantlink.

use std::process::ExitCode;

fn main() -> ExitCode {
    plantlink::main()
}
