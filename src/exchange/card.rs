//! A dataset card: README.md with the header that the Hugging Face Hub reads, what the dataset holds, and the command that
//! makes it again.

use super::export::{Export, ExportOptions, Format};
use crate::data::Made;
use crate::error::{Error, Result};
use crate::store::atomic::write_atomic;
use simulators::Column;
use std::fmt::Write;
use std::path::PathBuf;

/// Writes it into the folder of the export.
pub(super) fn write(export: &Export, format: Format, options: &ExportOptions) -> Result<PathBuf> {
    let path = export.out.join("README.md");
    let text = text(export, format, options).map_err(|e| Error::file(&path, e.to_string()))?;
    write_atomic(&path, text.as_bytes())?;
    Ok(path)
}

fn text(
    export: &Export,
    format: Format,
    options: &ExportOptions,
) -> std::result::Result<String, Box<dyn std::error::Error>> {
    let data = export.data;
    let made = &data.manifest().origin.made;
    let name = match made {
        Made::Simulated(config) => config.simulator.name().to_string(),
        Made::Imported(_) => "imported recordings".into(),
    };
    let sequences: usize = export.splits.iter().map(|(_, _, n)| n).sum();
    let frames = sequences * data.frames();
    let license = options.license.as_deref().unwrap_or("unknown");
    let mut out = String::new();
    // The header.
    writeln!(out, "---\nlicense: {license}\npretty_name: {name}")?;
    writeln!(out, "tags:\n- video\n- physics\n- kinostate")?;
    if format == Format::LeRobot {
        writeln!(out, "- LeRobot\ntask_categories:\n- robotics")?;
        writeln!(
            out,
            "configs:\n- config_name: default\n  data_files: data/*/*.parquet"
        )?;
    }
    writeln!(out, "size_categories:\n- {}\n---\n", category(frames))?;
    // What it is.
    let [c, h, w] = data.frame_shape();
    let colour = if c == 1 { "grey" } else { "colour" };
    writeln!(out, "# {name}\n")?;
    writeln!(
        out,
        "{sequences} sequences of {} frames, {} s apart; {colour} pictures of {w} x {h} pixels. Licence: {license}.\n",
        data.frames(),
        data.dt()
    )?;
    writeln!(out, "| split | sequences | frames |\n|---|---|---|")?;
    for (split, _, n) in &export.splits {
        writeln!(out, "| {split} | {n} | {} |", n * data.frames())?;
    }
    // Its columns.
    writeln!(out, "\n## Columns\n\n| in | column | unit |\n|---|---|---|")?;
    let names = places(format);
    for (what, columns) in [
        (names[0], data.state_columns()),
        (names[1], data.action_columns()),
        (names[2], data.parameter_columns()),
        (names[3], data.event_columns()),
        (names[4], data.energy_columns()),
    ] {
        if let Some(what) = what {
            rows(&mut out, what, columns)?;
        }
    }
    let missing = data.missing();
    if !missing.is_nothing() {
        writeln!(
            out,
            "\nMissing: {} frames; {} values of states are not known and are NaN.",
            missing.frames, missing.states
        )?;
    }
    // How it was made.
    let origin = &data.manifest().origin;
    writeln!(out, "\n## How it was made\n")?;
    match made {
        Made::Simulated(config) => {
            writeln!(
                out,
                "Simulated by {} {}, seed {}. With this as `data.yaml`, the same bytes are made again by\n",
                origin.generator, origin.generator_version, config.seed
            )?;
            writeln!(
                out,
                "```sh\nkinostate generate data.yaml --out run\nkinostate export run --to {format} --out {}\n```\n",
                folder(export)
            )?;
            let yaml = serde_yaml::to_string(config)?;
            let indented: String = yaml.lines().map(|line| format!("  {line}\n")).collect();
            writeln!(
                out,
                "```yaml\nname: {name}\nquestion: What do models learn from {name}?\nmodels: {{ lg_vae: {{ lg_vae: \
                    {{}} }} }}\ndata:\n{indented}```"
            )?;
        }
        Made::Imported(import) => {
            writeln!(
                out,
                "Imported by {} {} from\n",
                origin.generator, origin.generator_version
            )?;
            for source in &import.sources {
                let name = std::path::Path::new(&source.path);
                let name = name.file_name().unwrap_or_default().to_string_lossy();
                match &source.checksum {
                    Some(sum) => writeln!(out, "- `{name}`, SHA-256 `{}`", sum.sha256)?,
                    None => writeln!(out, "- `{name}`, a folder")?,
                }
            }
            let settings = serde_json::to_string(&import.settings)?;
            writeln!(out, "\nwith the settings `{settings}`.")?;
        }
    }
    Ok(out)
}

/// The name of the folder, without where it lies.
fn folder(export: &Export) -> String {
    let name = export.out.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Where a format keeps states, actions, parameters, contacts and energies.
fn places(format: Format) -> [Option<&'static str>; 5] {
    match format {
        Format::LeRobot => [Some("observation.state"), Some("action"), None, None, None],
        Format::FlatHdf5 => [Some("proprio"), Some("action"), None, None, None],
        Format::Npz | Format::Hdf5 => [
            Some("states"),
            Some("actions"),
            Some("parameters"),
            Some("events"),
            Some("energies"),
        ],
        // Pictures alone, or motions alone.
        Format::Bvh | Format::Mp4 | Format::Gif | Format::Png => [None; 5],
    }
}

fn rows(out: &mut String, what: &str, columns: &[Column]) -> std::fmt::Result {
    for column in columns {
        writeln!(out, "| `{what}` | {} | {} |", column.name, column.unit)?;
    }
    Ok(())
}

/// The size as the Hub names it.
fn category(rows: usize) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        _ => "10M<n<100M",
    }
}
