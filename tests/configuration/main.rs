//! Configuration from the outside: what is said about broken files, that the reference equals the defaults, that the examples
//! work, and that no text whatever makes us stumble.

mod explained;
mod golden;
mod hostile;
mod mutant;
mod online;
mod plain;
mod reference;
