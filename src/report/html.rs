//! The report as one self-contained HTML page: styles, figures and its one script inline, no network.

use super::live::Live;
use super::page::{AnalysisPart, Look, Page};
use super::widgets;
use crate::analysis::{NamedFigure, Table};
use crate::error::Result;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

// Writing to a String never fails, so results of write! are not looked at in this file.

pub(super) fn write(page: &Page, live: Option<&Live>) -> Result<String> {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{2}\">\n\
         <title>{0} – kinostate</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<p class=\"name\">{0}</p>\n<h1>{1}</h1>\n",
        text(&page.name),
        text(&page.question),
        widgets::policy(live.is_some_and(Live::runs))
    );
    headlines(&mut out, page)?;
    contents(&mut out, page);
    out.push_str("</header>\n");
    main_table(&mut out, page);
    if let Some(part) = &page.ablation {
        out.push_str("<section id=\"together\">\n<h2>All models together</h2>\n");
        analysis(&mut out, part)?;
        out.push_str("</section>\n");
    }
    for (i, model) in page.models.iter().enumerate() {
        let _ = writeln!(
            out,
            "<section id=\"model-{i}\">\n<h2>{} <small>{}</small></h2>",
            text(&model.name),
            text(&model.about)
        );
        if let Some(live) = live
            && let Some(part) = live.part(&model.name)?
        {
            out.push_str(&part);
        }
        for part in &model.analyses {
            analysis(&mut out, part)?;
        }
        out.push_str("</section>\n");
    }
    if let Some(part) = &page.baselines {
        out.push_str("<section id=\"baselines\">\n<h2>Trivial baselines</h2>\n");
        analysis(&mut out, part)?;
        out.push_str("</section>\n");
    }
    end(&mut out, page);
    if let Some(live) = live.filter(|live| live.runs()) {
        out.push_str(&live.element()?);
    }
    let _ = writeln!(out, "</main>\n<script>{}</script>", widgets::SCRIPT);
    // The first explorer is where the link at the top leads.
    let mut out = out.replacen(
        widgets::EXPLORER,
        &format!("id=\"explorer\" {}", widgets::EXPLORER),
        1,
    );
    out.push_str("</body>\n</html>\n");
    Ok(out)
}

/// The answer: one card a model.
fn headlines(out: &mut String, page: &Page) -> Result<()> {
    out.push_str("<div class=\"cards\">\n");
    for headline in &page.headlines {
        let _ = writeln!(
            out,
            "<article class=\"card\">\n<h2>{} <small>{}</small></h2>\n<dl class=\"main\">",
            text(&headline.model),
            text(&headline.about)
        );
        for number in &headline.numbers {
            let reference = number.reference.as_ref();
            let reference = reference
                .map(|of| format!("<dd class=\"reference\">{}</dd>", text(of)))
                .unwrap_or_default();
            let _ = writeln!(
                out,
                "<div class=\"{}\"><dt>{}</dt><dd>{}</dd>{reference}</div>",
                class(number.look),
                text(&number.name),
                spread(&number.value)
            );
        }
        out.push_str("</dl>\n");
        let (verdict, others) = headline.answers.split_at(headline.answers.len().min(1));
        for answer in verdict {
            let _ = writeln!(out, "<p class=\"answer\">{}</p>", text(answer));
        }
        if let Some(telling) = page.telling_of(Some(&headline.model)) {
            figure(out, &telling.figure)?;
        }
        if !others.is_empty() {
            out.push_str("<ul>\n");
            for answer in others {
                let _ = writeln!(out, "<li>{}</li>", text(answer));
            }
            out.push_str("</ul>\n");
        }
        out.push_str("</article>\n");
    }
    out.push_str("</div>\n");
    // On a wide screen it stands above the cards; on a narrow one numbers come first.
    if let Some(telling) = page.telling_of(None) {
        figure(out, &telling.figure)?;
    }
    Ok(())
}

fn contents(out: &mut String, page: &Page) {
    out.push_str("<nav><a href=\"#state\">State</a>");
    if page.ablation.is_some() {
        out.push_str(" <a href=\"#together\">All models</a>");
    }
    for (i, model) in page.models.iter().enumerate() {
        let _ = write!(out, " <a href=\"#model-{i}\">{}</a>", text(&model.name));
    }
    let walks = |part: &AnalysisPart| part.name == "traversal" && !part.figures.is_empty();
    if page
        .models
        .iter()
        .any(|model| model.analyses.iter().any(walks))
    {
        out.push_str(" <a href=\"#explorer\">Latent explorer</a>");
    }
    if page.baselines.is_some() {
        out.push_str(" <a href=\"#baselines\">Baselines</a>");
    }
    out.push_str(
        " <a href=\"#formulas\">Formulas</a> <a href=\"#numbers\">Every number</a> <a href=\"#again\">Make it again</a></nav>\n",
    );
}

