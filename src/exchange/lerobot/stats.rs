//! Statistics of features as `meta/stats.json` and the table of episodes hold them: of every number, over frames.

use serde_json::{Value, json};

/// Least, greatest, mean and spread of every number of a feature.
#[derive(Clone, Debug, Default)]
pub(super) struct Stats {
    columns: Vec<Moments>,
    /// Frames.
    pub count: u64,
    /// Of pictures: a number a channel, which is written in two lists more, as (C, 1, 1).
    pub picture: bool,
}

/// Count, least, greatest, mean, and sum of squares about the mean (Chan, Golub and LeVeque 1979).
#[derive(Clone, Copy, Debug)]
struct Moments {
    n: f64,
    least: f64,
    most: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    const NONE: Self = Self {
        n: 0.0,
        least: f64::INFINITY,
        most: f64::NEG_INFINITY,
        mean: 0.0,
        squares: 0.0,
    };

    fn merge(&mut self, other: &Self) {
        if other.n == 0.0 {
            return;
        }
        let n = self.n + other.n;
        let apart = other.mean - self.mean;
        self.squares += other.squares + apart * apart * self.n * other.n / n;
        self.mean += apart * other.n / n;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        self.n = n;
    }
}

impl Stats {
    /// Those of rows (T, width); a number that is not known counts nowhere.
    pub fn of_rows(rows: &[f64], width: usize) -> Self {
        let mut columns = vec![Moments::NONE; width];
        for row in rows.chunks_exact(width.max(1)) {
            for (moments, &value) in columns.iter_mut().zip(row) {
                if !value.is_nan() {
                    moments.merge(&Moments {
                        n: 1.0,
                        least: value,
                        most: value,
                        mean: value,
                        squares: 0.0,
                    });
                }
            }
        }
        Self {
            columns,
            count: (rows.len() / width.max(1)) as u64,
            picture: false,
        }
    }

    /// Those of frames (T, C, H, W), of brightness from 0 to 1, a channel each.
    pub fn of_frames(frames: &[u8], [c, h, w]: [usize; 3]) -> Self {
        let mut counts = vec![[0u64; 256]; c];
        for plane in frames.chunks_exact((h * w).max(1)).enumerate() {
            let (k, pixels) = plane;
            for &pixel in pixels {
                counts[k % c][usize::from(pixel)] += 1;
            }
        }
        let moments = |counts: &[u64; 256]| {
            let mut all = Moments::NONE;
            for (value, &n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
                let value = value as f64 / 255.0;
                all.merge(&Moments {
                    n: n as f64,
                    least: value,
                    most: value,
                    mean: value,
                    squares: 0.0,
                });
            }
            all
        };
        Self {
            columns: counts.iter().map(moments).collect(),
            count: (frames.len() / (c * h * w).max(1)) as u64,
            picture: true,
        }
    }

    /// Adds those of other frames.
    pub fn merge(&mut self, other: &Self) {
        if self.columns.is_empty() {
            self.columns = vec![Moments::NONE; other.columns.len()];
            self.picture = other.picture;
        }
        for (mine, theirs) in self.columns.iter_mut().zip(&other.columns) {
            mine.merge(theirs);
        }
        self.count += other.count;
    }

    /// `min`, `max`, `mean` and `std` (of the population) with their numbers; 0 where nothing is known.
    pub fn named(&self) -> [(&'static str, Vec<f64>); 4] {
        let all = |of: fn(&Moments) -> f64| {
            let known = |moments: &Moments| if moments.n > 0.0 { of(moments) } else { 0.0 };
            self.columns.iter().map(known).collect()
        };
        [
            ("min", all(|m| m.least)),
            ("max", all(|m| m.most)),
            ("mean", all(|m| m.mean)),
            ("std", all(|m| (m.squares / m.n).sqrt())),
        ]
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let mut all = serde_json::Map::new();
        for (name, values) in self.named() {
            let values = match self.picture {
                true => values.iter().map(|v| json!([[v]])).collect(),
                false => json!(values),
            };
            all.insert(name.into(), values);
        }
        all.insert("count".into(), json!([self.count]));
        Value::Object(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_parts_are_those_of_the_whole() {
        let rows: Vec<f64> = (0..40).map(|k| f64::from(k * k % 17)).collect();
        let whole = Stats::of_rows(&rows, 2);
        let mut parts = Stats::default();
        for part in rows.chunks(6) {
            parts.merge(&Stats::of_rows(part, 2));
        }
        for ((_, a), (name, b)) in whole.named().iter().zip(parts.named()) {
            for (a, b) in a.iter().zip(b) {
                // Sums in another order.
                assert!((a - b).abs() < 1e-12, "{name}: {a} {b}");
            }
        }
        // By hand: 1, 2, 4 have mean 7/3 and variance 14/9.
        let [(_, least), (_, most), (_, mean), (_, std)] =
            Stats::of_rows(&[1.0, 2.0, f64::NAN, 4.0], 1).named();
        assert_eq!((least[0], most[0]), (1.0, 4.0));
        assert!(
            (mean[0] - 7.0 / 3.0).abs() < 1e-15 && (std[0] - (14.0f64 / 9.0).sqrt()).abs() < 1e-15
        );
    }

    #[test]
    fn brightness_counts_every_pixel_of_its_channel() {
        // Two frames of 2 channels of 1 x 2 pixels.
        let frames = [0, 255, 51, 51, 0, 255, 51, 51];
        let stats = Stats::of_frames(&frames, [2, 1, 2]);
        let [(_, least), (_, most), (_, mean), (_, std)] = stats.named();
        assert_eq!((least, most), (vec![0.0, 0.2], vec![1.0, 0.2]));
        assert_eq!((mean[0], std[0], stats.count), (0.5, 0.5, 2));
        // 0.2 is no binary fraction: the mean of equal values may be off by its rounding.
        assert!((mean[1] - 0.2).abs() < 1e-15 && std[1] < 1e-8);
        assert_eq!(stats.json()["max"], json!([[[1.0]], [[0.2]]]));
    }
}
