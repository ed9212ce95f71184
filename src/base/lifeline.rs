//! What ties long-lived streams to the session that permitted them and the app they lead to: when it is cut, everybody who holds
//! it lets go.

use tokio_util::sync::CancellationToken;

/// A rope shared by a session or app and everything that lives by it. Clones are the same rope, and equal; it is cut once and
/// for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifeline(CancellationToken);

impl Lifeline {
    /// A fresh, uncut line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the line: all who wait on it wake up.
    pub fn cut(&self) {
        self.0.cancel();
    }

    /// Whether the line has been cut.
    pub fn is_cut(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the line is cut.
    pub async fn severed(&self) {
        self.0.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cutting_one_clone_wakes_the_others() {
        let line = Lifeline::new();
        let held = line.clone();
        assert!(!held.is_cut());
        line.cut();
        held.severed().await;
        assert!(held.is_cut());
        assert!(held == line && held != Lifeline::new());
    }
}