fn main_table(out: &mut String, page: &Page) {
    let main = &page.main;
    out.push_str("<section id=\"state\">\n<h2>How much of the state do the latents hold?</h2>\n<div class=\"wide\"><table class=\"main\">\n<thead><tr>");
    for column in &main.columns {
        let _ = write!(out, "<th scope=\"col\">{}</th>", text(column));
    }
    out.push_str("</tr></thead>\n");
    for (group, rows) in &main.groups {
        let _ = writeln!(
            out,
            "<tbody>\n<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"{}\">{}</th></tr>",
            main.columns.len(),
            text(group)
        );
        for row in rows {
            let _ = write!(
                out,
                "<tr class=\"{}\"><th scope=\"row\">{}</th>",
                class(row.look),
                text(&row.name)
            );
            for cell in &row.cells {
                let _ = write!(out, "<td>{}</td>", spread(cell));
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n");
    }
    let _ = writeln!(
        out,
        "</table></div>\n<p class=\"note\">{}</p>\n</section>",
        text(&main.note)
    );
}

fn analysis(out: &mut String, part: &AnalysisPart) -> Result<()> {
    let _ = writeln!(
        out,
        "<section class=\"analysis\">\n<h3>{} <small>{}</small></h3>",
        text(&part.question),
        text(&part.name)
    );
    match part.answers.as_slice() {
        [one] => {
            let _ = writeln!(out, "<p class=\"answer\">{}</p>", text(one));
        }
        several => {
            out.push_str("<ul class=\"answer\">\n");
            for answer in several {
                let _ = writeln!(out, "<li>{}</li>", text(answer));
            }
            out.push_str("</ul>\n");
        }
    }
    if let Some(note) = &part.note {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", text(note));
    }
    for shown in &part.figures {
        figure(out, shown)?;
    }
    for shown in &part.tables {
        table(out, shown);
    }
    out.push_str("</section>\n");
    Ok(())
}

fn figure(out: &mut String, figure: &NamedFigure) -> Result<()> {
    let question = figure
        .caption
        .split_inclusive(['?', '.'])
        .next()
        .unwrap_or_default();
    let _ = writeln!(
        out,
        "<figure>\n{}<div class=\"figure\" role=\"img\" aria-label=\"{}\">{}</div>\n<figcaption>{}</figcaption>\n</figure>",
        widgets::widget(&figure.figure)?.unwrap_or_default(),
        text(question),
        figure.figure.svg()?.trim_end(),
        text(&figure.caption)
    );
    Ok(())
}

fn end(out: &mut String, page: &Page) {
    out.push_str(
        "<section id=\"formulas\">\n<h2>What the numbers mean</h2>\n<dl class=\"formulas\">\n",
    );
    for definition in &page.definitions {
        let _ = writeln!(
            out,
            "<dt>{}</dt><dd><code>{}</code><br>{}</dd>",
            text(&definition.name),
            text(&definition.formula),
            text(&definition.meaning)
        );
    }
    out.push_str("</dl>\n</section>\n<section id=\"numbers\">\n<h2>Every number</h2>\n<details>\n");
    let _ = writeln!(
        out,
        "<summary>{} numbers</summary>",
        page.numbers.rows.len()
    );
    table(out, &page.numbers);
    let _ = writeln!(
        out,
        "</details>\n</section>\n<section id=\"again\">\n<h2>Make it again</h2>\n<pre>{}</pre>\n<p>The same command gives the same bytes, on any number of threads.</p>\n<p class=\"note\">",
        text(&page.command)
    );
    let versions: Vec<String> = page
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let _ = writeln!(
        out,
        "{}</p>\n<details>\n<summary>The experiment with all defaults</summary>\n<pre>{}</pre>\n</details>\n</section>",
        text(&versions.join(" · ")),
        text(page.config.trim_end())
    );
}

fn table(out: &mut String, table: &Table) {
    out.push_str("<div class=\"wide\"><table>\n");
    let _ = writeln!(
        out,
        "<caption>{}</caption>\n<thead><tr>",
        text(&table.caption)
    );
    for column in &table.columns {
        let _ = write!(out, "<th scope=\"col\">{}</th>", text(column));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (i, cell) in row.iter().enumerate() {
            let tag = if i == 0 { "th scope=\"row\"" } else { "td" };
            let _ = write!(out, "<{tag}>{}</{}>", text(cell), &tag[..2]);
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
}

/// "0.917 ± 0.012" or "0.917 (0.903 to 0.930)": what is behind the number stands smaller, an interval under it.
fn spread(value: &str) -> String {
    let (number, behind) = value.split_once(' ').unwrap_or((value, ""));
    match behind {
        "" => text(number),
        behind if behind.starts_with('(') => format!(
            "{}<small class=\"under\">{}</small>",
            text(number),
            text(behind)
        ),
        behind => format!("{}<small> {}</small>", text(number), text(behind)),
    }
}

fn class(look: Look) -> &'static str {
    match look {
        Look::Encoder => "encoder",
        Look::Filtered => "filtered",
        Look::Smoothed => "smoothed",
        Look::Control => "control",
        Look::Baseline => "baseline",
        Look::Plain => "plain",
    }
}

/// Text between tags or in an attribute's double quotes.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
