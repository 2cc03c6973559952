//! Runs, commands and answers, from the scheduler and agent-gateway.

use crate::InvestigationApi;
use crate::app::Told;
use messaging::{Delivery, Outcome};
use types::Message;
use types::messages::{
    CommandDelivered, CommandIssued, CommandPlanned, CommandReturned, CommandWithdrawn,
};

pub(super) async fn handle(service: &InvestigationApi, batch: &[Delivery]) -> Outcome {
    match sort(batch) {
        Err(outcome) => outcome,
        Ok(told) => match service.app.keep_commands(told).await {
            Ok(()) => Outcome::Done,
            Err(error) => error.into(),
        },
    }
}

fn sort(batch: &[Delivery]) -> Result<Told, Outcome> {
    let mut told = Told::default();
    for delivery in batch {
        match delivery.kind.as_str() {
            CommandPlanned::KIND => told.planned.push(delivery.decode()?),
            CommandIssued::KIND => told.issued.push(delivery.decode()?),
            CommandDelivered::KIND => told.delivered.push(delivery.decode()?),
            CommandWithdrawn::KIND => told.withdrawn.push(delivery.decode()?),
            CommandReturned::KIND => told.returned.push(delivery.decode()?),
            _ => told.changed.push(delivery.decode()?),
        }
    }
    Ok(told)
}
