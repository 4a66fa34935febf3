//! What a run that goes wrong tells its user: the step, what is wrong, and what usually helps.

use crate::error::Error;

const HINT: &str = "a smaller train.learning_rate.peak, a smaller train.gradient_clip or a longer \
                    train.learning_rate.warmup usually helps";

/// A number that is not finite: the step in front, the hint behind. Other errors stay as they are.
pub(super) fn lost(step: usize, error: Error) -> Error {
    match error {
        Error::Numeric(message) => Error::Numeric(format!(
            "step {step}: {message}; {HINT}. The last checkpoint stands"
        )),
        other => other,
    }
}

/// Below the best by more than this share of its size, and by more than [`SLACK`], is no noise of a validation.
const SHARE: f64 = 0.5;
/// Nats per frame.
const SLACK: f64 = 2.0;

/// A warning when the validation ELBO, nats per frame, fell far below its best (value, step).
pub(super) fn diverging(step: usize, elbo: f64, best: Option<(f64, usize)>) -> Option<String> {
    let (top, at) = best?;
    (elbo < top - SHARE * top.abs() - SLACK).then(|| {
        format!(
            "step {step}: the validation ELBO fell to {elbo:.2} nats/frame from {top:.2} at step {at}: training diverges; \
             {HINT}. The weights of step {at} are kept"
        )
    })
}

/// Nats per frame below which a level of a hierarchy carries nothing: over a clip of 128 frames a tenth of what one of four
/// colours takes (ln 4 / 128 = .011 a frame).
const DEAD: f64 = 1e-3;

/// A warning when a level of a hierarchy is told nothing by frames: `term` is its part of the bound (`negative_kl_2`), of
/// `nats` per frame, at a full weight of the latents.
pub(super) fn dead(step: usize, term: &str, nats: f64) -> Option<String> {
    let level = term.strip_prefix("negative_kl_")?;
    (nats.abs() < DEAD).then(|| {
        format!(
            "step {step}: level {level} is dead: frames tell it {:.1e} nats/frame, less than {DEAD:.0e}; a longer \
             train.latent_weight warm-up, fewer levels or a smaller `every` may wake it",
            nats.abs()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_number_names_step_term_and_cure_and_other_errors_pass() {
        let message = lost(7, Error::Numeric("the ELBO is not finite: kl NaN".into())).to_string();
        assert!(message.starts_with("step 7: the ELBO is not finite: kl NaN; a smaller train."));
        let other = lost(7, Error::Shape("3 expected".into())).to_string();
        assert_eq!(other, "3 expected");
    }

    #[test]
    fn a_level_is_dead_where_frames_tell_it_nothing() {
        assert_eq!(dead(900, "negative_kl_2", -0.011), None);
        assert_eq!(dead(900, "negative_kl", 0.0), None);
        assert_eq!(dead(900, "reconstruction", 0.0), None);
        let message = dead(900, "negative_kl_3", -2e-5).unwrap();
        let want = "step 900: level 3 is dead: frames tell it 2.0e-5 nats/frame, less than 1e-3";
        assert!(message.starts_with(want), "{message}");
    }

    #[test]
    fn a_fall_is_told_apart_from_noise() {
        let best = Some((-12.0, 200));
        assert_eq!(diverging(300, -14.0, best), None);
        assert_eq!(diverging(300, -19.9, best), None);
        let message = diverging(300, -20.1, best).unwrap();
        assert!(message.starts_with("step 300: ") && message.contains("-12.00 at step 200"));
        // A Gaussian likelihood's ELBO may be positive, or near 0.
        assert!(diverging(300, 400.0, Some((1000.0, 200))).is_some());
        assert_eq!(diverging(300, -1.5, Some((0.1, 200))), None);
        assert_eq!(diverging(1, -1e9, None), None);
    }
}
