package onnx

import "google.golang.org/protobuf/encoding/protowire"

// bits are the widths of an element by TensorProto.DataType; 0 has none that
// is fixed (string) or is not known.
var bits = [...]int64{
	1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 8: 0, 9: 8, 10: 16, 11: 64,
	12: 32, 13: 64, 14: 64, 15: 128, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4,
}

const stringType = 8

// tensor reads a TensorProto, holds its data against its shape and returns its
// name and data type.
func tensor(m message) (string, int64, error) {
	var (
		name     string
		kind     int64
		rank     int
		elements = int64(1)
		raw      = int64(-1) // bytes of raw_data
		typed    int64       // values in the typed lists
	)
	err := m.each(func(f field) (err error) {
		switch f.num {
		case 1: // dims
			return m.integers(f, func(d int64) error {
				if rank++; rank > maxRank {
					return m.wrong("has more than %d dimensions", maxRank)
				}
				if d < 0 || d > 0 && elements > maxElements/d {
					return m.wrong("dimension %d is impossible: at most %d elements", d, int64(maxElements))
				}
				elements *= d
				return nil
			})
		case 2:
			kind = int64(f.number)
			return m.expect(f, protowire.VarintType)
		case 3:
			return m.wrong("is split into segments, which is not supported")
		case 4: // float_data
			return m.fixed(f, protowire.Fixed32Type, 4, &typed)
		case 10: // double_data
			return m.fixed(f, protowire.Fixed64Type, 8, &typed)
		case 5, 7, 11: // int32_data, int64_data, uint64_data
			return m.integers(f, func(int64) error { typed++; return nil })
		case 6: // string_data
			typed++
			return m.expect(f, protowire.BytesType)
		case 8:
			name, err = m.text(f)
			return err
		case 9:
			raw = int64(len(f.bytes))
			return m.expect(f, protowire.BytesType)
		case 13:
			return m.wrong("keeps its data in another file: save the model as one file")
		case 14:
			if f.number != 0 {
				return m.wrong("keeps its data in another file: save the model as one file")
			}
		}
		return nil
	})
	if err != nil {
		return name, kind, err
	}
	if name != "" {
		m.where += " (" + clip(name) + ")"
	}
	if kind < 1 || kind >= int64(len(bits)) {
		return name, kind, m.wrong("has the unknown data type %d", kind)
	}
	if kind == stringType {
		if raw >= 0 || typed != elements {
			return name, kind, m.wrong("holds %d strings, its shape calls for %d", typed, elements)
		}
		return name, kind, nil
	}
	if raw >= 0 {
		if want := (elements*bits[kind] + 7) / 8; raw != want {
			return name, kind, m.wrong("holds %d bytes, its shape calls for %d", raw, want)
		}
		return name, kind, nil
	}
	want := elements
	switch kind {
	case 14, 15: // complex: two values an element
		want *= 2
	case 21, 22: // two elements a value
		want = (want + 1) / 2
	}
	if typed != want {
		return name, kind, m.wrong("holds %d values, its shape calls for %d", typed, want)
	}
	return name, kind, nil
}

// fixed counts the values of a repeated fixed-width field, packed or not.
func (m message) fixed(f field, wire protowire.Type, width int, count *int64) error {
	if f.wire == wire {
		*count++
		return nil
	}
	if err := m.expect(f, protowire.BytesType); err != nil {
		return err
	}
	if len(f.bytes)%width != 0 {
		return m.wrong("field %d holds %d bytes, which are no whole number of values", f.num, len(f.bytes))
	}
	*count += int64(len(f.bytes) / width)
	return nil
}
