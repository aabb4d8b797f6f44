fn main() -> std::process::ExitCode {
    crake::cli::run(std::env::args_os())
}
