//! The report as Markdown, for a repository page or a terminal; figures are linked.

use super::page::{AnalysisPart, Page};
use crate::analysis::{NamedFigure, Table};
use std::fmt::Write;

// Writing to a String never fails, so results of write! are not looked at in this file.

pub(super) fn write(page: &Page) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {}\n\n{}\n", text(&page.name), text(&page.question));
    if let Some(telling) = page.telling_of(None) {
        figure(&mut out, &telling.folder, &telling.figure);
    }
    for headline in &page.headlines {
        let _ = writeln!(
            out,
            "**{}** ({})\n",
            text(&headline.model),
            text(&headline.about)
        );
        for number in &headline.numbers {
            let reference = number.reference.as_ref();
            let reference = reference
                .map(|of| format!("; {}", text(of)))
                .unwrap_or_default();
            let (name, value) = (text(&number.name), text(&number.value));
            let _ = writeln!(out, "- {name}: **{value}**{reference}");
        }
        let (verdict, others) = headline.answers.split_at(headline.answers.len().min(1));
        for answer in verdict {
            let _ = writeln!(out, "- {}", text(answer));
        }
        if let Some(telling) = page.telling_of(Some(&headline.model)) {
            out.push('\n');
            figure(&mut out, &telling.folder, &telling.figure);
        }
        for answer in others {
            let _ = writeln!(out, "- {}", text(answer));
        }
        out.push('\n');
    }
    out.push_str("## How much of the state do the latents hold?\n\n");
    let main = &page.main;
    let mut rows = Vec::new();
    for (group, members) in &main.groups {
        let mut head = vec![format!("**{group}**")];
        head.resize(main.columns.len(), String::new());
        rows.push(head);
        for row in members {
            let mut cells = vec![row.name.clone()];
            cells.extend(row.cells.iter().cloned());
            rows.push(cells);
        }
    }
    table(
        &mut out,
        &Table {
            caption: main.note.clone(),
            columns: main.columns.clone(),
            rows,
        },
    );
    if let Some(part) = &page.ablation {
        out.push_str("## All models together\n\n");
        analysis(&mut out, part);
    }
    for model in &page.models {
        let _ = writeln!(out, "## {} ({})\n", text(&model.name), text(&model.about));
        for part in &model.analyses {
            analysis(&mut out, part);
        }
    }
    if let Some(part) = &page.baselines {
        out.push_str("## Trivial baselines\n\n");
        analysis(&mut out, part);
    }
    out.push_str("## What the numbers mean\n\n");
    for definition in &page.definitions {
        let _ = writeln!(
            out,
            "- **{}**: `{}`. {}",
            text(&definition.name),
            definition.formula.replace('`', "'"),
            text(&definition.meaning)
        );
    }
    out.push_str("\n## Every number\n\n");
    table(&mut out, &page.numbers);
    let versions: Vec<String> = page
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let _ = write!(
        out,
        "## How to make this again\n\n```sh\n{}\n```\n\n{}\n\n```yaml\n{}```\n",
        page.command,
        text(&versions.join(", ")),
        page.config
    );
    out
}

fn analysis(out: &mut String, part: &AnalysisPart) {
    let _ = writeln!(out, "### {}: {}\n", text(&part.name), text(&part.question));
    match part.answers.as_slice() {
        [one] => {
            let _ = writeln!(out, "{}\n", text(one));
        }
        several => {
            for answer in several {
                let _ = writeln!(out, "- {}", text(answer));
            }
            out.push('\n');
        }
    }
    if let Some(note) = &part.note {
        let _ = writeln!(out, "{}\n", text(note));
    }
    for shown in &part.tables {
        table(out, shown);
    }
    if let Some(folder) = &part.folder {
        for shown in &part.figures {
            figure(out, folder, shown);
        }
    }
}

/// Bytes of a drawing beyond which a page links its picture in pixels: clouds of thousands of points.
const CLOUD: usize = 150_000;

fn figure(out: &mut String, folder: &str, figure: &NamedFigure) {
    let cloud = figure.figure.svg().is_ok_and(|svg| svg.len() > CLOUD);
    let _ = writeln!(
        out,
        "![{}]({folder}/{}.{})\n\n{}\n",
        text(&figure.name),
        figure.name,
        if cloud { "png" } else { "svg" },
        text(&figure.caption)
    );
}

fn table(out: &mut String, table: &Table) {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|c| text(c).replace('|', "\\|")).collect();
        format!("| {} |", cells.join(" | "))
    };
    let _ = writeln!(out, "{}", line(&table.columns));
    let _ = writeln!(
        out,
        "|---{}|",
        "|---".repeat(table.columns.len().saturating_sub(1))
    );
    for row in &table.rows {
        let _ = writeln!(out, "{}", line(row));
    }
    let _ = writeln!(out, "\n{}\n", text(&table.caption));
}

/// Text that Markdown takes as it is: one line, no tags.
fn text(text: &str) -> String {
    text.replace('\n', " ").replace('<', "&lt;")
}
