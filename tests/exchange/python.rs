//! Python reads what we write: h5py the HDF5 file, NumPy the archive.

use super::support::{ball, exported, python};
use kinostate::exchange::Format;

#[test]
fn h5py_reads_every_array_column_and_attribute() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    exported(&data, Format::Hdf5, dir.path());
    exported(&data, Format::Npz, dir.path());
    let script = "
import h5py, json, numpy as np
with h5py.File('dataset.h5', 'r') as file:
    assert list(file) == ['test', 'train', 'validation'], list(file)
    assert file.attrs['dt'] == 0.2
    origin = json.loads(file.attrs['origin'])
    assert origin['config']['simulator'] and b'state t' in file.attrs['states']
    for split, group in file.items():
        names = ['frames', 'states', 'parameters', 'events', 'event_times', 'energies']
        assert sorted(group) == sorted(names), list(group)
        with np.load(split + '.npz') as archive:
            for name in names:
                a, b = group[name], archive[name]
                assert a.shape == b.shape and a.dtype == b.dtype, (name, a, b.shape)
                assert np.array_equal(a[...], b, equal_nan=b.dtype.kind == 'f'), name
            states = group['states'].attrs
            assert list(states['columns']) == [c.encode() for c in archive['state_columns']]
            assert [u.decode() for u in states['units']] == ['px', 'px', 'px/s', 'px/s'], states['units']
            assert archive['dt'] == 0.2
        assert group['frames'].shape[1:] == (9, 1, 32, 32)
        assert (group['frames'][-1, -1] == np.load('data/%s/shard-%05d/frames.npy' % (
            split, (len(group['frames']) - 1) // 3))[-1, -1]).all()
print('read')
";
    if let Some(output) = python(&["numpy", "h5py"], script, dir.path()) {
        assert_eq!(output.stdout, b"read\n");
    }
}
