//! A question for work has one name until it is answered: what was leased to one whose answer was lost comes again.

use crate::client::CallError;
use types::AskId;
use uuid::Uuid;

/// Names the question that an agent asks for work, each with another name.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Question(Option<AskId>);

impl Question {
    /// Gives the name, and whether the question of this name was asked before.
    pub(crate) fn name(&mut self) -> (AskId, bool) {
        let again = self.0.is_some();
        (*self.0.get_or_insert_with(|| AskId(Uuid::now_v7())), again)
    }

    /// Takes note of what came of it. An answer that nobody can read is one: the next would be the same.
    pub(crate) fn settle<T>(&mut self, answer: &Result<T, CallError>) {
        if !matches!(answer, Err(CallError::Unreachable(_) | CallError::Status { .. })) {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    #[test]
    fn a_question_keeps_its_name_until_it_is_answered() {
        let mut question = Question::default();
        let (name, again) = question.name();
        assert!(!again);
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let busy =
            CallError::Status { status, detail: String::new(), error: None, retry_after: None };
        question.settle::<()>(&Err(busy));
        assert_eq!(question.name(), (name, true));
        question.settle::<()>(&Err(CallError::TooLong(1)));
        let (next, again) = question.name();
        assert!(next != name && !again);
        question.settle(&Ok(()));
        assert_ne!(question.name().0, next);
    }
}
