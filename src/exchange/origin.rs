//! What the command line names as sources of an import: a path, and which splits its sequences go to.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A part of a source's sequences and the split it goes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Name of the split.
    pub split: String,
    /// Part of the sequences, above 0.
    pub part: f64,
}

/// A source: `PATH`, `SPLIT=PATH` or `SPLIT:PART,SPLIT:PART=PATH`.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// File or folder.
    pub path: PathBuf,
    /// Where its sequences go, in order.
    pub shares: Vec<Share>,
    /// No splits were named: it is divided as usual, unless it tells its splits itself.
    pub divided: bool,
}

/// What a source without splits is divided into.
const USUAL: [(&str, f64); 3] = [("train", 0.8), ("validation", 0.1), ("test", 0.1)];

impl FromStr for Origin {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let named = text.split_once('=').and_then(|(shares, path)| {
            let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:.,".contains(c);
            (!shares.is_empty() && shares.chars().all(word)).then_some((shares, path))
        });
        // A file of this very name is meant, whatever letters are in it.
        let named = named.filter(|_| !Path::new(text).exists());
        let divided = named.is_none();
        let (shares, path) = match named {
            None => {
                let usual = USUAL.iter().map(|&(split, part)| Share {
                    split: split.into(),
                    part,
                });
                (usual.collect(), text)
            }
            Some((shares, path)) => {
                let shares = shares.split(',').map(share);
                let shares = shares.collect::<std::result::Result<Vec<_>, String>>()?;
                (shares, path)
            }
        };
        if path.is_empty() {
            return Err(format!("expected a path, got {text:?}"));
        }
        Ok(Self {
            path: path.into(),
            shares,
            divided,
        })
    }
}

fn share(text: &str) -> std::result::Result<Share, String> {
    let (split, part) = text.split_once(':').unwrap_or((text, "1"));
    let good = |part: &f64| part.is_finite() && *part > 0.0;
    let part =
        part.parse::<f64>().ok().filter(good).ok_or_else(|| {
            format!("expected SPLIT or SPLIT:PART with a part above 0, got {text:?}")
        })?;
    if split.is_empty() || split.contains('.') {
        return Err(format!("expected the name of a split, got {text:?}"));
    }
    Ok(Share {
        split: split.into(),
        part,
    })
}

impl Origin {
    /// How many of `n` sequences go to each share, in order; at least one each.
    ///
    /// # Errors
    /// [`Error::File`] for fewer sequences than shares.
    pub(super) fn divide(&self, n: usize) -> Result<Vec<usize>> {
        let shares = self.shares.len();
        if n < shares {
            let splits: Vec<_> = self
                .shares
                .iter()
                .map(|share| share.split.as_str())
                .collect();
            return Err(Error::file(
                &self.path,
                format!(
                    "expected at least a sequence each for {}, got {n} in all (after --stride and --clip, without frames that are missing \
                     throughout); --clip N cuts a long recording, SPLIT=FILE names files of one split",
                    splits.join(", ")
                ),
            ));
        }
        let total: f64 = self.shares.iter().map(|share| share.part).sum();
        let mut counts = Vec::new();
        let (mut parts, mut given) = (0.0, 0);
        for (k, share) in self.shares.iter().enumerate() {
            parts += share.part;
            let end = (n as f64 * parts / total).round() as usize;
            // Leave one for each share that is still to come.
            let end = end.clamp(given + 1, n - (shares - 1 - k));
            counts.push(end - given);
            given = end;
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_may_name_its_splits() {
        let usual = origin("a/b.npz");
        assert_eq!(usual.path, PathBuf::from("a/b.npz"));
        assert_eq!(usual.shares.len(), 3);
        let one = origin("fast_balls=a=b.npz");
        assert_eq!(one.path, PathBuf::from("a=b.npz"));
        assert_eq!(one.shares[0].split, "fast_balls");
        let two = origin("train:0.9,validation:.1=box.npz");
        assert_eq!((two.shares[0].part, two.shares[1].part), (0.9, 0.1));
        assert_eq!(origin("./a=b.npz").path, PathBuf::from("./a=b.npz"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "train=", "train:0=a", "train:x=a", ":1=a", ",=a"] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_sequence_goes_somewhere_and_every_split_gets_one() {
        for n in 3..60 {
            let counts = origin("a").divide(n).unwrap();
            assert_eq!(counts.iter().sum::<usize>(), n);
            assert!(counts.iter().all(|&count| count > 0), "{n}: {counts:?}");
        }
        assert_eq!(origin("a").divide(1000).unwrap(), [800, 100, 100]);
        let error = origin("a").divide(2).unwrap_err().to_string();
        assert!(error.contains("got 2 in all"), "{error}");
    }
}
