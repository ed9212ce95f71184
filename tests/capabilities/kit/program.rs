//! The built program as a command beside a gateway.

use std::path::Path;
use std::process::{Command, Output};

/// Runs `doorward WORDS…` in the folder `home` to its end.
pub async fn doorward(home: &Path, words: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(words).current_dir(home).env_remove("RUNTIME_DIRECTORY").env_remove("STATE_DIRECTORY");
    command.envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output().expect("the program runs")).await.expect("no panic")
}
