//! The command line: one file per verb. Turns results into text or JSON and an exit code; decides nothing a request depends on.

pub mod account;
pub mod check;
pub mod complete;
pub mod demo;
pub mod diff;
pub mod doctor;
pub mod environment;
pub mod exit;
pub mod explain;
pub mod explained;
pub mod health;
pub mod help;
pub mod line;
pub mod output;
pub mod place;
pub mod probe;
pub mod ready;
pub mod reload;
pub mod run;
pub mod serve;
pub mod status;
pub mod trust;
pub mod up;
pub mod wish;
