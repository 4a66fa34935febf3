//! Beliefs on disk: one `.npy` per array and an index with their checksums; the law and the encode stage as JSON.

use super::{Axis, Beliefs, Decoder, EncodeConfig, Named};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::store::atomic::remove_leftovers;
use crate::store::checksum::Checksum;
use crate::store::json;
use crate::store::npy::{self, Npy};
use lgssm::{AffineModes, Lgssm};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Name of the index, in the folder of the arrays.
pub(crate) const INDEX: &str = "latents.json";
/// Raised when a reader of the old layout would misread the new one.
const VERSION: u32 = 2;

/// What every format has.
#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    format_version: u32,
    arrays: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    axes: Vec<Axis>,
    shape: Vec<usize>,
    file: Checksum,
}

impl Beliefs {
    /// Writes a folder: every array as `<name>.npy` (f64), then the index. Arrays of an earlier save that are not there
    /// any more are removed.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] for a name that is not lower-case letters, digits and `_`.
    pub fn save(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        remove_leftovers(dir)?;
        let before = json::read::<Index>(dir.join(INDEX)).ok();
        let mut arrays = BTreeMap::new();
        for (name, Named { axes, array }) in self.iter() {
            let path = dir.join(file_name(dir, name)?);
            let shape = array.shape().to_vec();
            let file = npy::write(path, &shape, array.data())?;
            let axes = axes.clone();
            arrays.insert(name.to_string(), Entry { axes, shape, file });
        }
        let index = Index {
            format_version: VERSION,
            arrays,
        };
        json::write(dir.join(INDEX), &index)?;
        let before = before.map(|index| index.arrays).unwrap_or_default();
        for name in before.keys().filter(|name| self.get(name).is_none()) {
            let path = dir.join(file_name(dir, name)?);
            if path.exists() {
                std::fs::remove_file(&path).map_err(Error::io(&path))?;
            }
        }
        Ok(())
    }

    /// Reads a folder and checks shapes and checksums.
    ///
    /// # Errors
    /// A missing, truncated or altered file is named with what was expected and got.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(INDEX);
        let Version {
            format_version: got,
        } = json::read(&path)?;
        if got != VERSION {
            let older = match got {
                1 => {
                    ", whose arrays have no named axes; run the experiment again with this program, which encodes anew"
                }
                _ => "",
            };
            return Err(Error::file(
                path,
                format!("expected format version {VERSION}, got {got}{older}"),
            ));
        }
        let index: Index = json::read(&path)?;
        let mut beliefs = Self::default();
        for (name, Entry { axes, shape, file }) in index.arrays {
            let path = dir.join(file_name(dir, &name)?);
            file.verify_size_of(&path)?;
            let npy = Npy::<f64>::open_shaped(&path, &shape)?;
            npy.verify(&file)?;
            let array = Array::new(shape, npy.values().to_vec())?;
            let fits = beliefs.insert(name, &axes, array);
            fits.map_err(|e| Error::file(dir.join(INDEX), e.to_string()))?;
        }
        Ok(beliefs)
    }
}

/// A name from an index must not lead out of the folder.
fn file_name(dir: &Path, name: &str) -> Result<String> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(letter) {
        let expected = "an array name of lower-case letters, digits and _";
        return Err(Error::file(
            dir,
            format!("expected {expected}, got {name:?}"),
        ));
    }
    Ok(format!("{name}.npy"))
}

/// How actions move the state of a linear law: z_t = A z_{t-1} + B u_{t-1} + b.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LawInputs {
    /// Components of an action, A.
    pub size: usize,
    /// B, (n, A), in the units of the actions.
    pub matrix: Vec<f64>,
}

impl LawInputs {
    /// Whether B has a row for every dimension of the law.
    ///
    /// # Errors
    /// [`Error::Shape`] where it has not.
    pub fn fits(&self, law: &Lgssm) -> Result<()> {
        if self.size > 0 && self.matrix.len() == law.latent * self.size {
            return Ok(());
        }
        Err(Error::Shape(format!(
            "inputs: {} x {} values expected, got {}",
            law.latent,
            self.size,
            self.matrix.len()
        )))
    }
}

impl JsonFile for LawInputs {
    fn consistent(&self) -> std::result::Result<(), String> {
        match self.matrix.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(i) => Err(format!(
                "matrix[{i}]: expected a finite number, got {}",
                self.matrix[i]
            )),
        }
    }
}

/// What is kept in a JSON file of its own, and checked on its way in and out.
pub trait JsonFile: Serialize + DeserializeOwned {
    /// Whether the values fit each other.
    ///
    /// # Errors
    /// What does not: where, expected and got.
    fn consistent(&self) -> std::result::Result<(), String> {
        Ok(())
    }

    /// Writes a JSON file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] when it is not [`JsonFile::consistent`].
    fn save(&self, path: &Path) -> Result<()> {
        self.consistent().map_err(|e| Error::file(path, e))?;
        json::write(path, self).map(drop)
    }

