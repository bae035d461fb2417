// Package schedule decides what becomes of frames before they cost anything:
// whose frame is next, on which rung of the ladder, and whether it is worth
// beginning at all. It is a state machine without goroutines and without a clock
// of its own: every method is told the time. So a live run and a replay in
// virtual time decide alike, and thousands of seconds are tested in milliseconds.
//
// Invariants:
//   - One frame of each camera waits at most. A newer one replaces it.
//   - What [Scheduler.Next] begins is never dropped later.
//   - Decisions depend on the calls and their arguments alone.
//   - No camera starves: the waiting frames are served by how long their camera
//     has been without an answer, times its weight, and that grows without bound.
//   - In steady state nothing is allocated.
//
// # How a rung is chosen
//
// Each rung was timed at start. What a frame takes now is predicted as that time,
// times the level of load, times the tail: the level is a running median of how
// much longer the latest frames took than their rungs did at start, quick to
// rise; the tail is a high quantile of how far such predictions were exceeded
// lately. (Correcting a forecast by the quantile of its own recent errors is
// conformal prediction: Gibbs and Candès, "Adaptive Conformal Inference Under
// Distribution Shift", 2021, without their adaptation of the quantile's rank.)
//
// Of the rungs that fit into what is left of the frame's deadline, the one of
// the highest value is taken: its accuracy, less what is lost because the world
// moves on until its answer is there and while it is the newest (see [Staleness]).
// Without accuracies it is the first that fits.
//
// Down is at once: for the very frame that would be late, and after any frame
// that was. Up is never with a frame that somebody waits for: a rung that seems
// to fit is first run as a canary on a frame that has been answered already. It
// costs time, so a later frame may be dropped as newer ones come, but none is
// late for it. A rung that fails as a canary, or is left soon after it was
// climbed to, is tried again after a pause that doubles.
//
// A rung whose network fails on three frames in a row is left, too, and tried again
// in the same way: where the largest network is broken the others go on.
package schedule
