//! Pictures that a world shows, read from an array: `data.pictures`.

use super::config::{DataConfig, wrong};
use crate::error::{Error, Result};
use crate::store::checksum::Checksum;
use crate::store::npy::Npy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use simulators::{AnySimulator, Picture};
use std::path::PathBuf;

/// Pictures in place of a world's built-in ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pictures {
    /// An array `.npy` of bytes (N, H, W), 255 = white, as `kinostate pictures` writes it; from where the command is started.
    pub file: PathBuf,
    /// SHA-256 of that file; filled in when left out, and checked when it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Pictures {
    /// Fills in the hash of the file, unless it is given. A missing file is an error when it is read.
    ///
    /// # Errors
    /// A file that can't be read.
    pub(super) fn resolve(&mut self) -> Result<()> {
        if self.sha256.is_none() && self.file.is_file() {
            self.sha256 = Some(Checksum::of_file(&self.file)?.sha256);
        }
        Ok(())
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Error::Experiment`] for a file that is not there, is none of pictures, or is another than was meant.
    pub(super) fn read(&self) -> Result<Vec<Picture>> {
        let at = |message: String| Error::Experiment(format!("data.pictures.file: {message}"));
        if !self.file.is_file() {
            return Err(at(format!(
                "expected an array of pictures, got no file {}; `kinostate pictures SOURCE --out {}` makes one",
                self.file.display(),
                self.file.display()
            )));
        }
        if let Some(want) = &self.sha256 {
            let got = Checksum::of_file(&self.file)?.sha256;
            if got != *want {
                return Err(at(format!(
                    "{}: expected SHA-256 {want}, got {got}: other pictures. Leave out `data.pictures.sha256` to take them",
                    self.file.display()
                )));
            }
        }
        let array = Npy::<u8>::open(&self.file).map_err(|e| at(e.to_string()))?;
        let &[n, height, width] = array.shape() else {
            let got = array.shape();
            return Err(at(format!(
                "expected bytes (N, H, W), got the shape {got:?}"
            )));
        };
        let made = (0..n).map(|i| Picture::new(width, height, array.row(i).to_vec()));
        let all: Vec<Picture> = made
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| at(e.to_string()))?;
        match all.is_empty() {
            true => Err(at(format!("expected at least one picture, got {n}"))),
            false => Ok(all),
        }
    }
}

impl DataConfig {
    /// Checks that there is a world that shows pictures.
    pub(super) fn check_pictures(&self) -> Result<()> {
        match (&self.pictures, &self.simulator) {
            (None, _) | (Some(_), AnySimulator::MovingSprites(_)) => Ok(()),
            (Some(_), other) => Err(wrong(
                "pictures",
                "a world that shows some, moving_sprites",
                other.name(),
            )),
        }
    }

    /// `data.simulator` with the pictures that it shows.
    ///
    /// # Errors
    /// Pictures that can't be read.
    pub fn world(&self) -> Result<AnySimulator> {
        self.showing(self.simulator.clone())
    }

    /// A world with the pictures that it shows.
    pub(super) fn showing(&self, world: AnySimulator) -> Result<AnySimulator> {
        Ok(match (&self.pictures, world) {
            (Some(pictures), AnySimulator::MovingSprites(world)) => {
                AnySimulator::MovingSprites(world.with_pictures(pictures.read()?)?)
            }
            (_, world) => world,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dataset, generate};
    use super::*;
    use crate::progress::Progress;
    use crate::store::npy;

    fn config(file: PathBuf) -> DataConfig {
        let yaml = "
simulator: { moving_sprites: { count: 1, side: 12, size: 4, speed: 1 } }
video: { width: 12, height: 12 }
frames: 3
dt: 0.2
splits: { train: 20, validation: 1, test: 1 }
";
        let mut config: DataConfig = serde_yaml::from_str(yaml).unwrap();
        config.pictures = Some(Pictures { file, sha256: None });
        config
    }

    /// Where a sprite stands whole in the frame its light is that of its picture.
    #[test]
    fn frames_show_the_pictures_of_the_file_that_the_dataset_names_by_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("two.npy");
        let dim: Vec<u8> = [50, 200].iter().flat_map(|&v| [v; 16]).collect();
        npy::write(&file, &[2, 4, 4], &dim).unwrap();
        let mut config = config(file.clone());
        config.pictures.as_mut().unwrap().resolve().unwrap();
        config.check().unwrap();
        let out = dir.path().join("data");
        generate(&config, &out, &Progress::hidden()).unwrap();
        let data = Dataset::open(&out).unwrap();
        let train = data.split("train").unwrap();
        let mut shown = [0, 0];
        for i in 0..20 {
            let which = train.parameters(i)[0] as usize;
            shown[which] += 1;
            let light: u32 = train.frames(i)[..144].iter().map(|&v| u32::from(v)).sum();
            assert_eq!(light, 16 * [50, 200][which], "sequence {i}");
        }
        assert!(shown.iter().all(|&n| n > 0), "{shown:?}");
        let kept = data.config().unwrap().pictures.clone().unwrap();
        assert_eq!(kept.sha256.unwrap().len(), 64);
        // Other pictures in the same place are refused.
        npy::write(&file, &[1, 4, 4], &dim[..16]).unwrap();
        let message = config.world().unwrap_err().to_string();
        assert!(message.contains("other pictures"), "{message}");
    }

    #[test]
    fn what_is_no_array_of_pictures_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let missing = config(dir.path().join("none.npy"));
        missing.check().unwrap();
        let message = missing.world().unwrap_err().to_string();
        assert!(
            message.contains("kinostate pictures SOURCE --out"),
            "{message}"
        );
        let flat = dir.path().join("flat.npy");
        npy::write(&flat, &[2, 3], &[0_u8; 6]).unwrap();
        let message = config(flat.clone()).world().unwrap_err().to_string();
        assert!(
            message.contains("(N, H, W), got the shape [2, 3]"),
            "{message}"
        );
        let mut other = config(flat);
        other.simulator = serde_yaml::with::singleton_map_recursive::deserialize(
            serde_yaml::Deserializer::from_str("bouncing_ball: {}"),
        )
        .unwrap();
        let message = other.check().unwrap_err().to_string();
        assert!(
            message.contains("moving_sprites, got bouncing_ball"),
            "{message}"
        );
    }
}
