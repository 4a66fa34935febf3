//! A tournament of starts, judged without labels.

use super::batches::{Order, evaluate};
use super::trainer::{Job, Run, step};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::progress::Bar;

/// Trains every candidate for a few steps and returns the one with the best validation ELBO, its steps kept; one that diverges
/// loses. With one candidate nothing is trained.
///
/// # Errors
/// [`Error::Numeric`] when all diverge, with what each died of.
pub(super) fn choose(job: &Job) -> Result<Run> {
    let new = |start| -> Result<Run> {
        let mut run = Run::new((job.build)(start)?, start);
        if let Some(init) = &job.init {
            let told = init.take(run.model.as_mut())?;
            // Of a model that is taken whole the law too is.
            run.state.law_kept = told.new.is_empty();
            if start == 0 {
                job.progress.say(&told.words());
                told.write(job.folder)?;
            }
        }
        Ok(run)
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
        match judge(job, &mut run, &bar) {
            Ok(elbo) => {
                judged.push(format!("{elbo:.2}"));
                if best.as_ref().is_none_or(|(b, _)| elbo > *b) {
                    best = Some((elbo, run));
                }
            }
            // It diverged, so it lost; another may not.
            Err(Error::Numeric(why)) => judged.push(format!("diverged ({why})")),
            Err(other) => return Err(other),
        }
    }
    drop(bar);
    let (_, run) = best.ok_or_else(|| {
        Error::Numeric(format!(
            "starts: none of {} candidates has a finite validation ELBO: {}",
            starts.candidates,
            judged.join(", ")
        ))
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

/// Trains one candidate for the steps that it is given; returns its validation ELBO, nats per frame.
fn judge(job: &Job, run: &mut Run, bar: &Bar) -> Result<f64> {
    let mut order = Order::new(job.train.len(), job.config.batch, job.seeds);
    for _ in 0..job.config.starts.steps {
        interrupt::check()?;
        step(job, run, &mut order)?;
        bar.advance(1);
    }
    let model = run.model.as_ref();
    let elbo = evaluate(model, job.validation, usize::MAX, job.steps, job.seeds)?;
    let elbo = elbo.means[0].1;
    if !elbo.is_finite() {
        return Err(Error::Numeric("the validation ELBO is not finite".into()));
    }
    Ok(elbo)
}
