// Package track follows objects from frame to frame: it gives each an identity,
// smooths its box, and says where it is expected at a later time.
//
// A box is a Kalman filter of eight states: centre, logarithms of width and
// height, and the rate of each, which is constant but for white-noise
// acceleration. The noises are diagonal, so the filter is exactly four filters
// of two states, and their closed forms are used: no matrix is inverted and
// nothing is allocated. A test compares them with the eight-state filter in
// gonum/mat. Sizes are logarithms because an object that comes nearer grows by a
// constant ratio a second rather than by constant pixels, because the noise of
// a detector's sizes is relative, and because a forecast can then not turn a box
// inside out; their rate is the reciprocal of the time to collision.
//
// Detections are given to tracks in three stages, each by an optimal assignment:
// good scores to confirmed tracks, then poor scores to those left over (Zhang et
// al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box",
// ECCV 2022), then good scores that are left to tentative tracks. The second
// stage is what carries a track through an occlusion. It needs detections down
// to [Options].Low, so a detector whose own threshold is High, such as 0.3, gives
// it nothing to do: let the detector run at Low and publish what is above High.
// The cost of a pair is 1 - IoU with the predicted box, and more where the class
// differs.
//
// What holds:
//   - Times count, not frames: a track is born, confirmed and lost by time, and
//     its noises grow with it, so frames may be irregular or missing.
//   - A track is what its detections made of it. How often it was predicted in
//     between, by [Tracker.Coast] or [Tracker.Append], changes nothing of it.
//   - The same calls give the same tracks, and so does any order of a frame's
//     detections, but for equal ones.
//   - Identities begin at 1, rise, and are never used again.
//   - Boxes that are no numbers, are thinner than a pixel or lie outside of the
//     frame are passed over. At most [Options].Limit detections of a frame are
//     looked at and as many tracks are followed, so the time that a frame takes
//     is bounded whatever comes.
//   - A time that goes back by no more than [Options].Lost counts as no time
//     passed. One that goes back further, and another size of the frame, begin
//     anew.
//   - In steady state nothing is allocated.
package track
