//! Completion scripts, as the program prints them.

use std::process::{Command, Output};

use clap::CommandFactory as _;

fn completions(shell: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_forgetd")).args(["completions", shell]).output().unwrap()
}

#[test]
fn every_shell_is_told_every_verb() {
    let command = forgetd::cli::Cli::command();
    let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    assert!(verbs.contains(&"run") && verbs.contains(&"completions"), "{verbs:?}");
    // What only that shell's script says, to tell them apart.
    for (shell, mark) in [
        ("bash", "complete -F _forgetd"),
        ("zsh", "#compdef forgetd"),
        ("fish", "complete -c forgetd"),
        ("elvish", "set edit:completion:arg-completer[forgetd]"),
        ("powershell", "Register-ArgumentCompleter -Native -CommandName 'forgetd'"),
    ] {
        let output = completions(shell);
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains(mark), "{shell}: {script}");
        let words: Vec<&str> = script.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').collect();
        for verb in &verbs {
            assert!(words.contains(verb), "{shell} does not mention {verb}");
        }
    }
}

#[test]
fn a_shell_that_is_not_known_is_bad_usage() {
    assert_eq!(completions("tcsh").status.code(), Some(64));
}
