package record

import (
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"dashline/lanes/ground"
	"dashline/pipeline/msg"
	"dashline/pipeline/record/foxglove"
)

// Everything that goes in comes out as it was, however it is compressed.
func TestRoundTrip(t *testing.T) {
	for _, c := range []Compression{Zstd, LZ4, None} {
		t.Run(string(c), func(t *testing.T) {
			const n = 100
			path := recorded(t, Options{Compression: c, ChunkBytes: 64 << 10, Version: "1.2.3", Config: "vehicle: car\n"}, n)
			whole(t, path)
			r := open(t, path)
			for _, d := range []drive{front, rear} {
				checkPackets(t, r, d, 0, n)
				checkValues(t, r, d, n)
				if got, ok := r.Calibration(d.camera); !ok || got != d.calibration() {
					t.Errorf("calibration of %s: got %+v %t", d.camera, got, ok)
				}
			}
			if got := r.Config(); got != "vehicle: car\n" {
				t.Errorf("config %q", got)
			}
			if got, err := ConfigOf(path); err != nil || got != "vehicle: car\n" {
				t.Errorf("config of the file %q, %v", got, err)
			}
			in := r.Info()
			if in.Cut != "" || in.Vehicle != "car" || in.Library != "dashline 1.2.3" || in.Chunks < 5 || !in.Config || len(in.Problems) > 0 || len(in.Dropped) > 0 {
				t.Errorf("info: %+v", in)
			}
			if len(in.Cameras) != 2 || in.Cameras[0].Name != "front" || in.Cameras[0].Codec != "h264" || in.Cameras[0].Packets != n || in.Cameras[0].Reports != n || in.Cameras[1].Codec != "mjpeg" {
				t.Errorf("cameras: %+v", in.Cameras)
			}
			var sum uint64
			for _, topic := range in.Topics {
				sum += topic.Messages
			}
			all := uint64(0)
			for range r.Messages(Query{}) {
				all++
			}
			if sum != all || in.Messages != all || all < 10*n {
				t.Errorf("%d messages by topic, %d in all, %d read", sum, in.Messages, all)
			}
		})
	}
}

