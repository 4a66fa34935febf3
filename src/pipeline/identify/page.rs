//! What `identify` tells: lines for a terminal, a page with figures, numbers as JSON.

use super::{IdentifyOptions, Source};
use crate::error::{Error, Result};
use crate::figures::{Curves, Figure, Look, Panel, Series, contact_sheet};
use crate::identify::{Answer, Code, Constant, Identified, Law, Outcome};
use crate::pipeline::marks::{Mark, marked};
use crate::store::{atomic::write_atomic, json};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Frames of the strip at most.
const STRIP: usize = 10;
/// Clips whose paths are drawn.
const DRAWN: usize = 3;

/// An answer about a source.
pub(super) struct Told<'a> {
    pub source: &'a Source,
    pub outcome: &'a Outcome,
    pub options: &'a IdentifyOptions,
}

// Writing to a String never fails, so results of write! are not looked at in this file.

impl Told<'_> {
    /// For a terminal.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{}", self.head());
        for note in &self.source.notes {
            let _ = writeln!(out, "  {note}");
        }
        let Outcome::Found(found) = self.outcome else {
            if let Outcome::Silent(why) = self.outcome {
                let _ = writeln!(out, "cannot tell: {why}");
            }
            return out;
        };
        let _ = writeln!(out, "{}", sentence(found));
        for constant in self.constants(&found.answer) {
            let told = if constant.told { "" } else { "   not told" };
            let _ = writeln!(out, "  {:<12} {}{told}", constant.name, value(&constant));
        }
        for doubt in &found.answer.doubts {
            let _ = writeln!(out, "  but: {doubt}");
        }
        let _ = writeln!(
            out,
            "  {:<26} {:>11} {:>10} {:>11}",
            "law", "residual", "BIC", "probability"
        );
        for trial in &found.answer.trials {
            let _ = writeln!(
                out,
                "  {:<26} {:>11} {:>10.1} {:>11.4}",
                trial.law.name(),
                short(trial.residual),
                trial.bic,
                trial.probability
            );
        }
        if let Some(dir) = &self.options.out {
            let _ = writeln!(out, "{}", dir.join("report.md").display());
        }
        out
    }

    fn head(&self) -> String {
        let (source, frames) = (self.source, self.frames());
        let clips = match source.clips.len() {
            1 => String::new(),
            n => format!("{n} clips, "),
        };
        format!(
            "{}: {clips}{frames} frames, {} s apart",
            source.name,
            short(source.dt)
        )
    }

    fn frames(&self) -> usize {
        self.source.clips.iter().map(|clip| clip.steps()).sum()
    }

    /// Constants, lengths in metres where a scale is given.
    fn constants(&self, answer: &Answer) -> Vec<Constant> {
        let each = answer.constants.iter().map(|constant| {
            match (constant.unit.as_str(), self.options.px_per_m) {
                ("px/s^2", Some(scale)) => Constant {
                    unit: "m/s^2".into(),
                    value: constant.value / scale,
                    interval: (constant.interval.0 / scale, constant.interval.1 / scale),
                    ..constant.clone()
                },
                _ => constant.clone(),
            }
        });
        each.collect()
    }

    /// Writes `report.md`, `identify.json`, `strip.png` and `path.svg` with its PNG.
    pub fn write(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let Outcome::Found(found) = self.outcome else {
            write_atomic(dir.join("report.md"), self.page(None).as_bytes())?;
            json::write(dir.join("identify.json"), &self.numbers())?;
            return Ok(());
        };
        write_atomic(dir.join("strip.png"), &self.strip(found)?)?;
        let figure = self.figure(found);
        write_atomic(dir.join("path.svg"), figure.svg()?.as_bytes())?;
        write_atomic(dir.join("path.png"), &figure.png()?)?;
        write_atomic(dir.join("report.md"), self.page(Some(found)).as_bytes())?;
        json::write(dir.join("identify.json"), &self.numbers())?;
        Ok(())
    }

    fn numbers(&self) -> Value {
        let about = json!({
            "source": self.source.name,
            "clips": self.source.clips.len(),
            "frames": self.frames(),
            "dt": self.source.dt,
            "px_per_m": self.options.px_per_m,
        });
        match self.outcome {
            Outcome::Silent(why) => json!({ "about": about, "told": false, "why": [why] }),
            Outcome::Found(found) => {
                let answer = &found.answer;
                let end = |v: f64| if v.is_finite() { json!(v) } else { Value::Null };
                let constants = self.constants(answer).into_iter().map(|c| {
                    let (low, high) = (end(c.interval.0), end(c.interval.1));
                    json!({
                        "name": c.name, "unit": c.unit, "value": c.value,
                        "interval_95": [low, high], "told": c.told,
                    })
                });
                let trials = answer.trials.iter().map(|t| {
                    json!({
                        "law": t.law.name(), "parameters": t.parameters, "residual_std": t.residual,
                        "bic": t.bic, "probability": t.probability,
                    })
                });
                let parameters = answer.parameters.iter();
                let parameters = parameters.map(|(name, v)| json!({ "name": name, "value": v }));
                let clips = answer.path.clips.iter().zip(&answer.predicted);
                let clips = clips.map(|(clip, fitted)| {
                    json!({ "code": clip.values, "fitted": fitted, "used": clip.counts })
                });
                json!({
                    "about": about,
                    "told": answer.certain,
                    "why": answer.doubts,
                    "code": found.code.name(),
                    "law": answer.law.name(),
                    "constants": constants.collect::<Vec<_>>(),
                    "laws": trials.collect::<Vec<_>>(),
                    "parameters": parameters.collect::<Vec<_>>(),
                    "numbers_a_frame": answer.path.size,
                    "clips": clips.collect::<Vec<_>>(),
                })
            }
        }
    }

    /// Frames of the first clip with a ring around the body that was found.
    fn strip(&self, found: &Identified) -> Result<Vec<u8>> {
        let (clip, body) = (&self.source.clips[0], &found.bodies[0]);
        let steps = clip.steps();
        let shown: Vec<usize> = match steps <= STRIP {
            true => (0..steps).collect(),
            false => (0..STRIP).map(|i| i * (steps - 1) / (STRIP - 1)).collect(),
        };
        let [_, height, width] = clip.shape;
        let zoom = 128usize.div_ceil(width.max(height)).max(1);
        let size: usize = clip.shape.iter().product();
        let mut frames = Vec::new();
        for &t in &shown {
            let ring = body.seen[t] && body.size[t].is_finite();
            let mark = ring.then(|| Mark {
                at: body.place[t],
                radius: body.size[t] + 1.0,
            });
            frames.extend(marked(
                &clip.frames[t * size..][..size],
                clip.shape,
                zoom,
                mark,
            ));
        }
        let columns = shown.len().min(5);
        contact_sheet(
            &frames,
            [shown.len(), 3, height * zoom, width * zoom],
            columns,
            1,
        )
    }

    /// Code and fitted path over time, and what is left between them.
    fn figure(&self, found: &Identified) -> Figure {
        let answer = &found.answer;
        let size = answer.path.size;
        let labels: &[&str] = match found.code {
            Code::Place | Code::Angle => &["x to the right (px)", "y down (px)"],
            Code::Size => &["radius (px)"],
            Code::Brightness => &["brightness (1)"],
        };
        let dt = answer.path.dt;
        let panel = |label: String, of: &dyn Fn(&mut Vec<Series>, usize)| {
            let mut series = Vec::new();
            for clip in 0..answer.path.clips.len().min(DRAWN) {
                of(&mut series, clip);
            }
            Panel {
                x_label: "time (s)".into(),
                y_label: label,
                series,
                y_range: None,
            }
        };
        let line = |label: &str, look: Look, y: Vec<f64>| Series {
            label: label.into(),
            look,
            x: (0..y.len()).map(|t| t as f64 * dt).collect(),
            y,
            low: Vec::new(),
            high: Vec::new(),
        };
        let found_at = |clip: usize, d: usize| -> Vec<f64> {
            let series = &answer.path.clips[clip];
            let rows = series.values.chunks_exact(size).zip(&series.counts);
            rows.map(|(row, counts)| if *counts { row[d] } else { f64::NAN })
                .collect()
        };
        let fitted = |clip: usize, d: usize| -> Vec<f64> {
            let rows = answer.predicted[clip].chunks_exact(size);
            rows.map(|row| row[d]).collect()
        };
        let mut panels: Vec<Panel> = labels
            .iter()
            .enumerate()
            .map(|(d, label)| {
                panel((*label).into(), &|series, clip| {
                    series.push(line("found", Look::Encoder, found_at(clip, d)));
                    series.push(line("fitted law", Look::Truth, fitted(clip, d)));
                })
            })
            .collect();
        panels.push(panel("residual, code - law".into(), &|series, clip| {
            for (d, name) in labels.iter().enumerate() {
                let both = found_at(clip, d).into_iter().zip(fitted(clip, d));
                let rest = both.map(|(a, b)| a - b).collect();
                series.push(line(&format!("residual of {name}"), Look::Variant(d), rest));
            }
        }));
        Figure::Curves(Curves { panels })
    }

    fn page(&self, found: Option<&Identified>) -> String {
        let mut out = format!("# What moves in {}\n\n", self.source.name);
        let _ = writeln!(out, "{}.\n", self.head());
        for note in &self.source.notes {
            let _ = writeln!(out, "- {note}");
        }
        if !self.source.notes.is_empty() {
            out.push('\n');
        }
        let Some(found) = found else {
            if let Outcome::Silent(why) = self.outcome {
                let _ = writeln!(out, "**Cannot tell:** {why}.");
            }
            return out;
        };
        let answer = &found.answer;
        let _ = writeln!(out, "**{}**\n", sentence(found));
        out.push_str("| constant | value | 95 % interval | unit | told |\n|---|---|---|---|---|\n");
        for c in self.constants(answer) {
            let _ = writeln!(
                out,
                "| {} | {} | {} to {} | {} | {} |",
                c.name,
                short(c.value),
                short(c.interval.0),
                short(c.interval.1),
                c.unit,
                if c.told { "yes" } else { "no" }
            );
        }
        out.push('\n');
        for doubt in &answer.doubts {
            let _ = writeln!(out, "- But: {doubt}.");
        }
        if !answer.doubts.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(
            out,
            "![frames with the body that was found](strip.png)\n\n*Is the body found? Frames of the first clip, in a ring \
             what was taken for it; no ring where it is hidden or not used.*\n"
        );
        let _ = writeln!(
            out,
            "![code and fitted law over time](path.svg)\n\n*Does the law explain the code? {} frames{}; gaps are frames \
             that are not used.*\n",
            self.frames(),
            match self.source.clips.len() > DRAWN {
                true => format!(", the first {DRAWN} clips drawn"),
                false => String::new(),
            }
        );
        out.push_str("## The laws\n\n| law | parameters | residual | BIC | probability |\n|---|---|---|---|---|\n");
        for t in &answer.trials {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {:.1} | {:.4} |",
                t.law.name(),
                t.parameters,
                short(t.residual),
                t.bic,
                t.probability
            );
        }
        let _ = writeln!(
            out,
            "\n## All parameters of `{}`\n\n| parameter | value |\n|---|---|",
            answer.law.name()
        );
        for (name, value) in &answer.parameters {
            let _ = writeln!(out, "| {name} | {} |", short(*value));
        }
        out.push_str(MEANING);
        let _ = writeln!(
            out,
            "## How to make this again\n\n```sh\n{}\n```",
            self.options.command
        );
        out
    }
}

