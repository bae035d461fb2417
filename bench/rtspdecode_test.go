package bench_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"dashline/bench/worker"
	"dashline/internal/testkit"
	flow "dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/sensors/camera"
	"dashline/sensors/nal"
	"dashline/sensors/rtsp"
)

var (
	decodeFor    = flag.Duration("decode", 20*time.Second, "how long each measurement of BenchmarkRTSPDecode lasts")
	decodeRounds = flag.Int("decode-rounds", 3, "how often BenchmarkRTSPDecode measures each way, turn and turn about")
)

// The streams that are decoded.
const (
	cameraCount  = 4
	cameraRate   = 30 // frames a second
	settling     = 3 * time.Second
	progressTick = 500 * time.Millisecond
)

// BenchmarkRTSPDecode compares the CPU that four cameras of 640x360 at 30 frames/s
// cost in sensors/rtsp and in ffmpeg, user and system, over the same seconds of
// streaming; start-up is left out. The cameras are a process of their own, and
// whoever reads them is one too (ffmpeg: one process a camera, its usual way), so
// that the kernel tells the costs apart. All ways take turns.
//
// ffmpeg -f null makes no BGR of the pictures. So there are two comparisons: both
// without it (ours has a deadline that every picture misses, and none is
// converted) and both with it.
//
//	go test ./bench -run '^$' -bench RTSPDecode -benchtime 1x -timeout 0
func BenchmarkRTSPDecode(b *testing.B) {
	ffmpeg := testkit.Program(b, "ffmpeg")
	urls := startCameras(b)
	for _, transport := range []string{"tcp", "udp"} {
		b.Run(transport, func(b *testing.B) {
			ff := func(before string, after ...string) []*process {
				var all []*process
				for _, u := range urls {
					args := append(strings.Fields("-nostdin -nostats -loglevel fatal -progress pipe:1 "+before), "-rtsp_transport", transport, "-i", u)
					args = append(append(args, after...), "-f", "null", "-")
					all = append(all, &process{cmd: exec.Command(ffmpeg, args...)})
				}
				return all
			}
			ours := func(deadline time.Duration) []*process {
				return []*process{{cmd: again("reader", reading{urls, transport, deadline})}}
			}
			ways := []struct {
				name  string
				start func() []*process
			}{
				{"ours", func() []*process { return ours(time.Nanosecond) }},
				{"ffmpeg", func() []*process { return ff("") }},
				{"ours-bgr", func() []*process { return ours(0) }},
				{"ffmpeg-bgr", func() []*process { return ff("-threads 1", "-pix_fmt", "bgr24") }},
				{"ffmpeg-1thread", func() []*process { return ff("-threads 1") }},
			}
			cost := map[string][]float64{}
			for range b.N {
				for round := range *decodeRounds {
					for _, w := range ways {
						c, whole := measureCPU(b, w.start())
						cost[w.name] = append(cost[w.name], c)
						b.Logf("round %d: %-15s %5.2f s of CPU for 60 s of %d cameras over %s (all in all %.2f s for %v)",
							round+1, w.name, c, cameraCount, transport, whole, settling+*decodeFor)
					}
				}
			}
			for _, w := range ways {
				b.ReportMetric(median(cost[w.name]), w.name+"-s/min")
			}
			for _, r := range [][2]string{{"ours", "ffmpeg"}, {"ours", "ffmpeg-1thread"}, {"ours-bgr", "ffmpeg-bgr"}, {"ours-bgr", "ffmpeg"}} {
				var ratio []float64
				for i, c := range cost[r[0]] {
					ratio = append(ratio, c/cost[r[1]][i])
				}
				b.ReportMetric(median(ratio), r[0]+"/"+r[1])
				b.Logf("%s/%s: %.3f (%.3f to %.3f)", r[0], r[1], median(ratio), slices.Min(ratio), slices.Max(ratio))
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// process reads cameras until it is interrupted, and tells its progress as
// ffmpeg does: lines of frame=N.
type process struct {
	cmd    *exec.Cmd
	frames atomic.Int64
	read   sync.WaitGroup
}

// measureCPU starts processes and returns their CPU seconds a minute, once they
// run steadily, and those of their whole lives.
func measureCPU(b *testing.B, all []*process) (steady, whole float64) {
	b.Helper()
	for _, p := range all {
		if err := p.start(); err != nil {
			b.Fatal(err)
		}
		defer func() {
			if err := p.end(); err != nil {
				b.Error(err)
				return
			}
			whole += (p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()).Seconds()
		}()
	}
	// A progress line is old by up to progressTick; over a run that is little.
	look := func() (cpu float64, frames int64) {
		for _, p := range all {
			cpu += cpuSeconds(b, p.cmd.Process.Pid)
			frames += p.frames.Load()
		}
		return cpu, frames
	}
	time.Sleep(settling)
	from, frames := look()
	began := time.Now()
	time.Sleep(*decodeFor)
	to, more := look()
	took := time.Since(began).Seconds()
	want := took * cameraCount * cameraRate
	if slack := 2 * cameraCount * cameraRate * progressTick.Seconds(); float64(more-frames) < want-slack-want/100 {
		b.Errorf("%s: %d frames in %.1f s; want %.0f", all[0].cmd, more-frames, took, want)
	}
	return (to - from) / took * 60, 0 // whole is added to as they end
}

func (p *process) start() error {
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.read.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if n, ok := strings.CutPrefix(lines.Text(), "frame="); ok {
				if v, err := strconv.ParseInt(strings.TrimSpace(n), 10, 64); err == nil {
					p.frames.Store(v)
				}
			}
		}
	})
	return nil
}

func (p *process) end() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	p.read.Wait()
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 255 {
		return nil // what ffmpeg makes of an interrupt
	}
	return err
}

// cpuSeconds is what a process has used so far, user and system.
func cpuSeconds(b *testing.B, pid int) float64 {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	// After the name, which is in brackets: state is field 3, utime and stime
	// are 14 and 15, in hundredths of a second.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return float64(ticks) / 100
}

// The test binary plays other processes' parts, too.
const (
	partVariable = "DASHLINE_BENCH_PART"
	toldVariable = "DASHLINE_BENCH_TOLD"
)

// again is this program once more in another part, with what it is told.
func again(part string, told any) *exec.Cmd {
	text, err := json.Marshal(told)
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), partVariable+"="+part, toldVariable+"="+string(text))
	return cmd
}

