//! What the gateway can do, and what it does not let happen, tried from the outside: a real gateway on a real port between a
//! client that behaves and misbehaves and an app that records what reaches it. One file per capability.

mod decisions;
mod honest_urls;
mod hostile_input;
mod identity_headers;
mod kit;
mod limits;
mod no_way_around;
mod one_sign_in;
mod proxying;
mod reload;
mod shutdown;
mod sign_in;
mod websockets;