func checkPackets(t *testing.T, r *Reader, d drive, begin, n int) {
	t.Helper()
	it, err := r.Packets(d.camera, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var p Packet
	for i := begin; i < begin+n; i++ {
		if err := it.Next(&p); err != nil {
			t.Fatalf("%s: packet %d: %v", d.camera, i, err)
		}
		want := d.packet(i)
		if err := samePacket(&p.Packet, &want); err != nil || p.Hidden {
			t.Fatalf("%s: packet %d (hidden %t): %v", d.camera, i, p.Hidden, err)
		}
	}
	if err := it.Next(&p); !errors.Is(err, io.EOF) {
		t.Errorf("%s: after the last packet: %v", d.camera, err)
	}
	if len(r.Problems()) > 0 {
		t.Errorf("problems: %q", r.Problems())
	}
}

// checkValues compares what was published.
func checkValues(t *testing.T, r *Reader, d drive, n int) {
	t.Helper()
	prefix := "dashline.car." + d.camera + "."
	want := map[string][]any{}
	for i := range n {
		if i%10 != 9 {
			want["detections"] = append(want["detections"], d.detections(i))
			want["tracks"] = append(want["tracks"], d.tracks(i))
			want["lanes"] = append(want["lanes"], d.lanes(i))
			want["plan"] = append(want["plan"], d.plan(i))
		}
		want["frames"] = append(want["frames"], d.frame(i))
	}
	for kind, values := range want {
		i := 0
		var last time.Time
		for m := range r.Messages(Query{Topics: []string{prefix + kind}}) {
			v, err := m.Value()
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(v, values[i]) {
				t.Fatalf("%s %d: got %+v, want %+v", kind, i, v, values[i])
			}
			if m.Logged.Before(last) {
				t.Errorf("%s %d was logged before the one before", kind, i)
			}
			last = m.Logged
			if d.clock != "" && !m.Published.Equal(day.Add(d.pts(int(seqOf(v)))+123)) {
				t.Errorf("%s %d: publish time %s is not the capture time", kind, i, m.Published)
			}
			i++
		}
		if i != len(values) {
			t.Errorf("%s: %d of %d", kind, i, len(values))
		}
	}
	i := 0
	for f := range r.Reports(d.camera) {
		if f.PTS != d.pts(i) || len(f.Stages) != 2 || f.Stages[1].Took != time.Duration(20+i%7)*time.Millisecond {
			t.Fatalf("report %d: %+v", i, f)
		}
		i++
	}
	if i != n {
		t.Errorf("%d of %d reports", i, n)
	}
}

func headerOf(v any) *msg.Header {
	return reflect.ValueOf(v).Elem().FieldByName("Header").Addr().Interface().(*msg.Header)
}

func seqOf(v any) uint64 { return headerOf(v).Seq }

// A picture and what was made of it have one time stamp, with and without a
// capture time: by it Foxglove puts boxes over their picture.
func TestStampsAgree(t *testing.T) {
	const n = 40
	r := open(t, recorded(t, Options{}, n))
	for _, tt := range []struct {
		d     drive
		image string
	}{{front, "/front/video"}, {rear, "/rear/image"}} {
		seen := map[time.Time]map[string]int{}
		topics := []string{tt.image, "/" + tt.d.camera + "/annotations/objects", "/" + tt.d.camera + "/annotations/lanes", "/" + tt.d.camera + "/scene", "/" + tt.d.camera + "/annotations/tracks"}
		for m := range r.Messages(Query{Topics: topics}) {
			p, err := m.Proto()
			if err != nil {
				t.Fatal(err)
			}
			var at time.Time
			switch p := p.(type) {
			case *foxglove.CompressedVideo:
				at = p.Timestamp.AsTime()
			case *foxglove.CompressedImage:
				at = p.Timestamp.AsTime()
			case *foxglove.ImageAnnotations:
				at = p.Timestamp.AsTime()
				if !p.Points[0].Timestamp.AsTime().Equal(at) {
					t.Errorf("%s: the drawing is of another time than its message", m.Topic)
				}
			case *foxglove.SceneUpdate:
				at = p.Entities[0].Timestamp.AsTime()
			}
			if !at.Equal(m.Published) {
				t.Fatalf("%s: stamp %s, publish time %s", m.Topic, at, m.Published)
			}
			if seen[at] == nil {
				seen[at] = map[string]int{}
			}
			seen[at][m.Topic]++
		}
		full := map[string]int{topics[0]: 1, topics[1]: 1, topics[2]: 1, topics[3]: 3, topics[4]: 1}
		got, want, any := 0, 0, 0
		for i := range n {
			p := tt.d.packet(i)
			if !p.Damaged && i%10 != 9 {
				want++
			}
			if !p.Damaged || i%10 != 9 {
				any++
			}
		}
		if len(seen) != any {
			t.Errorf("%s: %d different stamps, want %d", tt.d.camera, len(seen), any)
		}
		for _, by := range seen {
			if reflect.DeepEqual(by, full) {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: %d pictures have all that was made of them, want %d", tt.d.camera, got, want)
		}
	}
}

// The transform and the calibration say what ground.Camera does: a point of the
// road is in the same place of the picture.
func TestCalibrationAgreesWithCamera(t *testing.T) {
	for _, c := range []ground.Camera{
		front.calibration(), ground.Default(1280, 720),
		{Width: 640, Height: 360, Fx: 500, Fy: 510, Cx: 300, Cy: 190, HeightM: 1.4, Pitch: 40, Yaw: 50, Roll: -40},
		{Width: 640, Height: 360, Fx: 500, Fy: 510, Cx: 300, Cy: 190, HeightM: 1.4, Pitch: -5, Yaw: -60, Roll: 45},
	} {
		k := calibrationOf("front", &c, nil)
		f := transformOf("front", &c, nil)
		q := f.Rotation
		if n := q.X*q.X + q.Y*q.Y + q.Z*q.Z + q.W*q.W; math.Abs(n-1) > 1e-12 {
			t.Errorf("the quaternion has length %g", n)
		}
		seen := 0
		for _, g := range []msg.Ground{{X: 8, Y: 1}, {X: 20, Y: -3}, {X: 15, Y: 10}, {X: 9, Y: -8}, {X: 3}, {X: 2, Y: 3}} {
			want, ok := c.ToPixel(g)
			if !ok {
				continue
			}
			seen++
			// Into the camera by the inverse rotation, then plumb_bob and K.
			v := rotate(&foxglove.Quaternion{X: -q.X, Y: -q.Y, Z: -q.Z, W: q.W}, g.X-f.Translation.X, g.Y-f.Translation.Y, -f.Translation.Z)
			x, y := v[0]/v[2], v[1]/v[2]
			r2 := x*x + y*y
			radial := 1 + r2*(k.D[0]+r2*(k.D[1]+r2*k.D[4]))
			xd := x*radial + 2*k.D[2]*x*y + k.D[3]*(r2+2*x*x)
			yd := y*radial + k.D[2]*(r2+2*y*y) + 2*k.D[3]*x*y
			px, py := k.K[0]*xd+k.K[2]+0.5, k.K[4]*yd+k.K[5]+0.5
			if math.Abs(px-float64(want.X)) > 1e-2 || math.Abs(py-float64(want.Y)) > 1e-2 {
				t.Errorf("%+v: %+v is at %g %g, the camera says %+v", c, g, px, py, want)
			}
		}
		if seen < 2 {
			t.Errorf("%+v sees only %d of the points", c, seen)
		}
	}
}

func TestQuaternion(t *testing.T) {
	src := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		q := &foxglove.Quaternion{X: src.NormFloat64(), Y: src.NormFloat64(), Z: src.NormFloat64(), W: src.NormFloat64()}
		n := math.Sqrt(q.X*q.X + q.Y*q.Y + q.Z*q.Z + q.W*q.W)
		q.X, q.Y, q.Z, q.W = q.X/n, q.Y/n, q.Z/n, q.W/n
		var m [3][3]float64
		for col, axis := range [][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}} {
			v := rotate(q, axis[0], axis[1], axis[2])
			for row := range 3 {
				m[row][col] = v[row]
			}
		}
		got := quaternion(m)
		if dot := got.X*q.X + got.Y*q.Y + got.Z*q.Z + got.W*q.W; math.Abs(math.Abs(dot)-1) > 1e-9 {
			t.Fatalf("got %v, want %v or its negative", got, q)
		}
	}
}

