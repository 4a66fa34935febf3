//! Parquet tables, written a group of rows at a time through the crate `parquet`.

use super::super::staged::Staged;
use crate::error::{Error, Result};
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{
    SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter,
};
use parquet::schema::types::{ColumnPath, Type, TypePtr};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The values of a column in a group of rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cells {
    /// A whole number a row.
    Longs(Vec<i64>),
    /// A number a row.
    Floats(Vec<f32>),
    /// A double a row.
    Doubles(Vec<f64>),
    /// Yes or no a row.
    Bools(Vec<bool>),
    /// A text a row.
    Texts(Vec<String>),
    /// Lists of so many numbers, a list a row.
    FloatLists(usize, Vec<f32>),
    /// Lists of doubles, a list a row: numbers where the depth is 1, else lists of one number in so many lists less one.
    DoubleLists(usize, Vec<Vec<f64>>),
    /// A list of one whole number a row.
    LongLists(Vec<i64>),
    /// A list of one text a row.
    TextLists(Vec<String>),
    /// An image file a row: a struct of its bytes and a path, which is its name.
    Pictures(Vec<(Vec<u8>, String)>),
}

/// A column: its name, and its type as that of its (empty) cells.
pub(super) type Column<'a> = (&'a str, &'a Cells);

/// A file that is being written.
pub(super) struct Table {
    path: PathBuf,
    staged: Staged,
    writer: SerializedFileWriter<BufWriter<File>>,
}

impl Table {
    /// Starts a file of these columns; `notes` are keys and values of its footer.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path, columns: &[Column], notes: &[(&str, String)]) -> Result<Self> {
        let staged = Staged::beside(path)?;
        let file = File::create(&staged.path).map_err(Error::io(path))?;
        let wrong = broken(path);
        let fields = columns.iter().map(|(name, cells)| field(name, cells));
        let fields = fields.collect::<std::result::Result<Vec<_>, _>>();
        let schema = fields.and_then(|fields| {
            Type::group_type_builder("schema")
                .with_fields(fields)
                .build()
        });
        let schema: TypePtr = Arc::new(schema.map_err(&wrong)?);
        let notes = notes
            .iter()
            .map(|(key, value)| KeyValue::new((*key).to_string(), value.clone()));
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(notes.collect()));
        for (name, cells) in columns {
            if matches!(cells, Cells::Pictures(_)) {
                // PNG files are packed already, and their bytes have no least and greatest.
                let bytes = || ColumnPath::new(vec![(*name).to_string(), "bytes".into()]);
                properties = properties
                    .set_column_compression(bytes(), Compression::UNCOMPRESSED)
                    .set_column_dictionary_enabled(bytes(), false)
                    .set_column_statistics_enabled(bytes(), EnabledStatistics::None);
            }
        }
        let file = BufWriter::with_capacity(1 << 20, file);
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build()));
        Ok(Self {
            path: path.to_path_buf(),
            staged,
            writer: writer.map_err(&wrong)?,
        })
    }

    /// Appends a group of rows: the cells of every column, in their order.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::File`] where the cells are not those that were promised.
    pub fn rows(&mut self, columns: &[Cells]) -> Result<()> {
        let wrong = broken(&self.path);
        let mut group = self.writer.next_row_group().map_err(&wrong)?;
        for cells in columns {
            write(&mut group, cells).map_err(&wrong)?;
        }
        group.close().map_err(&wrong)?;
        Ok(())
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> usize {
        self.writer.bytes_written()
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(self) -> Result<()> {
        let closed = self.writer.close();
        closed.map_err(broken(&self.path))?;
        self.staged.finish()
    }
}

fn broken(path: &Path) -> impl Fn(ParquetError) -> Error {
    let path = path.to_path_buf();
    move |e| match e {
        ParquetError::External(inner) if inner.is::<std::io::Error>() => {
            match inner.downcast::<std::io::Error>() {
                Ok(io) => Error::io(&path)(*io),
                Err(other) => Error::file(&path, other.to_string()),
            }
        }
        other => Error::file(&path, other.to_string()),
    }
}

type Made<T> = std::result::Result<T, ParquetError>;

/// The type of a column. All may be null, as Arrow writes columns.
fn field(name: &str, cells: &Cells) -> Made<TypePtr> {
    let text = Some(LogicalType::String);
    Ok(match cells {
        Cells::Longs(_) => leaf(name, Physical::INT64, None)?,
        Cells::Floats(_) => leaf(name, Physical::FLOAT, None)?,
        Cells::Doubles(_) => leaf(name, Physical::DOUBLE, None)?,
        Cells::Bools(_) => leaf(name, Physical::BOOLEAN, None)?,
        Cells::Texts(_) => leaf(name, Physical::BYTE_ARRAY, text)?,
        Cells::FloatLists(..) => list(name, leaf("element", Physical::FLOAT, None)?)?,
        Cells::DoubleLists(depth, _) => {
            let mut inner = leaf("element", Physical::DOUBLE, None)?;
            for _ in 1..*depth {
                inner = list("element", inner)?;
            }
            list(name, inner)?
        }
        Cells::LongLists(_) => list(name, leaf("element", Physical::INT64, None)?)?,
        Cells::TextLists(_) => list(name, leaf("element", Physical::BYTE_ARRAY, text)?)?,
        Cells::Pictures(_) => {
            let fields = vec![
                leaf("bytes", Physical::BYTE_ARRAY, None)?,
                leaf("path", Physical::BYTE_ARRAY, text)?,
            ];
            let group = Type::group_type_builder(name).with_repetition(Repetition::OPTIONAL);
            Arc::new(group.with_fields(fields).build()?)
        }
    })
}

fn leaf(name: &str, physical: Physical, logical: Option<LogicalType>) -> Made<TypePtr> {
    let built = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()?;
    Ok(Arc::new(built))
}

/// `optional group <name> (LIST) { repeated group list { <element> } }`.
fn list(name: &str, element: TypePtr) -> Made<TypePtr> {
    let repeated = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![element])
        .build()?;
    let group = Type::group_type_builder(name)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::List))
        .with_converted_type(ConvertedType::LIST)
        .with_fields(vec![Arc::new(repeated)])
        .build()?;
    Ok(Arc::new(group))
}

