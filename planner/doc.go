// Package planner turns what one frame shows into a trajectory: it keeps the ego
// lane's centre, follows the nearest object in the way at a time gap, stops
// before one that stands, and where there is no lane says so and slows to a stop.
//
// # Frames of reference
//
// All is in the vehicle's frame of this one frame (see [msg.Ground]): x forward,
// y left, origin on the road below the camera, heading 0. There is no map and no
// memory of where the vehicle was: each plan starts at (0, 0, 0). Within a plan
// two more coordinates are used: s, the arc length along the planned path, and d,
// the offset to the left of a reference curve (a Frenet frame). Gaps are from the
// front bumper (FrontOverhang before the origin) along the path; times are from
// the frame's capture.
//
// # A plan, step by step
//
//   - centerline.go finds the centre of the ego lane: the mean of two boundaries,
//     or one boundary and half the lane's width along its normal. A boundary that
//     is faint, short, far off, bent like no road or not finite is none; two that
//     are not a lane's width apart are no lane. It never makes one up.
//   - path.go lays the path: from the vehicle to the centre with an offset that is
//     a quintic of s, then along it; beyond what is seen of the lane, its
//     curvature fades to zero. The path starts with the lane's own curvature,
//     for how the wheels stand is not known.
//   - lead.go finds the nearest object in the way (overlapping the swept width of
//     the vehicle and its side margin) and estimates its speed over ground.
//   - ego.go estimates the vehicle's own acceleration.
//   - speed.go drives along the path in steps of constant jerk.
//   - trajectory.go writes the points and says why.
//
// # Invariants
//
// Of every trajectory, whatever the scene:
//
//   - Horizon/Step+1 points; point i is at exactly Horizon*i/n; the first is at
//     the origin with the vehicle's own speed; every number is finite.
//   - Acceleration is linear between points, speed its integral, way the integral
//     of speed; heading is the integral of curvature over the way, position that
//     of heading. Cutting curvature to a limit therefore moves the path, and
//     never makes the numbers disagree.
//   - speed >= 0; -EmergencyDeceleration <= acceleration <= MaxAcceleration;
//     |jerk| <= EmergencyJerk; |curvature| <= MaxCurvature;
//     speed²*|curvature| <= MaxLateralAcceleration.
//   - Where the hardest braking can keep the gap, the gap is kept: the full
//     standstill gap before what is taken to stand, half of it behind what moves. Where it cannot,
//     the plan brakes as hard as the limits allow and Why says what comes of it.
//   - A nearer lead never gives a plan that has gone farther at any time. That is
//     exact for a lead that stands; behind one that moves, the jerk limit can blur
//     it by some centimetres, and property_test.go holds it to 0.2 m.
//   - The same frames in the same order give the same plans, bit for bit on one
//     platform.
//
// ComfortDeceleration and ComfortJerk are kept until the law below asks for more,
// and then give way in proportion to what it asks, up to the emergency limits.
//
// # Laws and their sources
//
//   - Lateral: Werling, Ziegler, Kammel, Thrun, "Optimal Trajectory Generation for
//     Dynamic Street Scenarios in a Frenet Frame", ICRA 2010: the quintic, and the
//     path's curvature from the reference's.
//   - Longitudinal: the improved Intelligent Driver Model, Treiber and Kesting,
//     "Traffic Flow Dynamics", Springer 2013, section 11.3; after Treiber,
//     Hennecke, Helbing, Phys. Rev. E 62, 1805 (2000). Its reaction to a gap that
//     is short but not closing is tempered as by Kesting, Treiber, Helbing, Phil.
//     Trans. R. Soc. A 368, 4585 (2010), for a lead that keeps its speed.
//   - The guard: a step that the law wants is taken only if the hardest braking
//     could still keep the gap after it; else the step is the hardest braking. Both
//     run on the same grid, so braking that sufficed once goes on to suffice. Coming to
//     rest is guarded likewise: deceleration is bounded so that the jerk limit can
//     bring it to zero before the speed is (lowestLanding).
//   - The lead: a Kalman filter with white noise acceleration, Bar-Shalom, Li,
//     Kirubarajan, "Estimation with Applications to Tracking and Navigation", Wiley
//     2001, section 6.2.
//
// # What is remembered
//
// From frame to frame a [Planner] keeps the lead's distance and speed with their
// covariance, and the last plan's speeds. The speed of a lead that was just seen is
// not known: its prior is the vehicle's own speed with a standard deviation as
// great, and plans use one standard deviation below the estimate, so that at
// first sight everything stands. Measurements soon tell. A distance outside of
// the filter's gate is another object: a nearer one (a cut-in) is taken at once, a
// farther one only when the lead has not been seen for LeadMemory; until then the
// lead is reckoned with where it should be.
//
// Own acceleration is what the last plan had for now, corrected by a share of how
// far the measured speed is from that plan. So plans join smoothly for a vehicle that
// obeys them, and one that does not (a recorded drive) is soon planned for as it moves.
//
// Time between frames is the difference of their presentation times, where the
// stream has none of their times of capture, else of their arrivals; never a
// count of frames. Another camera, time or numbers that go back, and a gap of
// more than a second start afresh.
//
// # What it does not do
//
// No lane changes, no oncoming traffic, no traffic lights or signs, no tracking
// of more than the one lead, no prediction beyond a constant speed. Labels are
// not looked at: whatever is in Scene.Objects is an obstacle.
package planner