// rotate turns a vector by a quaternion.
func rotate(q *foxglove.Quaternion, x, y, z float64) [3]float64 {
	tx, ty, tz := 2*(q.Y*z-q.Z*y), 2*(q.Z*x-q.X*z), 2*(q.X*y-q.Y*x)
	return [3]float64{x + q.W*tx + q.Y*tz - q.Z*ty, y + q.W*ty + q.Z*tx - q.X*tz, z + q.W*tz + q.X*ty - q.Y*tx}
}

func TestObjectsLieOnTheRoad(t *testing.T) {
	r := open(t, recorded(t, Options{}, 3))
	cubes, lines := 0, 0
	for m := range r.Messages(Query{Topics: []string{"/front/scene"}}) {
		p, err := m.Proto()
		if err != nil {
			t.Fatal(err)
		}
		e := p.(*foxglove.SceneUpdate).Entities[0]
		lines += len(e.Lines)
		for _, c := range e.Cubes {
			cubes++
			if c.Pose.Position.Z != c.Size.Z/2 || c.Pose.Position.X < 1 || !(c.Size.Y > 0) {
				t.Errorf("a cube at %v of %v", c.Pose.Position, c.Size)
			}
		}
		if e.FrameId != "vehicle" || e.Lifetime.AsDuration() == 0 {
			t.Errorf("entity %s in %q lives for %s", e.Id, e.FrameId, e.Lifetime.AsDuration())
		}
	}
	if cubes < 6 || lines != 3*(2+1) { // two lanes and a plan a frame
		t.Errorf("%d cubes and %d lines", cubes, lines)
	}
}

