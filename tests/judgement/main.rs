//! The judgement of paths held against a second one that was written from the design alone, `doorward explain` against both, and
//! its parsers against whatever comes.

mod agreement;
mod corpus;
mod cost;
mod explained;
mod grammar;
mod hostile;
mod index;
mod reference;
mod trials;