const MEANING: &str = "
## What the numbers mean

- **code**: place, size (radius of a disc of the same area) or brightness of the body; the one that varies most beside
  its own extent, and smoothly.
- **residual**: standard deviation of code less law, sqrt(RSS / (n - k)), in the code's unit.
- **95 % interval**: where the least squares with this constant held, all others fitted anew, rise by t² s² (profile
  likelihood; t of n - k degrees of freedom, s the residual), widened where neighbouring residuals go together.
- **BIC**: n ln(RSS / n) + k ln n, less is better; **probability**: exp(-BIC / 2) over its sum over these laws.
- **told**: the farther end of the interval is at most half of the constant away (of gamma1: or of the critical damping).

";

/// The answer in one sentence.
fn sentence(found: &Identified) -> String {
    let answer = &found.answer;
    let law = match answer.law {
        Law::Still => "nothing but noise",
        Law::Uniform => "constant velocity",
        Law::Relaxation => "z' = -rate (z - rest)",
        Law::SecondOrder => "z'' + gamma1 z' + gamma0 (z - rest) = 0",
        Law::Swing => "a'' + gamma1 a' + gamma0 (a - rest) = 0 of the angle about a pivot",
        Law::Pendulum => "a'' + gamma1 a' + gamma0 sin(a - rest) = 0 of the angle about a pivot",
        Law::FreeFall => "constant acceleration",
        Law::Bounce => "free fall between impacts",
    };
    let sure = match answer.certain {
        true => "",
        false => ", which the clips do not tell for sure",
    };
    format!(
        "the {} of the moving part follows {} ({law}){sure}",
        found.code.name(),
        answer.law.name()
    )
}

fn value(constant: &Constant) -> String {
    let unit = match constant.unit.as_str() {
        "1" => String::new(),
        unit => format!(" {unit}"),
    };
    format!(
        "{} [{}, {}]{unit}",
        short(constant.value),
        short(constant.interval.0),
        short(constant.interval.1)
    )
}

/// Five significant digits.
fn short(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "-".into()
        } else {
            format!("{value}")
        };
    }
    let digits = match value == 0.0 {
        true => 0,
        false => (4 - value.abs().log10().floor() as i32).clamp(0, 8),
    };
    format!("{value:.*}", digits as usize)
}
