// Package gate compares two builds of the program on one machine: it lets a worker
// of each run the same frames by turns, and says of each figure whether it became
// better, stayed the same, became worse, or cannot be told.
//
// What is done about a noisy machine:
//
//   - Blocks are a frame or a few, in quadruples base head head base or the
//     reverse, which is drawn: drift hits both alike, and a steady one cancels out.
//     A ratio is of one quadruple.
//   - Each side runs in several processes, one after the other: two of the same
//     build differ, by where their memory lies, so that intervals of times, memory
//     and messages are of processes and not of blocks. Those of allocations, stalls
//     and lost frames, which do not differ so, are of blocks and frames.
//   - Where the kernel tells for how long threads waited for a processor, the part
//     of a ratio that this explains is taken out, by a line through all quadruples.
//   - Lanes are looked for after objects, not beside them, where the configuration
//     leaves it open: else each side would settle it anew by measuring.
//
// Invariants:
//   - Both sides see the same pictures in the same order.
//   - [Judge] is a function of the [Evidence] and the [Thresholds] alone.
//   - What could not be measured is no figure; it is a note, and never "same".
//   - A checkout that was made for a build is gone when Prepare's done was called.
package gate
