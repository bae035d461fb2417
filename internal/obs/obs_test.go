package obs_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"dashline/internal/obs"
	"dashline/internal/testkit"
	"dashline/pipeline/msg"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func feed(a *obs.Account, also ...func(*msg.FrameReport)) {
	for i := range 1000 {
		a.Produced()
		r := &msg.FrameReport{Outcome: msg.OnTime, Age: time.Duration(i+1) * time.Millisecond,
			Stages: []msg.StageTime{{Stage: "forward", Took: 5 * time.Millisecond}}}
		switch {
		case i%100 == 0:
			r = &msg.FrameReport{Outcome: msg.Failed, Stage: "source", Reason: "corrupt", Detail: "the first"}
			if i > 0 {
				r.Detail = "another"
			}
		case i%50 == 0:
			r = &msg.FrameReport{Outcome: msg.Dropped, Stage: "admission", Reason: "newer"}
		case i >= 900:
			r.Outcome = msg.Late
		}
		r.Camera = "front"
		a.Frame(r)
		for _, f := range also {
			f(r)
		}
	}
}

func TestAccount(t *testing.T) {
	a := obs.NewAccount()
	feed(a)
	s := a.Snapshot()
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	if s.Produced != 1000 || s.OnTime != 882 || s.Late != 98 || s.Dropped != 10 || s.Failed != 10 || s.Finished() != 980 {
		t.Errorf("%+v", s)
	}
	want := []obs.CauseCount{
		{Cause: obs.Cause{Outcome: msg.Dropped, Stage: "admission", Reason: "newer"}, Frames: 10},
		{Cause: obs.Cause{Outcome: msg.Failed, Stage: "source", Reason: "corrupt"}, Frames: 10, Detail: "the first"},
	}
	if len(s.Causes) != 2 || s.Causes[0] != want[0] || s.Causes[1] != want[1] {
		t.Errorf("causes %+v", s.Causes)
	}
	within := func(what string, got, want time.Duration) {
		if d := float64(got-want) / float64(want); d < -0.01 || d > 0.01 {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	within("p50", s.Age.P50, 500*time.Millisecond)
	within("p99", s.Age.P99, 991*time.Millisecond)
	within("max", s.Age.Maximum, 1000*time.Millisecond)
	if len(s.Stages) != 1 || s.Stages[0].Count != 980 {
		t.Errorf("stages %+v", s.Stages)
	}
	within("forward", s.Stages[0].P50, 5*time.Millisecond)
}

func TestSum(t *testing.T) {
	a, b, none := obs.NewAccount(), obs.NewAccount(), obs.NewAccount()
	feed(a)
	feed(b)
	for range 3 {
		b.Produced()
		b.Frame(&msg.FrameReport{Outcome: msg.Failed, Stage: "lanes", Reason: "panic"})
	}
	one, sum := a.Snapshot(), obs.Sum(a, none, b)
	if err := sum.Check(); err != nil {
		t.Fatal(err)
	}
	if sum.Produced != 2003 || sum.OnTime != 1764 || sum.Failed != 23 || sum.Finished() != 1960 {
		t.Errorf("%+v", sum)
	}
	if sum.Age.Count != 2*one.Age.Count || sum.Age.P50 != one.Age.P50 || sum.Age.Maximum != one.Age.Maximum {
		t.Errorf("age %+v, of one %+v", sum.Age, one.Age)
	}
	if len(sum.Causes) != 3 || sum.Causes[0].Frames != 20 || len(sum.Stages) != 1 || sum.Stages[0].Count != 2*one.Stages[0].Count {
		t.Errorf("causes %+v, stages %+v", sum.Causes, sum.Stages)
	}
	if sum.Elapsed < one.Elapsed || sum.Elapsed > time.Minute {
		t.Errorf("elapsed %v, of one %v", sum.Elapsed, one.Elapsed)
	}
	if s := obs.Sum(none); s.Produced != 0 || s.Elapsed != 0 || s.Rate() != 0 {
		t.Errorf("of none %+v", s)
	}
}

func TestAnOpenAccountIsAnError(t *testing.T) {
	a := obs.NewAccount()
	a.Produced()
	if a.Snapshot().Check() == nil {
		t.Error("a frame without an outcome passed")
	}
	a.Frame(&msg.FrameReport{Outcome: msg.OnTime})
	a.Frame(&msg.FrameReport{Outcome: msg.OnTime})
	if a.Snapshot().Check() == nil {
		t.Error("a frame with two outcomes passed")
	}
}

func TestTimesBeyondTheScaleCountAsItsEnds(t *testing.T) {
	a := obs.NewAccount()
	for _, age := range []time.Duration{-time.Second, 0, 48 * time.Hour} {
		a.Produced()
		a.Frame(&msg.FrameReport{Outcome: msg.Late, Age: age})
	}
	if s := a.Snapshot(); s.Age.Count != 3 || s.Age.Maximum < 9*time.Minute {
		t.Errorf("%+v", s.Age)
	}
}

func TestMetricsSayWhatTheAccountSays(t *testing.T) {
	m, err := obs.Serve(obs.Options{Address: "127.0.0.1:0", Deadline: 100 * time.Millisecond, Networks: []obs.Network{
		{Network: msg.Network{Name: "yolo", Engine: "opencv", Requested: "cuda", Backend: "cpu"}, Camera: "front", Task: "detect", Fallback: "built without CUDA"},
	}, Bus: func() obs.BusCounts {
		return obs.BusCounts{Published: 7, Dropped: 2, Bytes: 100, Reconnects: 1, Connected: true}
	}, Health: obs.NewHealth(obs.Patience)})
	if err != nil {
		t.Fatal(err)
	}
	feed(obs.NewAccount(), m.Frame)
	m.Frame(&msg.FrameReport{Header: msg.Header{Camera: "left"}, Outcome: msg.OnTime})
	for _, rung := range []string{"large", "small", "large"} {
		m.Frame(&msg.FrameReport{Header: msg.Header{Camera: "rear"}, Outcome: msg.Late, Age: time.Second, Rung: rung, Canary: "large"})
	}
	m.Camera(&msg.CameraState{Camera: "left", Status: msg.CameraStalled, Sessions: 3, Packets: 900, Lost: 7})
	m.Camera(&msg.CameraState{Camera: "front", Status: msg.CameraConnecting})
	m.Camera(&msg.CameraState{Camera: "front", Status: msg.CameraStreaming, Packets: 5,
		Clock: msg.SenderClock, ClockOffset: -250 * time.Millisecond, ClockDrift: 40, ClockSteps: 2})
	res, err := http.Get("http://" + m.Address() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`dashline_frames_total{camera="front",outcome="on_time",reason="",stage=""} 882`,
		`dashline_frames_total{camera="front",outcome="failed",reason="corrupt",stage="source"} 10`,
		`dashline_frame_age_seconds_count{camera="front"} 980`,
		`dashline_frame_age_seconds_bucket{camera="front",le="0.095"} 93`,
		`dashline_frame_age_seconds_bucket{camera="front",le="0.1"} 98`,
		`dashline_frame_age_seconds_bucket{camera="front",le="0.105"} 102`,
		`dashline_frame_age_seconds_bucket{camera="front",le="1"} 980`,
		`dashline_rung{camera="rear",rung="large"} 1`,
		`dashline_rung{camera="rear",rung="small"} 0`,
		`dashline_frames_by_rung_total{camera="rear",outcome="late",rung="large"} 2`,
		`dashline_canaries_total{camera="rear",rung="large"} 3`,
		`dashline_stage_seconds_count{camera="front",stage="forward"} 980`,
		`dashline_network_info{backend="cpu",camera="front",engine="opencv",fallback="built without CUDA",network="yolo",requested="cuda",task="detect"} 1`,
		`dashline_bus_messages_total{result="dropped"} 2`,
		`dashline_frames_total{camera="left",outcome="on_time",reason="",stage=""} 1`,
		`dashline_camera_state{camera="left",state="stalled"} 1`,
		`dashline_camera_state{camera="left",state="streaming"} 0`,
		`dashline_camera_state{camera="front",state="streaming"} 1`,
		`dashline_camera_state{camera="front",state="connecting"} 0`,
		`dashline_camera_packets_total{camera="left"} 900`,
		`dashline_camera_packets_lost_total{camera="left"} 7`,
		`dashline_camera_sessions_total{camera="left"} 3`,
		`dashline_camera_clock_offset_seconds{camera="front"} -0.25`,
		`dashline_camera_clock_drift_ppm{camera="front"} 40`,
		`dashline_camera_clock_steps_total{camera="front"} 2`,
		`dashline_bus_connected 1`,
	} {
		if !strings.Contains(string(body), line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	for _, name := range []string{"go_sched_latencies_seconds_bucket{", "go_sched_pauses_total_gc_seconds_bucket{"} {
		if !strings.Contains(string(body), name) {
			t.Errorf("no %s", name)
		}
	}
	if strings.Contains(string(body), `dashline_rung{camera="front"`) {
		t.Error("a camera without a ladder has a rung")
	}
	if strings.Contains(string(body), `dashline_camera_clock_offset_seconds{camera="left"}`) {
		t.Error("a camera that tells no time has an offset")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}
