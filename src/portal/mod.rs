//! The sign-in pages under `/.doorward/`: signing in with a passkey or with password and code, setting up from a link, signing out,
//! recovery codes, and the pages on which people look after their account.
//!
//! One host signs people in, the portal, and hands their session on to the hosts of apps. Works without scripts, passkeys aside. Half-done
//! sign-ins, counters and sessions are in the store; where visitors want to go and tickets on their way are in memory, since
//! strangers make the first and nobody misses the others after a restart. It decides nothing about apps; that a visitor may
//! pass is for `policy` to say when they come back.

pub mod account;
pub mod arrival;
pub mod budget;
pub mod call;
pub mod challenge;
pub mod codes;
pub mod confirm;
pub mod connecting;
pub mod device;
pub mod elsewhere;
pub mod enrol;
pub mod fresh;
pub mod guard;
pub mod hand_off;
pub mod hashing;
pub mod help;
pub mod home;
pub mod journey;
#[cfg(test)]
pub mod kit;
pub mod known_password;
pub mod owner_recovery;
pub mod owner_set_up;
pub mod owner_sign_in;
pub mod passkey;
pub mod passkey_sign_in;
pub mod recovered;
pub mod recovery;
pub mod round;
pub mod route;
pub mod second_factor;
pub mod service;
pub mod set_up;
pub mod set_up_passkey;
pub mod shelf;
pub mod sign_in;
pub mod sign_in_page;
pub mod sign_out;
pub mod stop;
pub mod ticket;
pub mod tries;
pub mod ways;
pub mod why;
