//! Why a request to one of our pages ends early.

use http::{Method, Response};

use crate::model::event::Event;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::hashing::Busy;
use crate::store::fault::Fault;
use crate::web::refusal::Refusal;
use crate::wire::body::Body;

/// Why a request to one of our pages ends early.
#[derive(Debug)]
pub enum Stop {
    /// It is refused.
    Refused(Refusal<'static>),
    /// The store does not answer.
    Store(Fault),
}

impl Stop {
    /// The answer.
    pub fn answer(self, plan: &Plan, call: &Call<'_>) -> Response<Body> {
        let refusal = match self {
            Self::Refused(refusal) => refusal,
            Self::Store(fault) => {
                let error: &dyn std::error::Error = &fault;
                tracing::error!(
                    event = Event::StoreFailing.name(),
                    error,
                    request = call.request_id,
                    "the store does not answer the sign-in pages"
                );
                Refusal::Unavailable
            }
        };
        let contact = plan.support.as_ref();
        match call.head().method {
            Method::POST => refusal.answer_form(call.audience(), call.request_id, contact),
            _ => refusal.answer(call.audience(), call.request_id, contact),
        }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Store(fault)
    }
}

impl From<Refusal<'static>> for Stop {
    fn from(refusal: Refusal<'static>) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Busy> for Stop {
    fn from(Busy: Busy) -> Self {
        Self::Refused(Refusal::Busy)
    }
}
