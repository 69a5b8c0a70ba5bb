use super::*;

fn status(arguments: &[&str]) -> ExitCode {
    run(std::iter::once("k2d").chain(arguments.iter().copied()).map(OsString::from))
}

#[test]
fn command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn wrong_usage_ends_with_64_and_help_with_0() {
    for arguments in [&["no-such-verb"][..], &["serve", "--no-such-flag"], &[]] {
        assert_eq!(status(arguments), ExitCode::from(64), "{arguments:?}");
    }
    assert_eq!(status(&["--help"]), ExitCode::SUCCESS);
    assert_eq!(status(&["version"]), ExitCode::SUCCESS);
}

#[test]
fn wrong_configuration_ends_with_64() {
    assert_eq!(status(&["config", "--config", "/no/such/file.toml"]), ExitCode::from(64));
    assert_eq!(status(&["serve", "--data-dir", "relative"]), ExitCode::from(64));
    assert_eq!(status(&["serve", "--listen", "nowhere"]), ExitCode::from(64));
}
