//! Draws one example of every kind of figure: `cargo run --example figures -- OUT_DIR`.

use kinostate::figures::{Figure, clip_gif, contact_sheet};
use kinostate::{Error, Result};
use std::path::Path;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1);
    let folder = folder
        .ok_or_else(|| Error::Experiment("figures: want a folder to write to".to_string()))?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let write = |name: String, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(Error::io(&path))
    };
    for (name, figure) in Figure::examples() {
        write(format!("{name}.svg"), figure.svg()?.as_bytes())?;
        write(format!("{name}.png"), &figure.png()?)?;
        if let Some(gif) = figure.gif()? {
            write(format!("{name}.gif"), &gif)?;
        }
        if let Figure::Filmstrip(film) = &figure {
            let frames = &film.rows[0].frames;
            let size = film.channels * film.height * film.width;
            let shape = [frames.len() / size, film.channels, film.height, film.width];
            write(
                "contact_sheet.png".to_string(),
                &contact_sheet(frames, shape, 10, 2)?,
            )?;
            write(
                "clip.gif".to_string(),
                &clip_gif(frames, shape, 4, film.dt)?,
            )?;
        }
    }
    Ok(())
}
