//! What only some hosts have. A test that lacks it says so and passes; in CI, where everything is
//! there, it fails.

/// Whether the facility is there; says aloud what is skipped where not.
pub fn is_there(facility: &str, there: bool) -> bool {
    if !there {
        assert!(
            std::env::var_os("CI").is_none(),
            "{facility} should be there in CI"
        );
        eprintln!("SKIPPED: there is no {facility}");
    }
    there
}

/// Whether the host allows something that hosts of the same kind may take away, in CI as well.
pub fn permitted(right: &str, may: bool) -> bool {
    if !may {
        eprintln!("SKIPPED: there is no {right}");
    }
    may
}

/// Whether the tests are run by root.
pub fn root() -> bool {
    is_there(
        "right to change the user: run the tests as root",
        rustix::process::geteuid().is_root(),
    )
}

/// Whether a program is installed.
pub fn program(path: &str) -> bool {
    is_there(path, std::path::Path::new(path).exists())
}
