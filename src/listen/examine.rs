//! Follows a client's byte stream from message to message and says which bytes may pass. No I/O, no time.

use crate::listen::chunks::{Chunks, Trailers};
use crate::listen::head::{Framing, Head, Judged};
use crate::listen::violation::Violation;

/// What may be done with the bytes shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The first so many bytes are one whole head.
    Head(usize),
    /// The first so many bytes belong to the body begun before.
    Body(usize),
    /// Nothing may pass yet: show the same bytes again, with more behind them.
    More,
    /// The client asked for an upgrade and nothing passes until `open`.
    Hold,
    /// The upgrade has been granted: everything passes from here on.
    Tunnel,
    /// The stream is refused here, for good.
    Refuse(Violation),
}

/// Where in the stream we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Between two messages, or in a head that is not whole yet.
    Head,
    /// In a body.
    Body,
    /// Behind a head that asked for an upgrade.
    Held,
    /// In what was HTTP once.
    Tunnel,
    /// At a violation.
    Refused,
}

/// The state machine over one connection's bytes.
#[derive(Clone, Debug)]
pub struct Examiner(Phase);

#[derive(Clone, Debug)]
enum Phase {
    Head(Head),
    Sized(u64),
    Chunked(Chunks),
    Trailers(Trailers),
    Held,
    Tunnel,
    Refused(Violation),
}

impl Default for Examiner {
    fn default() -> Self {
        Self(Phase::Head(Head::default()))
    }
}

impl Examiner {
    /// Judges `bytes`, which begin behind the last byte that passed. `Head` and `Body` findings are never zero long.
    pub fn examine(&mut self, bytes: &[u8]) -> Finding {
        if bytes.is_empty() && !matches!(self.0, Phase::Refused(_) | Phase::Held | Phase::Tunnel) {
            return Finding::More;
        }
        match &mut self.0 {
            Phase::Head(head) => match head.read(bytes) {
                Ok(None) => Finding::More,
                Ok(Some(judged)) => self.enter(judged),
                Err(violation) => self.refuse(violation),
            },
            Phase::Sized(left) => {
                let taken = (*left).min(bytes.len() as u64);
                *left -= taken;
                if *left == 0 {
                    self.0 = Phase::Head(Head::default());
                }
                Finding::Body(taken as usize)
            }
            Phase::Chunked(chunks) => match chunks.follow(bytes) {
                Ok(taken) => {
                    if chunks.ended() {
                        self.0 = Phase::Trailers(Trailers::default());
                    }
                    Finding::Body(taken)
                }
                Err(violation) => self.refuse(violation),
            },
            Phase::Trailers(trailers) => match trailers.read(bytes) {
                Ok(None) => Finding::More,
                Ok(Some(taken)) => {
                    self.0 = Phase::Head(Head::default());
                    Finding::Body(taken)
                }
                Err(violation) => self.refuse(violation),
            },
            Phase::Held => Finding::Hold,
            Phase::Tunnel => Finding::Tunnel,
            Phase::Refused(violation) => Finding::Refuse(*violation),
        }
    }

    /// Where we are, after the last byte that passed.
    pub fn place(&self) -> Place {
        match &self.0 {
            Phase::Head(_) => Place::Head,
            Phase::Sized(_) | Phase::Chunked(_) | Phase::Trailers(_) => Place::Body,
            Phase::Held => Place::Held,
            Phase::Tunnel => Place::Tunnel,
            Phase::Refused(_) => Place::Refused,
        }
    }

    /// Whether `waiting`, the bytes that were shown and may not pass yet, are the beginning of a request. An empty line
    /// is not.
    pub fn has_begun(&self, waiting: &[u8]) -> bool {
        matches!(&self.0, Phase::Head(head) if head.begun(waiting))
    }

    /// Lets everything pass from here on, if the client asked for an upgrade; else changes nothing.
    pub fn open(&mut self) {
        if let Phase::Held = self.0 {
            self.0 = Phase::Tunnel;
        }
    }

    /// Ends the stream for a reason that is not in its bytes.
    pub fn refuse(&mut self, violation: Violation) -> Finding {
        self.0 = Phase::Refused(violation);
        Finding::Refuse(violation)
    }

    fn enter(&mut self, judged: Judged) -> Finding {
        self.0 = match judged.body {
            Framing::Sized(0) if judged.upgrade => Phase::Held,
            Framing::Sized(0) => Phase::Head(Head::default()),
            Framing::Sized(length) => Phase::Sized(length),
            Framing::Chunked => Phase::Chunked(Chunks::default()),
        };
        Finding::Head(judged.bytes)
    }
}

#[cfg(test)]
mod tests;
