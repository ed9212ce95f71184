//! What the gateway can do, and what it does not let happen, tried from the outside: a real gateway on a real port between a
//! client that behaves and misbehaves and an app that records what reaches it. One file per capability.

mod account;
mod brute_force;
mod certificates;
mod decisions;
mod each_anew;
mod early_answers;
mod honest_urls;
mod hostile_input;
mod hostile_keys;
mod hosts;
mod identity_headers;
mod kit;
mod limits;
mod model;
mod mounts;
mod no_way_around;
mod notices;
mod one_sign_in;
mod passkeys;
mod path_keys;
mod people;
mod proofs;
mod protection;
mod proxies;
mod proxying;
mod recovery;
mod reload;
mod seeing;
mod set_up_passkey;
mod shutdown;
mod sign_in;
mod smuggling;
mod upstreams;
mod websockets;