func TestMain(m *testing.M) {
	parts := map[string]func(ctx context.Context) error{"cameras": beCameras, "reader": beReader}
	part := os.Getenv(partVariable)
	if slices.Equal(os.Args[1:], []string{"bench", "worker"}) { // as bench starts it
		part, parts[""] = "", beWorker
	} else if part == "" {
		testkit.Main(m)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := parts[part](ctx); err != nil {
		fmt.Fprintln(os.Stderr, part+":", err)
		os.Exit(1)
	}
}

func beWorker(ctx context.Context) error { return worker.Serve(ctx, os.Stdin, os.Stdout) }

// startCameras starts the process that serves the cameras, which ends with the
// test.
func startCameras(b *testing.B) (urls []string) {
	b.Helper()
	cmd := again("cameras", cameraFilm())
	cmd.Stderr = os.Stderr
	end, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(end.Close(), cmd.Wait()); err != nil {
			b.Error(err)
		}
	})
	if err := json.NewDecoder(out).Decode(&urls); err != nil {
		b.Fatal(err)
	}
	return urls
}

// cameraFilm is what the cameras show: 640x360, 30 frames/s.
func cameraFilm() string { return filepath.Join(testkit.Root(), "testdata", "drives", "cut-in.mp4") }

// beCameras serves the film that it is told of until standard input ends.
func beCameras(ctx context.Context) error {
	var film string
	if err := json.Unmarshal([]byte(os.Getenv(toldVariable)), &film); err != nil {
		return err
	}
	s, err := camera.Start(ctx, cameraOptions(film, cameraCount))
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(s.URLs()); err != nil {
		return errors.Join(err, s.Close())
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return s.Close()
}

// cameraOptions are those of cameras as they usually are: a key picture each
// second, and no B pictures, which would make every picture wait for others.
func cameraOptions(film string, count int) camera.Options {
	return camera.Options{Listen: "127.0.0.1:0", Source: film, Count: count, Codec: camera.H264, GOP: cameraRate}
}

// reading is what the reader is told.
type reading struct {
	URLs      []string
	Transport string
	Deadline  time.Duration
}

// beReader reads cameras until it is interrupted, each on a goroutine of its
// own, as a session does.
func beReader(ctx context.Context) error {
	var told reading
	if err := json.Unmarshal([]byte(os.Getenv(toldVariable)), &told); err != nil {
		return err
	}
	if path := os.Getenv("DASHLINE_BENCH_PROFILE"); path != "" {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var frames atomic.Int64
	ended := make(chan error)
	for _, u := range told.URLs {
		go func() { ended <- readCamera(ctx, u, told, &frames) }()
	}
	tick := time.NewTicker(progressTick)
	defer tick.Stop()
	var all error
	for left := len(told.URLs); left > 0; {
		select {
		case err := <-ended:
			all = errors.Join(all, err)
			left--
		case <-tick.C:
			fmt.Printf("frame=%d\n", frames.Load())
		}
	}
	return all
}

func readCamera(ctx context.Context, url string, told reading, frames *atomic.Int64) (err error) {
	s, err := rtsp.Open(ctx, rtsp.Options{
		URL: url, Transport: told.Transport, Deadline: told.Deadline, Reorder: 25 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	// A picture that nothing refers to would not even be decoded past the deadline.
	kinds, checked, spare := nal.NewClassifier(msg.H264), 0, false
	s.Tap(func(p *msg.Packet) {
		if checked++; checked <= 2*cameraRate {
			spare = spare || kinds.Classify(p.Data).Disposable
		}
	})
	f := &frame.Frame{Image: gocv.NewMat()}
	defer func() {
		err = errors.Join(err, s.Close(), f.Image.Close())
		if spare {
			err = errors.Join(err, errors.New("the film has pictures that nothing refers to, so less would be decoded than ffmpeg does"))
		}
	}()
	for {
		err := s.Next(ctx, f)
		switch lost, one := errors.AsType[*flow.FrameError](err); {
		case ctx.Err() != nil:
			return nil
		case one && !lost.Dropped:
			return err
		case err != nil && !one:
			return err
		}
		frames.Add(1)
	}
}
