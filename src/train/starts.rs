//! A tournament of starts, judged without labels.

use super::batches::{Order, evaluate};
use super::checkpoint::State;
use super::trainer::{Job, Run, step};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::nn::optimiser::Adam;

/// Trains every candidate for a few steps and returns the one with the best validation ELBO, its steps kept. With one
/// candidate nothing is trained.
pub(super) fn choose(job: &Job) -> Result<Run> {
    let new = |start| -> Result<Run> {
        let state = State {
            start,
            ..State::default()
        };
        Ok(Run {
            model: (job.build)(start)?,
            adam: Adam::new(),
            state,
        })
    };
    let starts = &job.config.starts;
    if starts.candidates == 1 {
        return new(0);
    }
    let bar = job
        .progress
        .bar("starts", (starts.candidates * starts.steps) as u64, "steps");
    let mut best: Option<(f64, Run)> = None;
    let mut judged = Vec::new();
    for start in 0..starts.candidates {
        let mut run = new(start)?;
        let mut order = Order::new(job.train.len(), job.config.batch, job.seeds);
        for _ in 0..starts.steps {
            interrupt::check()?;
            step(job, &mut run, &mut order)?;
            bar.advance(1);
        }
        let elbo = evaluate(
            run.model.as_ref(),
            job.validation,
            usize::MAX,
            job.steps,
            job.seeds,
        )?[0]
            .1;
        judged.push(format!("{elbo:.2}"));
        if elbo.is_finite() && best.as_ref().is_none_or(|(b, _)| elbo > *b) {
            best = Some((elbo, run));
        }
    }
    drop(bar);
    let (_, run) = best.ok_or_else(|| {
        Error::Numeric("starts: no candidate has a finite validation ELBO".into())
    })?;
    job.progress.say(&format!(
        "start {} of {} goes on: validation ELBO after {} steps, nats/frame: {}",
        run.state.start + 1,
        starts.candidates,
        starts.steps,
        judged.join(", ")
    ));
    Ok(run)
}
