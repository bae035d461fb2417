package bus

import (
	"math"
	"time"

	"pgregory.net/rapid"

	"dashline/pipeline/msg"
)

// Generators of every value that the stages may publish.

func genName() *rapid.Generator[string] { return rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`) }

func genSlice[T any](g *rapid.Generator[T]) *rapid.Generator[[]T] {
	return rapid.Custom(func(t *rapid.T) []T {
		s := rapid.SliceOfN(g, 0, 12).Draw(t, "slice")
		if len(s) == 0 {
			return nil
		}
		return s
	})
}

func genHeader() *rapid.Generator[msg.Header] {
	return rapid.Custom(func(t *rapid.T) msg.Header {
		h := msg.Header{
			Camera:  genName().Draw(t, "camera"),
			Seq:     rapid.Uint64().Draw(t, "seq"),
			Arrived: genDuration().Draw(t, "arrived"),
			PTS:     genDuration().Draw(t, "pts"),
		}
		h.CaptureClock = genClock().Draw(t, "capture clock")
		if rapid.Bool().Draw(t, "captured") {
			h.CapturedAt = genTime().Draw(t, "captured at")
		}
		return h
	})
}

// genTime is within the years 1 to 9999, of which the first instant means "not
// known".
func genTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		seconds := rapid.Int64Range(-62135596799, 253402300799).Draw(t, "seconds")
		return time.Unix(seconds, rapid.Int64Range(0, 999_999_999).Draw(t, "nanos")).UTC()
	})
}

func genClock() *rapid.Generator[msg.CaptureClock] {
	return rapid.SampledFrom([]msg.CaptureClock{"", msg.SenderClock, msg.ArrivalClock})
}

func genDuration() *rapid.Generator[time.Duration] {
	return rapid.Map(rapid.Int64(), func(n int64) time.Duration { return time.Duration(n) })
}

func genNetwork() *rapid.Generator[msg.Network] {
	return rapid.Custom(func(t *rapid.T) msg.Network {
		return msg.Network{
			Name:      rapid.String().Draw(t, "name"),
			Engine:    rapid.String().Draw(t, "engine"),
			Requested: rapid.String().Draw(t, "requested"),
			Backend:   rapid.String().Draw(t, "backend"),
		}
	})
}

func genPixel() *rapid.Generator[msg.Pixel] {
	return rapid.Custom(func(t *rapid.T) msg.Pixel {
		return msg.Pixel{X: rapid.Float32().Draw(t, "x"), Y: rapid.Float32().Draw(t, "y")}
	})
}

func genBox() *rapid.Generator[msg.Box] {
	return rapid.Custom(func(t *rapid.T) msg.Box {
		f := rapid.Float32()
		return msg.Box{X0: f.Draw(t, "x0"), Y0: f.Draw(t, "y0"), X1: f.Draw(t, "x1"), Y1: f.Draw(t, "y1")}
	})
}

func genTracks() *rapid.Generator[*msg.Tracks] {
	item := rapid.Custom(func(t *rapid.T) msg.Track {
		f := rapid.Float32()
		return msg.Track{
			ID:        rapid.Uint64().Draw(t, "id"),
			Class:     rapid.IntRange(0, math.MaxUint32).Draw(t, "class"),
			Label:     rapid.String().Draw(t, "label"),
			Score:     f.Draw(t, "score"),
			State:     rapid.SampledFrom([]msg.TrackState{"", msg.TrackTentative, msg.TrackConfirmed, msg.TrackCoasting}).Draw(t, "state"),
			Measured:  genBox().Draw(t, "measured"),
			Box:       genBox().Draw(t, "box"),
			Forecast:  genBox().Draw(t, "forecast"),
			VX:        f.Draw(t, "vx"),
			VY:        f.Draw(t, "vy"),
			Sigma:     f.Draw(t, "sigma"),
			Unseen:    genDuration().Draw(t, "unseen"),
			Detection: rapid.IntRange(-1, math.MaxUint32).Draw(t, "detection"),
		}
	})
	return rapid.Custom(func(t *rapid.T) *msg.Tracks {
		return &msg.Tracks{
			Header: genHeader().Draw(t, "header"),
			Width:  rapid.IntRange(0, math.MaxUint32).Draw(t, "width"),
			Height: rapid.IntRange(0, math.MaxUint32).Draw(t, "height"),
			Ahead:  genDuration().Draw(t, "ahead"),
			Only:   rapid.Bool().Draw(t, "only"),
			Items:  genSlice(item).Draw(t, "items"),
		}
	})
}

func genDetections() *rapid.Generator[*msg.Detections] {
	item := rapid.Custom(func(t *rapid.T) msg.Detection {
		return msg.Detection{
			Box:   genBox().Draw(t, "box"),
			Class: rapid.IntRange(0, math.MaxUint32).Draw(t, "class"),
			Label: rapid.String().Draw(t, "label"),
			Score: rapid.Float32().Draw(t, "score"),
		}
	})
	return rapid.Custom(func(t *rapid.T) *msg.Detections {
		return &msg.Detections{
			Header: genHeader().Draw(t, "header"),
			Width:  rapid.IntRange(0, math.MaxUint32).Draw(t, "width"),
			Height: rapid.IntRange(0, math.MaxUint32).Draw(t, "height"),
			By:     genNetwork().Draw(t, "by"),
			Items:  genSlice(item).Draw(t, "items"),
		}
	})
}

func genLanes() *rapid.Generator[*msg.LaneSet] {
	lane := rapid.Custom(func(t *rapid.T) msg.Lane {
		f := rapid.Float64()
		return msg.Lane{
			Points: genSlice(genPixel()).Draw(t, "points"),
			Curve: msg.Cubic{
				C:  [4]float64{f.Draw(t, "c0"), f.Draw(t, "c1"), f.Draw(t, "c2"), f.Draw(t, "c3")},
				X0: f.Draw(t, "x0"), X1: f.Draw(t, "x1"),
			},
			Confidence: rapid.Float32().Draw(t, "confidence"),
		}
	})
	return rapid.Custom(func(t *rapid.T) *msg.LaneSet {
		lanes := genSlice(lane).Draw(t, "lanes")
		return &msg.LaneSet{
			Header:             genHeader().Draw(t, "header"),
			Width:              rapid.IntRange(0, math.MaxUint32).Draw(t, "width"),
			Height:             rapid.IntRange(0, math.MaxUint32).Draw(t, "height"),
			By:                 genNetwork().Draw(t, "by"),
			Lanes:              lanes,
			EgoLeft:            rapid.IntRange(-1, len(lanes)-1).Draw(t, "left"),
			EgoRight:           rapid.IntRange(-1, len(lanes)-1).Draw(t, "right"),
			Drivable:           genSlice(genPixel()).Draw(t, "drivable"),
			DrivableConfidence: rapid.Float32().Draw(t, "drivable confidence"),
		}
	})
}

func genPlan() *rapid.Generator[*msg.Trajectory] {
	point := rapid.Custom(func(t *rapid.T) msg.TrajectoryPoint {
		f := rapid.Float64()
		return msg.TrajectoryPoint{
			T:        f.Draw(t, "t"),
			Position: msg.Ground{X: f.Draw(t, "x"), Y: f.Draw(t, "y")},
			Heading:  f.Draw(t, "heading"), Speed: f.Draw(t, "speed"),
			Acceleration: f.Draw(t, "acceleration"), Curvature: f.Draw(t, "curvature"),
		}
	})
	return rapid.Custom(func(t *rapid.T) *msg.Trajectory {
		return &msg.Trajectory{
			Header:       genHeader().Draw(t, "header"),
			Mode:         rapid.SampledFrom([]msg.PlanMode{"", msg.PlanKeepLane, msg.PlanFollow, msg.PlanStop, msg.PlanNoLanes}).Draw(t, "mode"),
			Why:          rapid.String().Draw(t, "why"),
			LeadObject:   rapid.IntRange(-1, 1000).Draw(t, "lead"),
			LeadDistance: rapid.Float64().Draw(t, "distance"),
			LeadSpeed:    rapid.Float64().Draw(t, "speed"),
			Points:       genSlice(point).Draw(t, "points"),
		}
	})
}

func genFrame() *rapid.Generator[*msg.FrameReport] {
	stage := rapid.Custom(func(t *rapid.T) msg.StageTime {
		return msg.StageTime{Stage: rapid.String().Draw(t, "stage"), Took: genDuration().Draw(t, "took")}
	})
	return rapid.Custom(func(t *rapid.T) *msg.FrameReport {
		return &msg.FrameReport{
			Header:   genHeader().Draw(t, "header"),
			Outcome:  rapid.SampledFrom([]msg.Outcome{"", msg.OnTime, msg.Late, msg.Dropped, msg.Failed}).Draw(t, "outcome"),
			Stage:    rapid.String().Draw(t, "stage"),
			Reason:   rapid.String().Draw(t, "reason"),
			Detail:   rapid.String().Draw(t, "detail"),
			Age:      genDuration().Draw(t, "age"),
			Deadline: genDuration().Draw(t, "deadline"),
			Stages:   genSlice(stage).Draw(t, "stages"),
			Networks: genSlice(genNetwork()).Draw(t, "networks"),

			Rung:      rapid.String().Draw(t, "rung"),
			Predicted: genDuration().Draw(t, "predicted"),
			Canary:    rapid.String().Draw(t, "canary"),
			Lag:       genDuration().Draw(t, "lag"),
		}
	})
}

func genCamera() *rapid.Generator[*msg.CameraState] {
	return rapid.Custom(func(t *rapid.T) *msg.CameraState {
		c := &msg.CameraState{
			Camera:      genName().Draw(t, "camera"),
			Status:      rapid.SampledFrom([]msg.CameraStatus{"", msg.CameraConnecting, msg.CameraStreaming, msg.CameraStalled, msg.CameraFailed}).Draw(t, "status"),
			Detail:      rapid.String().Draw(t, "detail"),
			Transport:   rapid.String().Draw(t, "transport"),
			Codec:       rapid.String().Draw(t, "codec"),
			Sessions:    rapid.Uint64().Draw(t, "sessions"),
			Packets:     rapid.Uint64().Draw(t, "packets"),
			Lost:        rapid.Uint64().Draw(t, "lost"),
			Clock:       genClock().Draw(t, "clock"),
			ClockOffset: genDuration().Draw(t, "offset"),
			ClockDrift:  rapid.Float64().Draw(t, "drift"),
			ClockSteps:  rapid.Uint64().Draw(t, "steps"),
		}
		if rapid.Bool().Draw(t, "dated") {
			c.At = genTime().Draw(t, "at")
		}
		return c
	})
}

// genAny generates a value of any kind.
func genAny() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Map(genDetections(), func(v *msg.Detections) any { return v }),
		rapid.Map(genTracks(), func(v *msg.Tracks) any { return v }),
		rapid.Map(genLanes(), func(v *msg.LaneSet) any { return v }),
		rapid.Map(genPlan(), func(v *msg.Trajectory) any { return v }),
		rapid.Map(genFrame(), func(v *msg.FrameReport) any { return v }),
		rapid.Map(genCamera(), func(v *msg.CameraState) any { return v }),
	)
}
