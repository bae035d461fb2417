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
	m, err := obs.Serve("127.0.0.1:0", "front", []obs.Network{
		{Network: msg.Network{Name: "yolo", Engine: "opencv", Requested: "cuda", Backend: "cpu"}, Task: "detect", Fallback: "built without CUDA"},
	}, func() obs.BusCounts {
		return obs.BusCounts{Published: 7, Dropped: 2, Bytes: 100, Reconnects: 1, Connected: true}
	})
	if err != nil {
		t.Fatal(err)
	}
	feed(obs.NewAccount(), m.Frame)
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
		`dashline_frame_age_seconds_bucket{camera="front",le="0.1"} 98`,
		`dashline_stage_seconds_count{camera="front",stage="forward"} 980`,
		`dashline_network_info{backend="cpu",camera="front",engine="opencv",fallback="built without CUDA",network="yolo",requested="cuda",task="detect"} 1`,
		`dashline_bus_messages_total{result="dropped"} 2`,
		`dashline_bus_connected 1`,
	} {
		if !strings.Contains(string(body), line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}
