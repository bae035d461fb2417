// Package stream is what a camera's RTP stream is made of: its description, the
// order of its packets, the access units in them, and when they were captured.
//
// Invariants:
//   - Nothing here has a clock, a goroutine or a socket: times of arrival come
//     from the caller, and the same input gives the same output.
//   - A missing packet delays what follows by no more than [Reorderer.Wait], and
//     is told with the next one.
//   - An access unit is not called whole unless all its packets came; every one
//     of which a packet came is told, and what is missing before it is, too.
//   - Whatever a camera sends, no unit grows beyond [MaxUnit] (and an eighth of
//     it for parameter sets that came before it).
//   - Ages are never negative.
//
// A value of any type here belongs to one goroutine.
package stream