    /// Reads a JSON file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] with line and column, or when it is not [`JsonFile::consistent`].
    fn load(path: &Path) -> Result<Self> {
        let this: Self = json::read(path)?;
        this.consistent().map_err(|e| Error::file(path, e))?;
        Ok(this)
    }
}

impl JsonFile for EncodeConfig {}

impl JsonFile for Decoder {
    fn consistent(&self) -> std::result::Result<(), String> {
        self.check()
    }
}

impl JsonFile for Lgssm {
    fn consistent(&self) -> std::result::Result<(), String> {
        let (n, p) = (self.latent, self.code);
        for (name, rows, columns, values) in [
            ("transition_matrix", n, n, &self.transition_matrix),
            ("transition_offset", n, 1, &self.transition_offset),
            ("transition_cov", n, n, &self.transition_cov),
            ("emission_matrix", p, n, &self.emission_matrix),
            ("emission_offset", p, 1, &self.emission_offset),
            ("emission_cov", p, p, &self.emission_cov),
            ("initial_mean", n, 1, &self.initial_mean),
            ("initial_cov", n, n, &self.initial_cov),
        ] {
            finite_and_sized(name, rows, columns, values)?;
        }
        Ok(())
    }
}

impl JsonFile for AffineModes {
    fn consistent(&self) -> std::result::Result<(), String> {
        self.law.consistent()?;
        let (k, n) = (self.names.len(), self.law.latent);
        finite_and_sized("matrices", k, n * n, &self.matrices)?;
        finite_and_sized("offsets", k, n, &self.offsets)
    }
}

fn finite_and_sized(
    name: &str,
    rows: usize,
    columns: usize,
    values: &[f64],
) -> std::result::Result<(), String> {
    if rows.checked_mul(columns) != Some(values.len()) {
        let got = values.len();
        return Err(format!(
            "{name}: expected {rows} x {columns} values, got {got}"
        ));
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(i) => {
            let got = values[i];
            Err(format!("{name}[{i}]: expected a finite number, got {got}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latents() -> Beliefs {
        let mut latents = Beliefs::default();
        let smoothed = Array::new([2, 3, 1], vec![0.1, f64::NAN, -0.0, 1e-310, 5.0, 6.0]).unwrap();
        latents.put("smoothed", smoothed);
        latents.put("mask_0", Array::zeros([2, 3]));
        latents
    }

    #[test]
    fn arrays_come_back_bit_by_bit_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        latents().save(dir.path()).unwrap();
        let mut fewer = latents();
        fewer.remove("mask_0");
        fewer.save(dir.path()).unwrap();
        let back = Beliefs::load(dir.path()).unwrap();
        let bits = |l: &Beliefs| -> Vec<u64> {
            l.get("smoothed")
                .unwrap()
                .data()
                .iter()
                .map(|x| x.to_bits())
                .collect()
        };
        assert_eq!(bits(&back), bits(&fewer));
        assert_eq!(back.get("smoothed").unwrap().shape(), [2, 3, 1]);
        assert!(back.get("mask_0").is_none() && !dir.path().join("mask_0.npy").exists());
    }

    #[test]
    fn an_altered_or_missing_array_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        latents().save(dir.path()).unwrap();
        let path = dir.path().join("smoothed.npy");
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = Beliefs::load(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("smoothed.npy: altered: expected SHA-256"),
            "{error}"
        );
        std::fs::remove_file(&path).unwrap();
        let error = Beliefs::load(dir.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("expected 176 bytes, got no such file"),
            "{error}"
        );
    }

    #[test]
    fn a_name_that_leads_out_of_the_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        latents().save(dir.path()).unwrap();
        let path = dir.path().join(INDEX);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("smoothed", "../smoothed")).unwrap();
        let error = Beliefs::load(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with("got \"../smoothed\""), "{error}");
    }

    #[test]
    fn a_law_comes_back_and_one_that_does_not_fit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("law.json");
        let mut law = Lgssm {
            latent: 2,
            code: 1,
            transition_matrix: vec![1.0, 0.2, 0.0, 1.0],
            transition_offset: vec![0.0; 2],
            transition_cov: vec![0.1; 4],
            emission_matrix: vec![1.0, 0.0],
            emission_offset: vec![0.3],
            emission_cov: vec![1e-17],
            initial_mean: vec![0.0; 2],
            initial_cov: vec![1.0 / 3.0; 4],
        };
        law.save(&path).unwrap();
        assert_eq!(Lgssm::load(&path).unwrap(), law);
        law.emission_offset[0] = f64::NAN;
        let error = law.save(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("emission_offset[0]: expected a finite number, got NaN"),
            "{error}"
        );
        law.emission_offset.push(0.0);
        let error = law.save(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("emission_offset: expected 1 x 1 values, got 2"),
            "{error}"
        );
    }

    #[test]
    fn what_the_encode_stage_did_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("encode.json");
        let config = EncodeConfig {
            context: 5,
            drop_rates: vec![0.1, 0.5],
            blocks: vec![5],
            always_seen: 4,
            latents: Vec::new(),
        };
        config.save(&path).unwrap();
        assert_eq!(EncodeConfig::load(&path).unwrap(), config);
    }
}
