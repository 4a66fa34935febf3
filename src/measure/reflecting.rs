//! A straight line between two mirrors, fitted to places: what can be said of a ball that nothing but walls turns, once it
//! is out of sight.

/// x_t = fold(start + speed t), folded into `low..high` by reflection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reflected {
    low: f64,
    high: f64,
    start: f64,
    speed: f64,
}

/// Speeds that are tried before the best one is refined, on either side of 0.
const SPEEDS: usize = 200;
/// Regressions on unfolded places after that; each can change which reflection a place belongs to.
const ROUNDS: usize = 10;

impl Reflected {
    /// The line of least squares through places (frame, x): the best of many speeds, then regression of the places as they
    /// would be without mirrors. `None` for fewer than three places, or mirrors without room between them.
    pub fn fit(places: &[(f64, f64)], [low, high]: [f64; 2]) -> Option<Self> {
        let (first, last) = (places.first()?, places.last()?);
        if places.len() < 3 || high <= low || last.0 <= first.0 {
            return None;
        }
        let steps = places.windows(2);
        let steps = steps.map(|w| ((w[1].1 - w[0].1) / (w[1].0 - w[0].0)).abs());
        let fastest = 1.2 * steps.fold(0.0, f64::max);
        let line = |start: f64, speed: f64| Self {
            low,
            high,
            start: start - speed * first.0,
            speed,
        };
        let tried = (0..=2 * SPEEDS).map(|i| (i as f64 / SPEEDS as f64 - 1.0) * fastest);
        let mut best: Option<(f64, Self)> = None;
        let mut keep = |own: Self| {
            let cost = own.cost(places);
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, own));
            }
        };
        for speed in tried {
            let mut own = line(first.1, speed);
            for _ in 0..ROUNDS {
                keep(own);
                own = own.refined(places);
            }
        }
        best.map(|(_, own)| own)
    }

    /// Where it is at a frame.
    pub fn at(&self, t: f64) -> f64 {
        let width = self.high - self.low;
        let along = (self.start + self.speed * t - self.low).rem_euclid(2.0 * width);
        self.low + along.min(2.0 * width - along)
    }

    /// Sum of squares.
    fn cost(&self, places: &[(f64, f64)]) -> f64 {
        places.iter().map(|(t, x)| (self.at(*t) - x).powi(2)).sum()
    }

    /// Regression of the places, each unfolded to where it is nearest to this line.
    fn refined(&self, places: &[(f64, f64)]) -> Self {
        let width = self.high - self.low;
        let unfolded = |&(t, x): &(f64, f64)| {
            let line = self.start + self.speed * t;
            let side = ((line - self.low) / width).floor();
            // Behind one mirror more or less, where the place lies beyond the end of its own stretch.
            let of = |k: f64| match k.rem_euclid(2.0) < 0.5 {
                true => self.low + k * width + (x - self.low),
                false => self.low + k * width + (self.high - x),
            };
            let each = [side - 1.0, side, side + 1.0].map(of);
            let nearest = each
                .into_iter()
                .min_by(|a, b| (a - line).abs().total_cmp(&(b - line).abs()));
            (t, nearest.unwrap_or(x))
        };
        let points: Vec<(f64, f64)> = places.iter().map(unfolded).collect();
        let n = points.len() as f64;
        let mean_t = points.iter().map(|p| p.0).sum::<f64>() / n;
        let mean_x = points.iter().map(|p| p.1).sum::<f64>() / n;
        let along: f64 = points.iter().map(|p| (p.0 - mean_t) * (p.1 - mean_x)).sum();
        let spread: f64 = points.iter().map(|p| (p.0 - mean_t).powi(2)).sum();
        let speed = along / spread;
        Self {
            start: mean_x - speed * mean_t,
            speed,
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_turns_at_walls_is_found_and_goes_on_as_it_does() {
        for (start, speed) in [(7.0, 2.35), (20.0, -1.1), (5.5, 0.0), (26.0, 4.9)] {
            let truth = Reflected {
                low: 5.0,
                high: 27.0,
                start,
                speed,
            };
            let seen: Vec<(f64, f64)> = (0..20)
                .map(|t| (f64::from(t), truth.at(f64::from(t))))
                .collect();
            let found = Reflected::fit(&seen, [5.0, 27.0]).unwrap();
            for t in [0.0, 19.0, 60.0, 219.0] {
                // Regression on numbers of two digits; a speed's last bit counts 219 times.
                let (a, b) = (found.at(t), truth.at(t));
                assert!(
                    (a - b).abs() < 1e-9,
                    "{start} {speed} at {t}: {a} against {b}"
                );
            }
        }
    }

    /// The error of an extrapolated regression line: s sqrt(1/n + (t - mean)^2 / sum (t_i - mean)^2).
    #[test]
    fn noise_of_the_places_spreads_as_a_regression_says() {
        use crate::seeds::Seeds;
        use rand_distr::{Distribution, StandardNormal};
        let (n, std, at) = (20, 0.05, 100.0);
        let truth = Reflected {
            low: 5.0,
            high: 27.0,
            start: 9.0,
            speed: 1.7,
        };
        let mut rng = Seeds::new(3).stream("reflecting", 0);
        let mut square = 0.0;
        const DRAWS: usize = 400;
        for _ in 0..DRAWS {
            let mut place = |t: usize| {
                let noise: f64 = StandardNormal.sample(&mut rng);
                (t as f64, truth.at(t as f64) + std * noise)
            };
            let seen: Vec<_> = (0..n).map(&mut place).collect();
            let found = Reflected::fit(&seen, [5.0, 27.0]).unwrap();
            square += (found.at(at) - truth.at(at)).powi(2) / DRAWS as f64;
        }
        let mean = (n - 1) as f64 / 2.0;
        let spread: f64 = (0..n).map(|t| (t as f64 - mean).powi(2)).sum();
        let want = std * std * (1.0 / n as f64 + (at - mean).powi(2) / spread);
        // A variance of 400 draws is known to 7 %: four of that, and what folding at the walls takes.
        assert!((square / want - 1.0).abs() < 0.3, "{square} against {want}");
    }

    #[test]
    fn too_few_places_or_no_room_give_none() {
        let two = [(0.0, 6.0), (1.0, 7.0)];
        assert_eq!(Reflected::fit(&two, [5.0, 27.0]), None);
        let three = [(0.0, 6.0), (1.0, 7.0), (2.0, 8.0)];
        assert_eq!(Reflected::fit(&three, [5.0, 5.0]), None);
        assert!(Reflected::fit(&three, [5.0, 27.0]).is_some());
    }
}
