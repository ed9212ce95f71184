//! What the gateway can do, and what it does not let happen, tried from the outside: a real gateway on a real port between a
//! client that behaves and misbehaves and an app that records what reaches it. One file per capability.

mod kit;
mod no_way_around;
mod proxying;
mod reload;
