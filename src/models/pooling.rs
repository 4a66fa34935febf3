//! What of a clip does not change is read from several of its frames: which ones.

use super::Look;
use rand::RngExt;
use rand::seq::index;

/// How many frames are pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pool {
    /// So many, or all that are seen where they are fewer.
    Always(usize),
    /// Where frames are drawn, any number of them up to this one, each as likely: what is believed after few frames is then
    /// learned as well.
    UpTo(usize),
}

/// Which frames tell what a clip holds: the share of every frame in each of the means, (B * T) each. One for all frames of a
/// clip where frames are drawn ([`Look::rng`]): a random subset of those that are seen. Else one a frame t: the last of those
/// seen up to t. Shares of a clip without such a frame are zeros.
pub(super) fn pooled(clips: usize, pool: Pool, look: &mut Look) -> Vec<Vec<f64>> {
    let steps = look.steps;
    let (Pool::Always(most) | Pool::UpTo(most)) = pool;
    let shares = |choose: &mut dyn FnMut(Vec<usize>) -> Vec<usize>, until: usize| {
        let mut shares = vec![0.0; clips * steps];
        for clip in 0..clips {
            let open = (0..until).filter(|t| look.seen.is_none_or(|seen| seen[clip * steps + t]));
            let chosen = choose(open.collect());
            for t in &chosen {
                shares[clip * steps + t] = 1.0 / chosen.len() as f64;
            }
        }
        shares
    };
    match look.rng.as_deref_mut() {
        Some(rng) => {
            let mut drawn = |open: Vec<usize>| {
                let number = match pool {
                    Pool::UpTo(_) if open.len() > 1 => rng.random_range(1..=most.min(open.len())),
                    _ => most.min(open.len()),
                };
                let some = index::sample(rng, open.len(), number);
                some.into_iter().map(|i| open[i]).collect()
            };
            vec![shares(&mut drawn, steps)]
        }
        None => {
            let mut last = |open: Vec<usize>| open[open.len().saturating_sub(most)..].to_vec();
            (1..=steps).map(|until| shares(&mut last, until)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;

    #[test]
    fn drawn_subsets_are_of_frames_that_are_seen_and_have_every_size() {
        let seen = [true, false, true, true, false, false, false, false];
        let mut sizes = Vec::new();
        for i in 0..200 {
            let mut rng = Seeds::new(1).stream("test/pool", i);
            let mut look = Look {
                steps: 4,
                seen: Some(&seen),
                rng: Some(&mut rng),
            };
            let shares = pooled(2, Pool::UpTo(3), &mut look);
            assert_eq!(shares.len(), 1);
            assert_eq!(shares[0][1], 0.0, "a frame that is not seen");
            assert!((shares[0][..4].iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert_eq!(
                shares[0][4..],
                [0.0; 4],
                "a clip of which nothing is seen has no shares"
            );
            sizes.push(shares[0].iter().filter(|s| **s > 0.0).count());
        }
        // Each of 1, 2 and 3 has probability 1/3: 67 of 200, give or take 6 standard errors of 6.7.
        for size in 1..=3 {
            let count = sizes.iter().filter(|s| **s == size).count();
            assert!((27..107).contains(&count), "{size}: {count}");
        }
    }

    #[test]
    fn without_draws_the_last_frames_seen_so_far_are_read() {
        let seen = [true, false, true, true];
        let mut look = Look {
            steps: 4,
            seen: Some(&seen),
            rng: None,
        };
        let shares = pooled(1, Pool::UpTo(2), &mut look);
        assert_eq!(shares[1], [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(shares[3], [0.0, 0.0, 0.5, 0.5]);
    }
}