// A track is drawn where it is taken to be and where it is expected.
func TestTracksAreDrawn(t *testing.T) {
	box := msg.Box{X0: 10, Y0: 20, X1: 50, Y1: 60}
	ahead := msg.Box{X0: 15, Y0: 20, X1: 55, Y1: 60}
	tracks := &msg.Tracks{Height: 360, Ahead: time.Millisecond, Items: []msg.Track{
		{ID: 7, Label: "car", State: msg.TrackConfirmed, Box: box, Forecast: ahead},
		{ID: 9, Label: "bad \xff", State: msg.TrackCoasting, Box: box, Forecast: msg.Box{X0: 640, Y0: 20, X1: 640, Y1: 60}}, // has left
		{ID: 12, Label: "person", State: msg.TrackTentative, Box: box, Forecast: ahead},
	}}
	a := trackAnnotations(tracks, nil)
	var texts []string
	for _, s := range a.Texts {
		texts = append(texts, s.Text)
		if s.Position.X != 10 || s.Position.Y != 60 {
			t.Errorf("%q is at %v", s.Text, s.Position)
		}
	}
	if want := []string{"#7 car", "#9 bad \uFFFD", "#12 person"}; !reflect.DeepEqual(texts, want) {
		t.Errorf("texts %q, want %q", texts, want)
	}
	if len(a.Points) != 5 || a.Points[1].Points[0].X != 15 || !(a.Points[1].Thickness < a.Points[0].Thickness) {
		t.Errorf("%d boxes: %v", len(a.Points), a.Points)
	}
	if sure, unseen, perhaps := a.Points[0].OutlineColor.A, a.Points[2].OutlineColor.A, a.Points[3].OutlineColor.A; !(sure > unseen && unseen > perhaps) {
		t.Errorf("opacities %g, %g, %g", sure, unseen, perhaps)
	}
	tracks.Ahead = 0
	if n := len(trackAnnotations(tracks, nil).Points); n != 3 {
		t.Errorf("%d boxes without a forecast, want 3", n)
	}
}

func TestSeek(t *testing.T) {
	const n = 300
	path := recorded(t, Options{ChunkBytes: 32 << 10}, n)
	r := open(t, path)
	tests := []struct {
		name           string
		from, to       time.Duration
		first          int // packet that comes first
		shown0, shown1 int // first that is shown, and the one after the last
	}{
		{"all", 0, 0, 0, 0, n},
		{"from a key frame", 60 * period, 0, 60, 60, n},
		{"from between key frames", 100 * period, 0, 90, 100, n},
		{"a little after a picture", 100*period + 1, 0, 90, 101, n},
		{"a range", 100 * period, 131 * period, 90, 100, 131},
		{"up to a key frame", 0, 60 * period, 0, 0, 60},
		{"from beyond the end", 400 * period, 0, 270, n, n},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			it, err := r.Packets("front", tt.from, tt.to)
			if err != nil {
				t.Fatal(err)
			}
			var p Packet
			i := tt.first
			for it.Next(&p) == nil {
				want := front.packet(i)
				if err := samePacket(&p.Packet, &want); err != nil {
					t.Fatalf("packet %d: %v", i, err)
				}
				if shown := i >= tt.shown0 && i < tt.shown1; p.Hidden == shown {
					t.Errorf("packet %d: hidden %t", i, p.Hidden)
				}
				i++
			}
			if i < tt.shown1 || i > tt.shown1+reorder+1 {
				t.Errorf("the last packet was %d", i-1)
			}
		})
	}
	for _, bad := range []struct{ from, to time.Duration }{{-1, 0}, {5, 5}, {9, 3}} {
		if _, err := r.Packets("front", bad.from, bad.to); err == nil {
			t.Errorf("the range %v was taken", bad)
		}
	}
	if _, err := r.Packets("left", 0, 0); !errors.Is(err, errNoCamera) || !strings.Contains(err.Error(), "front, rear") {
		t.Errorf("a camera that is not there: %v", err)
	}
	if _, err := r.Packets("", 0, 0); !errors.Is(err, errNoCamera) {
		t.Errorf("no camera named, of two: %v", err)
	}
}

// With B-frames a packet of the range may come after one that is beyond it.
func TestSeekReordered(t *testing.T) {
	r, path := create(t, Options{})
	order := []int{0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11}
	for _, i := range order {
		p := front.packet(i)
		p.Key, p.Damaged = i == 0, false
		r.Packet("front", &p)
	}
	finish(t, r)
	it, err := open(t, path).Packets("", 2*period, 5*period)
	if err != nil {
		t.Fatal(err)
	}
	var shown []int
	var p Packet
	for it.Next(&p) == nil {
		if !p.Hidden {
			shown = append(shown, int(p.PTS/period))
		}
	}
	if !reflect.DeepEqual(shown, []int{3, 2, 4}) {
		t.Errorf("shown: %v; want 3 2 4", shown)
	}
}

func TestTimeRange(t *testing.T) {
	r := open(t, recorded(t, Options{ChunkBytes: 16 << 10}, 60))
	var times []time.Time
	for m := range r.Messages(Query{}) {
		times = append(times, m.Logged)
	}
	from, to := times[len(times)/3], times[2*len(times)/3]
	want := 0
	for _, at := range times {
		if !at.Before(from) && at.Before(to) {
			want++
		}
	}
	got := 0
	for range r.Messages(Query{From: from, To: to}) {
		got++
	}
	if got != want || got == 0 || got == len(times) {
		t.Errorf("%d messages in the range, want %d of %d", got, want, len(times))
	}
}

