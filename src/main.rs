//! The `crake` command.

use std::path::Path;

fn main() -> std::process::ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    if let [verb, dir] = args.as_slice()
        && verb == "__worker"
    {
        let clock = crake::clock::SystemClock;
        std::process::exit(crake::process::worker_main(Path::new(dir), &clock));
    }
    crake::cli::run(std::env::args_os())
}
