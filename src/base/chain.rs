//! An error with what caused it, for the place where it is shown.
//!
//! An error of ours says what failed and leaves the cause to its `source`. Who shows it writes both; without this an owner
//! would read "cannot use /var/lib/doorward/lock" and not why. tracing's JSON lines leave sources out, too.

use std::error::Error;
use std::fmt;
use std::iter::successors;

/// Shows an error and its causes, outermost first: `cannot use /x: Permission denied (os error 13)`. Some errors name their
/// cause themselves: nothing is said twice.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        for cause in successors(self.0.source(), |&cause| cause.source()).map(ToString::to_string) {
            if !text.contains(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Fault {
        #[error("cannot use the door")]
        Silent(#[source] io::Error),
        #[error("cannot use the door: {0}")]
        Telling(#[source] io::Error),
    }

    #[test]
    fn an_error_is_shown_with_its_cause_and_nothing_twice() {
        for fault in [Fault::Silent(io::Error::other("it is locked")), Fault::Telling(io::Error::other("it is locked"))] {
            assert_eq!(Chain(&fault).to_string(), "cannot use the door: it is locked");
        }
    }
}
