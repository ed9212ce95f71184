//! Path rules against real servers: two hundred thousand spellings, judged first, then sent raw through a real gateway to every
//! server, and to each server directly, which shows how many of them would have mattered.
//!
//! `tests/run` takes the servers that install in seconds and a fixed part of the spellings; with `--full` (`DOORWARD_TESTS=full`)
//! all servers and all spellings. A server that is missing is a failure.

mod chance;
mod doorward;
mod fleet;
mod grammar;
mod line;
mod proof;
