//! One request: read, routed, judged, decided, answered. [`handle`] is the spine and reads from top to bottom; the steps it calls
//! return what they learned, and [`finish`] alone turns a refusal into an answer and everything into a line of the log.

pub mod finish;
pub mod handle;
pub mod identify;
pub mod intake;
pub mod plain;
pub mod refusal;
pub mod services;
pub mod upstream;
