package bus

import (
	pb "dashline/pipeline/bus/dashlinev1"
	"dashline/pipeline/msg"
)

// words pairs a stage's words with the numbers of a Protobuf enum. The number
// is the word's index; the empty word is the enum's UNSPECIFIED.
type words[W ~string, E ~int32] []W

var planModes = words[msg.PlanMode, pb.PlanMode]{
	pb.PlanMode_PLAN_MODE_UNSPECIFIED: "",
	pb.PlanMode_PLAN_MODE_KEEP_LANE:   msg.PlanKeepLane,
	pb.PlanMode_PLAN_MODE_FOLLOW:      msg.PlanFollow,
	pb.PlanMode_PLAN_MODE_STOP:        msg.PlanStop,
	pb.PlanMode_PLAN_MODE_NO_LANES:    msg.PlanNoLanes,
}

var trackStates = words[msg.TrackState, pb.TrackState]{
	pb.TrackState_TRACK_STATE_UNSPECIFIED: "",
	pb.TrackState_TRACK_STATE_TENTATIVE:   msg.TrackTentative,
	pb.TrackState_TRACK_STATE_CONFIRMED:   msg.TrackConfirmed,
	pb.TrackState_TRACK_STATE_COASTING:    msg.TrackCoasting,
}

var outcomes = words[msg.Outcome, pb.Outcome]{
	pb.Outcome_OUTCOME_UNSPECIFIED: "",
	pb.Outcome_OUTCOME_ON_TIME:     msg.OnTime,
	pb.Outcome_OUTCOME_LATE:        msg.Late,
	pb.Outcome_OUTCOME_DROPPED:     msg.Dropped,
	pb.Outcome_OUTCOME_FAILED:      msg.Failed,
}

var captureClocks = words[msg.CaptureClock, pb.CaptureClock]{
	pb.CaptureClock_CAPTURE_CLOCK_UNSPECIFIED: "",
	pb.CaptureClock_CAPTURE_CLOCK_SENDER:      msg.SenderClock,
	pb.CaptureClock_CAPTURE_CLOCK_ARRIVAL:     msg.ArrivalClock,
}

var cameraStates = words[msg.CameraStatus, pb.CameraStatus]{
	pb.CameraStatus_CAMERA_STATUS_UNSPECIFIED: "",
	pb.CameraStatus_CAMERA_STATUS_CONNECTING:  msg.CameraConnecting,
	pb.CameraStatus_CAMERA_STATUS_STREAMING:   msg.CameraStreaming,
	pb.CameraStatus_CAMERA_STATUS_STALLED:     msg.CameraStalled,
	pb.CameraStatus_CAMERA_STATUS_FAILED:      msg.CameraFailed,
}

func (ws words[W, E]) toProto(w W) (E, bool) {
	for i := range ws {
		if ws[i] == w {
			return E(i), true
		}
	}
	return 0, false
}

func (ws words[W, E]) fromProto(e E) (W, bool) {
	if e < 0 || int(e) >= len(ws) {
		return "", false
	}
	return ws[e], true
}