type Group<'a> = SerializedRowGroupWriter<'a, BufWriter<File>>;

/// Writes the cells of a column: nothing is null, so that definition levels are at their greatest throughout (1 of a
/// value, 2 of a struct's, 3 of a list's, 2 more for every list around it); repetition is 0 at the start of a row.
fn write(group: &mut Group, cells: &Cells) -> Made<()> {
    let bytes = |text: &String| ByteArray::from(text.as_bytes().to_vec());
    match cells {
        Cells::Longs(values) => each(group, |c| plain::<Int64Type>(c, values, 1)),
        Cells::Floats(values) => each(group, |c| plain::<FloatType>(c, values, 1)),
        Cells::Doubles(values) => each(group, |c| plain::<DoubleType>(c, values, 1)),
        Cells::Bools(values) => each(group, |c| plain::<BoolType>(c, values, 1)),
        Cells::Texts(values) => {
            let values: Vec<ByteArray> = values.iter().map(bytes).collect();
            each(group, |c| plain::<ByteArrayType>(c, &values, 1))
        }
        Cells::FloatLists(width, values) => {
            let repeated = starts(std::iter::repeat_n(*width, values.len() / width.max(&1)));
            each(group, |c| lists::<FloatType>(c, values, &repeated, 1))
        }
        Cells::DoubleLists(depth, values) => {
            let repeated = starts(values.iter().map(Vec::len));
            let values = values.concat();
            each(group, |c| {
                lists::<DoubleType>(c, &values, &repeated, *depth)
            })
        }
        Cells::LongLists(values) => {
            let repeated = vec![0; values.len()];
            each(group, |c| lists::<Int64Type>(c, values, &repeated, 1))
        }
        Cells::TextLists(values) => {
            let repeated = vec![0; values.len()];
            let values: Vec<ByteArray> = values.iter().map(bytes).collect();
            each(group, |c| lists::<ByteArrayType>(c, &values, &repeated, 1))
        }
        Cells::Pictures(values) => {
            let contents: Vec<ByteArray> = values
                .iter()
                .map(|(content, _)| ByteArray::from(content.clone()))
                .collect();
            each(group, |c| plain::<ByteArrayType>(c, &contents, 2))?;
            let names: Vec<ByteArray> = values.iter().map(|(_, name)| bytes(name)).collect();
            each(group, |c| plain::<ByteArrayType>(c, &names, 2))
        }
    }
}

/// The next leaf of the schema.
fn each(
    group: &mut Group,
    write: impl FnOnce(&mut SerializedColumnWriter) -> Made<()>,
) -> Made<()> {
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("too many columns".into()))?;
    write(&mut column)?;
    column.close()
}

fn plain<T: parquet::data_type::DataType>(
    column: &mut SerializedColumnWriter,
    values: &[T::T],
    level: i16,
) -> Made<()> {
    let levels = vec![level; values.len()];
    let typed = column.typed::<T>();
    typed.write_batch(values, Some(&levels), None).map(|_| ())
}

fn lists<T: parquet::data_type::DataType>(
    column: &mut SerializedColumnWriter,
    values: &[T::T],
    repeated: &[i16],
    depth: usize,
) -> Made<()> {
    let defined = vec![1 + 2 * depth as i16; values.len()];
    let typed = column.typed::<T>();
    typed
        .write_batch(values, Some(&defined), Some(repeated))
        .map(|_| ())
}

/// Repetition levels of lists of these lengths, none of which is empty.
fn starts(lengths: impl Iterator<Item = usize>) -> Vec<i16> {
    lengths
        .flat_map(|n| (0..n).map(|k| i16::from(k > 0)))
        .collect()
}

impl Cells {
    /// Bytes of the values, about.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Longs(values) | Self::LongLists(values) => 8 * values.len(),
            Self::Doubles(values) => 8 * values.len(),
            Self::Floats(values) | Self::FloatLists(_, values) => 4 * values.len(),
            Self::Bools(values) => values.len(),
            Self::Texts(values) | Self::TextLists(values) => values.iter().map(String::len).sum(),
            Self::DoubleLists(_, values) => values.iter().map(|row| 8 * row.len()).sum(),
            Self::Pictures(values) => values
                .iter()
                .map(|(png, name)| png.len() + name.len())
                .sum(),
        }
    }

    /// Appends the rows of cells of the same type; others are left out.
    pub fn extend(&mut self, more: Self) {
        match (self, more) {
            (Self::Longs(a), Self::Longs(b)) | (Self::LongLists(a), Self::LongLists(b)) => {
                a.extend(b)
            }
            (Self::Doubles(a), Self::Doubles(b)) => a.extend(b),
            (Self::Floats(a), Self::Floats(b))
            | (Self::FloatLists(_, a), Self::FloatLists(_, b)) => {
                a.extend(b);
            }
            (Self::Bools(a), Self::Bools(b)) => a.extend(b),
            (Self::Texts(a), Self::Texts(b)) | (Self::TextLists(a), Self::TextLists(b)) => {
                a.extend(b)
            }
            (Self::DoubleLists(_, a), Self::DoubleLists(_, b)) => a.extend(b),
            (Self::Pictures(a), Self::Pictures(b)) => a.extend(b),
            _ => {}
        }
    }
}
