//! Where everything of one run stands: the paths of a run folder.

use crate::error::{Error, Result};
use crate::store::lock::{Attempt, Lock, Share, holder};
use std::path::{Path, PathBuf};

/// A run folder, `results/<name>`:
///
/// ```text
/// config.yaml                        the resolved experiment, written before the first stage
/// run.json                           the command and the versions
/// done.json                          finished stages and what they depended on
/// log.txt                            every line with its time
/// data/manifest.json, shards         the dataset
/// baselines.json                     trivial read-outs of the dataset
/// <model>/seed-<s>/                  model.safetensors, metrics.jsonl       (train)
///                                    latents/, encode.json, law.json or modes.json, inputs.json, scores.json, decoder.json   (encode)
///                                    rollouts/<split>/                      (rollout)
///                                    findings/<analysis>.json, figures/     (analyze, plot)
/// <model>/agreement.json, figures/    what all seeds say together
/// ablation.json, figures/            what the trainings of all models say together
/// summary.json report.md report.html
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// The run folder at this path; nothing is read or made.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// The resolved experiment.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.yaml")
    }
    /// The command and the versions.
    pub fn about(&self) -> PathBuf {
        self.root.join("run.json")
    }
    /// Every line with its time.
    pub fn log(&self) -> PathBuf {
        self.root.join("log.txt")
    }
    /// The dataset.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }
    /// Trivial read-outs of the dataset.
    pub fn baselines(&self) -> PathBuf {
        self.root.join("baselines.json")
    }
    /// Everything of one model and training seed.
    pub fn model(&self, model: &str, seed: u64) -> PathBuf {
        self.root.join(model).join(format!("seed-{seed}"))
    }
    /// Everything of one model, all its seeds.
    pub fn model_root(&self, model: &str) -> PathBuf {
        self.root.join(model)
    }
    /// What all seeds of a model say together: [`crate::analysis::agreement`].
    pub fn agreement(&self, model: &str) -> PathBuf {
        self.model_root(model).join("agreement.json")
    }
    /// The drawn figures of all seeds of a model together.
    pub fn common_figures(&self, model: &str) -> PathBuf {
        self.model_root(model).join("figures")
    }
    /// What the trainings of all models say together: [`crate::analysis::ablation`].
    pub fn ablation(&self) -> PathBuf {
        self.root.join("ablation.json")
    }
    /// The drawn figures of all models together.
    pub fn shared_figures(&self) -> PathBuf {
        self.root.join("figures")
    }
    /// The trained weights.
    pub fn weights(&self, model: &str, seed: u64) -> PathBuf {
        self.model(model, seed).join("model.safetensors")
    }
    /// What training logged, one [`crate::analysis::TrainingPoint`] a line.
    pub fn training(&self, model: &str, seed: u64) -> PathBuf {
        self.model(model, seed).join("metrics.jsonl")
    }
    /// The latents: one folder per split, and `untrained/<split>`.
    pub fn latents(&self, model: &str, seed: u64) -> PathBuf {
        self.model(model, seed).join("latents")
    }
    /// The trained model's latents of one split.
    pub fn split(&self, model: &str, seed: u64, split: &str) -> PathBuf {
        self.latents(model, seed).join(split)
    }
    /// The same of the model before training: `encoder` only.
    pub fn untrained(&self, model: &str, seed: u64, split: &str) -> PathBuf {
        self.latents(model, seed).join("untrained").join(split)
    }
    /// What the encode stage did: [`crate::latents::EncodeConfig`].
    pub fn encode(&self, model: &str, seed: u64) -> PathBuf {
        self.model(model, seed).join("encode.json")
    }
    /// Sampled futures, a folder a split: [`crate::latents::Rollouts`].
    pub fn rollouts(&self, model: &str, seed: u64) -> PathBuf {
        self.model(model, seed).join("rollouts")
    }
    /// The decoder as plain arrays, where it has such a form: [`crate::latents::Decoder`].
    pub fn decoder(&self, model: &str, seed: u64) -> PathBuf {
        self.model(model, seed).join("decoder.json")
    }
    /// The learned law, where there is one: [`lgssm::Lgssm`].
    pub fn law(&self, model: &str, seed: u64) -> PathBuf {
        self.model(model, seed).join("law.json")
    }
    /// How actions move the state by that law: [`crate::latents::LawInputs`].
    pub fn inputs(&self, model: &str, seed: u64) -> PathBuf {
        self.model(model, seed).join("inputs.json")
    }
    /// The modes of a law that chooses between several: [`lgssm::AffineModes`].
    pub fn modes(&self, model: &str, seed: u64) -> PathBuf {
        self.model(model, seed).join("modes.json")
    }
    /// Numbers that need the model itself and not its latents (the ELBO on test sequences): a list of
    /// [`crate::analysis::Metric`], written by the encode stage.
    pub fn scores(&self, model: &str, seed: u64) -> PathBuf {
        self.model(model, seed).join("scores.json")
    }
    /// What the analyses found, a file each.
    pub fn findings(&self, model: &str, seed: u64) -> PathBuf {
        self.model(model, seed).join("findings")
    }
    /// What one analysis found.
    pub fn finding(&self, model: &str, seed: u64, analysis: &str) -> PathBuf {
        self.findings(model, seed).join(format!("{analysis}.json"))
    }
    /// The drawn figures of one model and seed.
    pub fn figures(&self, model: &str, seed: u64) -> PathBuf {
        self.model(model, seed).join("figures")
    }
    /// The main numbers over seeds.
    pub fn summary(&self) -> PathBuf {
        self.root.join("summary.json")
    }
    /// The report for a terminal or a repository page.
    pub fn report_md(&self) -> PathBuf {
        self.root.join("report.md")
    }
    /// The report for a browser.
    pub fn report_html(&self) -> PathBuf {
        self.root.join("report.html")
    }

    fn lock(&self) -> PathBuf {
        self.root.join(".lock")
    }

    /// The lock of one model and seed, for processes that share the folder.
    fn unit_lock(&self, model: &str, seed: u64) -> PathBuf {
        self.root.join(format!(".{model}.seed-{seed}.lock"))
    }

    /// Whether a process works in it just now.
    pub fn is_taken(&self) -> bool {
        let Ok(entries) = std::fs::read_dir(&self.root) else {
            return false;
        };
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with('.') && name.ends_with(".lock") && holder(&entry.path()).is_some()
        })
    }

    /// Makes the folder and takes it for this process; the lock goes with the returned value or with the process,
    /// however it ends.
    ///
    /// # Errors
    /// The folder can't be made, or another process works in it.
    pub fn take(&self) -> Result<Lock> {
        std::fs::create_dir_all(&self.root).map_err(Error::io(&self.root))?;
        match Lock::attempt(&self.lock(), Share::Alone)? {
            Attempt::Taken(lock) => Ok(lock),
            Attempt::Busy(who) => {
                // Those who share it wrote into locks of their own.
                let who = self.sharing().unwrap_or(who);
                Err(Error::file(
                    &self.root,
                    format!(
                        "another kinostate process works in this run folder: {who}; wait for it, or choose another folder with --out"
                    ),
                ))
            }
        }
    }

    /// Who works on one model and seed.
    fn sharing(&self) -> Option<String> {
        let entries = std::fs::read_dir(&self.root).ok()?;
        let units = entries.flatten().filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.contains(".seed-") && name.ends_with(".lock")
        });
        units.filter_map(|entry| holder(&entry.path())).next()
    }

    /// Makes the folder and waits until no process has it for itself alone; others that work on one model and seed may share it.
    ///
    /// # Errors
    /// The folder can't be made; what `busy` says, which hears who is waited for.
    pub fn share(&self, busy: &mut dyn FnMut(&str) -> Result<()>) -> Result<Lock> {
        std::fs::create_dir_all(&self.root).map_err(Error::io(&self.root))?;
        Lock::wait(&self.lock(), Share::Shared, busy)
    }

    /// Of those who share the folder, waits to be the one who writes what all of them need.
    ///
    /// # Errors
    /// As [`RunFolder::share`].
    pub fn prepare(&self, busy: &mut dyn FnMut(&str) -> Result<()>) -> Result<Lock> {
        Lock::wait(&self.root.join(".prepare.lock"), Share::Alone, busy)
    }

    /// Of those who share the folder, waits to be the one who works on a model and seed.
    ///
    /// # Errors
    /// As [`RunFolder::share`].
    pub fn unit(
        &self,
        model: &str,
        seed: u64,
        busy: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<Lock> {
        Lock::wait(&self.unit_lock(model, seed), Share::Alone, busy)
    }
}

