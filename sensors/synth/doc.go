// Package synth is a road with traffic that exists only in numbers: a world
// that is stepped, a camera that takes pictures of it, and the exact truth of
// each picture.
//
// Invariants:
//   - Scenario, seed and the sequence of calls decide everything: the same ones
//     give the same bytes, however many cores there are and on any amd64 machine.
//   - Truth is not measured from pictures. Objects, lines and areas are drawn
//     from the same numbers that the truth holds; only what is visible of an
//     object is counted, pixel by pixel, while it is drawn.
//   - A [World] belongs to one goroutine. Step and Render allocate nothing that
//     lasts, and memory does not grow with the distance driven: road, traffic and
//     scenery exist in a window around the vehicle.
//   - The package is pure Go. A picture is painted, not traced: the ground pixel
//     by pixel from road coordinates, everything else as filled polygons from far
//     to near. There is no scene graph, no mesh file and no texture file.
//     Polygons are filled by golang.org/x/image/vector: OpenCV could do it, but
//     its edges differ between versions, and bytes are to be the same.
//
// Frames of reference: the world has x east, y north, z up; the vehicle x
// forward, y left, z up, on the road below the camera; the road has s along its
// reference line and d to the left of it, which is where opposite traffic meets.
package synth
