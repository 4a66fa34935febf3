//! Parquet tables, read row by row through the crate `parquet`. Values keep their number: all are doubles or bytes here.

use crate::error::{Error, Result};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArrayType, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The value of a column in a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// A number or a list of them; one that is null is NaN.
    Numbers(Vec<f64>),
    /// Text, or the bytes of an image file.
    Bytes(Vec<u8>),
    /// Null.
    Nothing,
}

impl Cell {
    /// Its only number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Numbers(values) => match values[..] {
                [one] => Some(one),
                _ => None,
            },
            _ => None,
        }
    }
}

/// An open file, of which some columns are read.
pub(super) struct Rows {
    pub path: PathBuf,
    reader: SerializedFileReader<File>,
    /// Names as they were asked for, and the leaves of the schema.
    columns: Vec<(String, usize)>,
    /// The row group that is read, its readers, and its rows that are left.
    group: usize,
    readers: Vec<Leaf>,
    left: i64,
}

impl Rows {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] for what is no Parquet file, or a column that is not in it.
    pub fn open(path: &Path, columns: &[&str]) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let reader = SerializedFileReader::new(file)
            .map_err(|e| Error::file(path, format!("expected a Parquet file: {}", words(&e))))?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let mut found = Vec::new();
        for &name in columns {
            let leaf = (0..schema.num_columns()).find(|&k| {
                let column = schema.column(k);
                let parts = column.path().parts();
                // Of the struct of an image, its bytes; of a list, its elements.
                parts.first().is_some_and(|first| first == name)
                    && parts.get(1).is_none_or(|part| part != "path")
            });
            let Some(leaf) = leaf else {
                let there = schema.root_schema().get_fields();
                let there: Vec<_> = there.iter().map(|field| field.name()).collect();
                let message = format!("expected a column {name}, got {}", there.join(", "));
                return Err(Error::file(path, message));
            };
            found.push((name.to_string(), leaf));
        }
        Ok(Self {
            path: path.to_path_buf(),
            reader,
            columns: found,
            group: 0,
            readers: Vec::new(),
            left: 0,
        })
    }

    /// The next row: a cell for every column that was asked for.
    ///
    /// # Errors
    /// [`Error::File`] for what is damaged or packed in a way that is not read.
    pub fn next(&mut self) -> Result<Option<Vec<Cell>>> {
        while self.left == 0 {
            if self.group == self.reader.num_row_groups() {
                return Ok(None);
            }
            let broken = |e: ParquetError| Error::file(&self.path, words(&e));
            let group = self.reader.get_row_group(self.group).map_err(broken)?;
            self.readers = self
                .columns
                .iter()
                .map(|(_, leaf)| group.get_column_reader(*leaf).map(Leaf::of))
                .collect::<std::result::Result<_, _>>()
                .map_err(broken)?;
            self.left = group.metadata().num_rows();
            self.group += 1;
        }
        self.left -= 1;
        let mut row = Vec::new();
        for ((name, _), leaf) in self.columns.iter().zip(&mut self.readers) {
            let cell = leaf.next();
            row.push(cell.map_err(|e| {
                let message = format!("column {name}, row group {}: {}", self.group - 1, words(&e));
                Error::file(&self.path, message)
            })?);
        }
        Ok(Some(row))
    }
}

/// What the crate says, with the way out where there is one.
fn words(error: &ParquetError) -> String {
    let text = error.to_string();
    let packed = ["ZSTD", "BROTLI", "LZ4", "LZO"]
        .iter()
        .find(|codec| text.to_ascii_uppercase().contains(*codec));
    match packed {
        Some(codec) => format!(
            "packed with {codec}, which is not read here; \
                pyarrow.parquet.write_table(pyarrow.parquet.read_table(FILE), FILE, compression='snappy') packs it anew"
        ),
        None => text,
    }
}

/// The reader of a leaf.
enum Leaf {
    Numbers(Box<dyn Numbers>),
    Bytes(Box<ColumnReaderImpl<ByteArrayType>>),
    Other(&'static str),
}

impl Leaf {
    fn of(reader: ColumnReader) -> Self {
        use parquet::data_type::{BoolType, DoubleType, FloatType, Int32Type, Int64Type};
        fn numbers<T: DataType + 'static>(reader: ColumnReader, number: fn(&T::T) -> f64) -> Leaf {
            Leaf::Numbers(Box::new(Typed::<T> {
                reader: get_typed_column_reader::<T>(reader),
                number,
                values: Vec::new(),
                defined: Vec::new(),
                repeated: Vec::new(),
            }))
        }
        match reader {
            ColumnReader::BoolColumnReader(_) => {
                numbers::<BoolType>(reader, |&v| f64::from(u8::from(v)))
            }
            ColumnReader::Int32ColumnReader(_) => numbers::<Int32Type>(reader, |&v| f64::from(v)),
            ColumnReader::Int64ColumnReader(_) => numbers::<Int64Type>(reader, |&v| v as f64),
            ColumnReader::FloatColumnReader(_) => numbers::<FloatType>(reader, |&v| f64::from(v)),
            ColumnReader::DoubleColumnReader(_) => numbers::<DoubleType>(reader, |&v| v),
            ColumnReader::ByteArrayColumnReader(reader) => Self::Bytes(Box::new(reader)),
            ColumnReader::Int96ColumnReader(_) => Self::Other("INT96"),
            ColumnReader::FixedLenByteArrayColumnReader(_) => Self::Other("fixed-length bytes"),
        }
    }

    fn next(&mut self) -> std::result::Result<Cell, ParquetError> {
        match self {
            Self::Numbers(numbers) => numbers.next(),
            Self::Bytes(reader) => {
                let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
                let read =
                    reader.read_records(1, Some(&mut defined), Some(&mut repeated), &mut values)?;
                if read.0 != 1 {
                    return Err(ended());
                }
                // Of a list of texts, the first.
                Ok(match values.into_iter().next() {
                    Some(value) => Cell::Bytes(value.data().to_vec()),
                    None => Cell::Nothing,
                })
            }
            Self::Other(kind) => Err(ParquetError::General(format!(
                "expected numbers, text or image files, got {kind}"
            ))),
        }
    }
}

fn ended() -> ParquetError {
    ParquetError::EOF("expected another row, got the end of the column".into())
}

/// A column of numbers of any type.
trait Numbers {
    fn next(&mut self) -> std::result::Result<Cell, ParquetError>;
}

struct Typed<T: DataType> {
    reader: ColumnReaderImpl<T>,
    number: fn(&T::T) -> f64,
    values: Vec<T::T>,
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

impl<T: DataType> Numbers for Typed<T> {
    fn next(&mut self) -> std::result::Result<Cell, ParquetError> {
        self.values.clear();
        self.defined.clear();
        self.repeated.clear();
        let (rows, _, levels) = self.reader.read_records(
            1,
            Some(&mut self.defined),
            Some(&mut self.repeated),
            &mut self.values,
        )?;
        if rows != 1 {
            return Err(ended());
        }
        let mut values = self.values.iter().map(self.number);
        if self.values.len() == levels || self.defined.is_empty() {
            return Ok(Cell::Numbers(values.collect()));
        }
        // Some are null: those defined less far than the others.
        let most = self.defined.iter().copied().max().unwrap_or(0);
        if self.values.is_empty() {
            return Ok(Cell::Nothing);
        }
        let cells = self.defined.iter().map(|&level| match level == most {
            true => values.next().unwrap_or(f64::NAN),
            false => f64::NAN,
        });
        Ok(Cell::Numbers(cells.collect()))
    }
}