func TestNoCredentials(t *testing.T) {
	config := "nats: nats://me:secret@10.0.0.5:4222\nsource: rtsp://cam:se@c/ret@10.0.0.9/a\nplain: a@b\n" +
		"cameras:\n  - password: secret with spaces\n    password_file: /etc/pw\n"
	path := recorded(t, Options{Compression: None, Config: config}, 1)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "secret") || strings.Contains(string(b), "c/ret") {
		t.Error("the file holds the credentials")
	}
	want := "nats: nats://***@10.0.0.5:4222\nsource: rtsp://***@10.0.0.9/a\nplain: a@b\n" +
		"cameras:\n  - password: ***\n    password_file: /etc/pw\n"
	if got := open(t, path).Config(); got != want {
		t.Errorf("config %q, want %q", got, want)
	}
}

// A camera of which every frame is dropped does not flood the log.
func TestLogIsBounded(t *testing.T) {
	r, path := create(t, Options{})
	const n = 3000
	for i := range n {
		f := front.frame(9)
		f.Seq = uint64(i)
		r.Frame(f)
	}
	finish(t, r)
	lines := 0
	for m := range open(t, path).Messages(Query{Topics: []string{"/log"}}) {
		p, err := m.Proto()
		if err != nil {
			t.Fatal(err)
		}
		l := p.(*foxglove.Log)
		if lines == 0 && (l.Message != "frame 0 dropped in admission: replaced" || l.Name != "front" || l.Level != foxglove.Log_WARNING) {
			t.Errorf("line %v", l)
		}
		lines++
	}
	if lines < logBurst || lines > n/10 {
		t.Errorf("%d lines for %d dropped frames", lines, n)
	}
}

// The states of a camera are kept, and logged when they change.
func TestCameraStates(t *testing.T) {
	r, path := create(t, Options{})
	var states []*msg.CameraState
	for i, status := range []msg.CameraStatus{msg.CameraConnecting, msg.CameraStreaming, msg.CameraStreaming, msg.CameraStalled, msg.CameraFailed} {
		s := &msg.CameraState{Camera: "front", At: day.Add(time.Duration(i) * time.Second), Status: status, Transport: "udp", Codec: "h264",
			Sessions: 1, Packets: uint64(100 * i), Lost: uint64(i), Clock: msg.SenderClock, ClockOffset: time.Millisecond, ClockDrift: 20.5}
		if status == msg.CameraFailed {
			s.Detail = "the camera refuses"
		}
		states = append(states, s)
		r.Camera(s)
	}
	finish(t, r)
	whole(t, path)
	got := open(t, path)
	i := 0
	for m := range got.Messages(Query{Topics: []string{"dashline.car.front.camera"}}) {
		v, err := m.Value()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(v, states[i]) {
			t.Errorf("state %d: got %+v, want %+v", i, v, states[i])
		}
		i++
	}
	if i != len(states) {
		t.Errorf("%d of %d states", i, len(states))
	}
	var lines []string
	for m := range got.Messages(Query{Topics: []string{"/log"}}) {
		p, err := m.Proto()
		if err != nil {
			t.Fatal(err)
		}
		l := p.(*foxglove.Log)
		lines = append(lines, l.Level.String()+" "+l.Message)
	}
	want := []string{"INFO camera connecting", "INFO camera streaming", "WARNING camera stalled", "ERROR camera failed: the camera refuses"}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("log %q, want %q", lines, want)
	}
}

// Cameras record side by side.
func TestManyGoroutines(t *testing.T) {
	r, path := create(t, Options{MaxMessages: 1 << 16, MaxBytes: 256 << 20})
	var wg sync.WaitGroup
	const n, cameras = 60, 4
	for c := range cameras {
		d := front
		d.camera = "camera" + string(rune('a'+c))
		wg.Go(func() { d.feed(r, 0, n) })
	}
	wg.Go(func() {
		for range 1000 {
			_ = r.Stats()
		}
	})
	wg.Wait()
	finish(t, r)
	whole(t, path)
	got := open(t, path)
	for c := range cameras {
		d := front
		d.camera = "camera" + string(rune('a'+c))
		checkPackets(t, got, d, 0, n)
	}
}
