package onnx

import "testing"

func TestPicture(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   []Value
		ok   bool
	}{
		{"fixed", []Value{{Name: "x", Type: 1, Dims: []int64{1, 3, 20, 30}}}, true},
		{"open", []Value{{Name: "x", Type: 1, Dims: []int64{-1, 3, -1, -1}}}, true},
		{"unstated", []Value{{Name: "x", Type: 1}}, true},
		{"turned", []Value{{Name: "x", Type: 1, Dims: []int64{1, 3, 30, 20}}}, false},
		{"channels last", []Value{{Name: "x", Type: 1, Dims: []int64{1, 20, 30, 3}}}, false},
		{"rank", []Value{{Name: "x", Type: 1, Dims: []int64{3, 20, 30}}}, false},
		{"bytes", []Value{{Name: "x", Type: 2, Dims: []int64{1, 3, 20, 30}}}, false},
		{"batch", []Value{{Name: "x", Type: 1, Dims: []int64{8, 3, 20, 30}}}, false},
		{"two", []Value{{Name: "x", Type: 1}, {Name: "y", Type: 1}}, false},
		{"none", nil, false},
	} {
		m := Model{Inputs: tc.in}
		if _, err := m.Picture(30, 20); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
