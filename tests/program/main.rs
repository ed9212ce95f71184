//! The program as its user meets it: the real binary, its words, its streams, its exit codes, its signals, and what is left
//! when it is killed. Needs no other program.

mod accounts;
mod banning;
mod bed;
mod client;
mod dns_change;
mod doctor;
mod enrolling;
mod footprint;
mod importing;
#[path = "../capabilities/kit/key.rs"]
#[expect(dead_code, reason = "shared with tests that do more with keys")]
mod key;
mod kill;
mod online;
mod people;
mod probing;
mod recovering;
mod rotating;
mod secrets;
mod signals;
mod starting;
mod verbs;
