//! What moves on the page: film players and latent explorers, as JSON that the page's own script turns into controls.

use crate::error::{Error, Result};
use crate::figures::{Figure, Filmstrip, Traversal};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

/// The page's only script.
pub(super) const SCRIPT: &str = concat!(
    include_str!("page.js"),
    include_str!("belief.js"),
    include_str!("live.js"),
    include_str!("start.js")
);

/// What marks an explorer in the page.
pub(super) const EXPLORER: &str = "data-widget=\"explorer\"";

/// What the page may load: nothing from anywhere, and no script but its own; where it is live, the module that it holds.
pub(super) fn policy(live: bool) -> String {
    let hash = STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; script-src 'sha256-{hash}'{}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
         form-action 'none'",
        if live { " 'wasm-unsafe-eval'" } else { "" }
    )
}

/// The interactive form of a figure, where it has one; hidden until the script has built it.
pub(super) fn widget(figure: &Figure) -> Result<Option<String>> {
    match figure {
        Figure::Filmstrip(film) if film.frames()? > 1 => {
            element("film", "player", &film_data(film)?).map(Some)
        }
        Figure::Traversal(traversal) => {
            element("explorer", "explorer", &explorer_data(traversal)).map(Some)
        }
        _ => Ok(None),
    }
}

fn film_data(film: &Filmstrip) -> Result<serde_json::Value> {
    let labels: Vec<&str> = film.rows.iter().map(|row| row.label.as_str()).collect();
    Ok(json!({
        "width": film.width,
        "height": film.height,
        "count": film.frames()?,
        "labels": labels,
        "start": film.prediction_start,
        "dt": film.dt,
        "sprite": format!("data:image/png;base64,{}", STANDARD.encode(film.sprite()?)),
    }))
}

fn explorer_data(traversal: &Traversal) -> serde_json::Value {
    json!({
        "channels": traversal.channels,
        "height": traversal.height,
        "width": traversal.width,
        "explorer": traversal.explorer,
    })
}

pub(super) fn element(kind: &str, class: &str, data: &impl Serialize) -> Result<String> {
    let json = serde_json::to_string(data).map_err(|e| Error::Shape(format!("{kind}: {e}")))?;
    // No text of the data can end the element.
    let json = json.replace('<', "\\u003c");
    Ok(format!(
        "<div class=\"{class}\" data-widget=\"{kind}\" hidden><script type=\"application/json\">{json}</script></div>\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn films_and_traversals_get_a_widget_and_nothing_in_their_data_ends_it() {
        for (kind, figure) in Figure::examples() {
            let widget = widget(&figure).unwrap();
            let moves = ["filmstrip", "traversal"].contains(&kind);
            assert_eq!(widget.is_some(), moves, "{kind}");
        }
        let mut film = Figure::examples()
            .into_iter()
            .find_map(|(_, figure)| match figure {
                Figure::Filmstrip(film) => Some(film),
                _ => None,
            })
            .unwrap();
        film.rows[0].label = "</script><script>alert(1)</script>".into();
        let html = widget(&film.into()).unwrap().unwrap();
        assert_eq!(html.matches("</script>").count(), 1, "{html}");
    }
}
