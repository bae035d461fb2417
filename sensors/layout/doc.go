// Package layout knows how others lay out recordings as folders of pictures: in
// which order, taken at which times, by which camera.
//
// Invariants:
//   - Nothing is opened here: readers are handed in, and treated as hostile. What
//     is kept is bounded by the number of pictures.
//   - What cannot be understood is an error that names the line; nothing is
//     guessed and nothing is left out.
package layout