/// Folders deep that runs are looked for: `results/<name>/<run>`, and one more.
const DEEPEST: usize = 3;

/// All run folders below `dir`, and itself where it is one, in the order of their names.
///
/// # Errors
/// A folder that can't be read.
pub fn run_folders(dir: &Path) -> Result<Vec<RunFolder>> {
    let mut found = Vec::new();
    visit(dir, 0, &mut found)?;
    Ok(found)
}

fn visit(dir: &Path, depth: usize, found: &mut Vec<RunFolder>) -> Result<()> {
    let folder = RunFolder::new(dir);
    if folder.config().exists() {
        found.push(folder);
        return Ok(());
    }
    if depth == DEEPEST {
        return Ok(());
    }
    let mut below: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        // A link would lead out of the folder, or around in it.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below.push(entry.path());
        }
    }
    below.sort();
    below
        .iter()
        .try_for_each(|path| visit(path, depth + 1, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_folder_belongs_to_one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(dir.path().join("run"));
        let lock = folder.take().unwrap();
        assert!(folder.is_taken());
        let error = folder.take().unwrap_err().to_string();
        assert!(error.contains("another kinostate process"), "{error}");
        drop(lock);
        assert!(!folder.is_taken());
        folder.take().unwrap();
    }

    #[test]
    fn models_and_seeds_share_a_run_folder_that_nobody_has_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(dir.path().join("run"));
        let mut never = |who: &str| Err(Error::Interrupted(who.into()));
        let shared = folder.share(&mut never).unwrap();
        if !shared.is_held() {
            println!("skipped: this file system has no locks");
            return;
        }
        let again = folder.share(&mut never).unwrap();
        assert!(!folder.is_taken());
        let unit = folder.unit("a", 0, &mut never).unwrap();
        let other = folder.unit("a", 1, &mut never).unwrap();
        assert!(folder.is_taken());
        let busy = folder.unit("a", 0, &mut never).unwrap_err().to_string();
        let me = format!("process {} on ", std::process::id());
        assert!(busy.contains(&me), "{busy}");
        let refused = folder.take().unwrap_err().to_string();
        assert!(refused.contains(&me), "{refused}");
        drop((shared, again, unit, other));
        folder.take().unwrap();
    }
}
