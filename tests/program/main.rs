//! The program as its user meets it: the real binary, its words, its streams, its exit codes, its signals, and what is left
//! when it is killed. Needs no other program.

mod accounts;
mod bed;
mod client;
mod footprint;
mod kill;
mod probing;
mod secrets;
mod signals;
mod starting;
mod verbs;
