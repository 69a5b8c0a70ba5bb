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

/// The completions that are shipped fit the command line. `UPDATE_SHIPPED=1 cargo test shipped` writes
/// them again.
#[test]
fn shipped_completions_fit() {
    use clap_complete::Shell;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("etc/completions");
    for (shell, file) in [(Shell::Bash, "k2d.bash"), (Shell::Zsh, "_k2d"), (Shell::Fish, "k2d.fish")] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command(), "k2d", &mut text);
        let path = folder.join(file);
        if std::env::var_os("UPDATE_SHIPPED").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert!(std::fs::read(&path).is_ok_and(|shipped| shipped == text), "etc/completions/{file} is out of date");
    }
}

/// The man page that is shipped names every verb and flag.
#[test]
fn shipped_man_page_names_everything() {
    let page = include_str!("../../etc/k2d.8").replace('\\', "");
    let command = command();
    let flags = |command: &clap::Command| -> Vec<String> {
        command.get_arguments().filter_map(|argument| argument.get_long()).map(|name| format!("--{name}")).collect()
    };
    let mut words = flags(&command);
    for verb in command.get_subcommands() {
        words.push(format!("k2d {}", verb.get_name()));
        words.extend(flags(verb));
    }
    for word in words {
        assert!(page.contains(&word), "k2d(8) does not name {word}");
    }
}
