//! A program of the owner's that changes the zone: `PROGRAM [ARGUMENTS] present|cleanup NAME. VALUE`, as lego calls it.
//!
//! No shell takes part and no visitor has a say: the program and its arguments are the owner's, the name is one of the configuration
//! (or where its CNAME leads, of harmless letters), the value a hash.

use std::io;

use crate::dns::update::Change;
use crate::tls::dns01::program;
use crate::tls::dns01::program::{Call, LIMIT, Why};

/// Has it set a value beside others of the name, or remove that value.
///
/// # Errors
/// Why it did not do it, and the end of what it said.
pub async fn run(command: &[String], change: Change, (name, value): (&str, &str)) -> Result<(), (Why, String)> {
    let (program, before) =
        command.split_first().ok_or_else(|| (Why::Unstarted(io::ErrorKind::NotFound.into()), String::new()))?;
    let verb = match change {
        Change::Add => "present",
        Change::Remove => "cleanup",
    };
    let name = format!("{name}.");
    let arguments = before.iter().map(String::as_str).chain([verb, &name, value]).collect();
    program::run(&Call { program, called: None, arguments, variables: Vec::new(), input: &[] }, LIMIT).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_called_as_lego_calls_it() {
        let judge = |expected: &str| {
            let script = format!(r#"[ "$*" = "{expected}" ] && [ $# = 4 ] && [ "$PWD" = / ]"#);
            ["/bin/sh", "-c", &script, "sh", "mine"].map(str::to_owned)
        };
        let words = ("_acme-challenge.a.example", "-value_1");
        let present = judge("mine present _acme-challenge.a.example. -value_1");
        run(&present, Change::Add, words).await.expect("so it is");
        let cleanup = judge("mine cleanup _acme-challenge.a.example. -value_1");
        run(&cleanup, Change::Remove, words).await.expect("so it is");
        run(&present, Change::Remove, words).await.expect_err("the other verb");
    }
}
