// Package metric measures how well lane lines and the drivable area are found:
// the TuSimple and CULane benchmarks' rules for lines, intersection over union
// for areas, and readers of both benchmarks' files.
//
// Invariants:
//   - TuSimple's numbers are those of its lane.py, CULane's those of its C++
//     evaluator with a line width of 30, to within rounding.
//   - Whatever a file holds, memory stays within the bounds of the readers, and
//     what they return is finite.
//   - OpenCV is given only canvases of checked size and coordinates of whole
//     pixels that are near them.
package metric

// Point is a point in a picture, pixels: x right, y down.
type Point struct{ X, Y float64 }

// Lane is one lane line, its points in order from one end to the other.
type Lane []Point
