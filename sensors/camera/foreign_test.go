package camera

import (
	"bytes"
	"crypto/sha256"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/avenc"
	"dashline/internal/testkit"
)

// size of a decoded test picture, 4:2:0.
const size = 160 * 96 * 3 / 2

// originals decodes a film with ffmpeg: each picture's number by its hash.
func originals(t testing.TB, film string) map[[32]byte]int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), testkit.Program(t, "ffmpeg"), "-v", "error", "-i", film, "-f", "rawvideo", "-").Output()
	if err != nil || len(out) == 0 || len(out)%size != 0 {
		t.Fatalf("ffmpeg decodes the film to %d bytes: %v", len(out), err)
	}
	all := map[[32]byte]int{}
	for i := range len(out) / size {
		all[sha256.Sum256(out[i*size:][:size])] = i
	}
	return all
}

// whole wants pictures to be those of the film in its order, round after round,
// from a client's first key frame on, of which a film has one in ten. What is
// before it, where a client joins in the middle, need not be whole.
func whole(t testing.TB, film map[[32]byte]int, raw []byte, least int) {
	t.Helper()
	last, good := -1, 0
	for i := range len(raw) / size {
		n, known := film[sha256.Sum256(raw[i*size:][:size])]
		switch {
		case good == 0 && (!known || n%10 != 0):
			continue
		case !known:
			t.Fatalf("picture %d is none of the film's, after %d that are", i, good)
		case good > 0 && n != (last+1)%len(film):
			t.Fatalf("picture %d is number %d of the film, after number %d", i, n, last)
		}
		last = n
		good++
	}
	if good < least {
		t.Errorf("only %d of %d pictures are the film's; want %d", good, len(raw)/size, least)
	}
}

var foreignFilms = map[string]avenc.Options{
	H264: {Codec: H264, BFrames: 2},
	H265: {Codec: H265, BFrames: 2, Preset: "ultrafast"},
}

func TestFFmpegWatches(t *testing.T) {
	ffmpeg, ffprobe := testkit.Program(t, "ffmpeg"), testkit.Program(t, "ffprobe")
	for codec, o := range foreignFilms {
		o.Keyframes, o.FPS = 10, 30
		film := testFilm(t, 40, o)
		known := originals(t, film)
		if len(known) != 40 {
			t.Fatalf("ffmpeg finds %d different pictures in the film", len(known))
		}
		for _, transport := range []string{"tcp", "udp"} {
			t.Run(codec+" "+transport, func(t *testing.T) {
				t.Parallel()
				s := serve(t, Options{Source: film})
				cmd := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-rtsp_transport", transport,
					"-analyzeduration", "500000", "-i", s.URLs()[0], "-frames:v", "60", "-vsync", "passthrough", "-f", "rawvideo", "-")
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("ffmpeg: %v\n%s", err, &stderr)
				}
				whole(t, known, out, 40)
			})
		}
		t.Run(codec+" ffprobe", func(t *testing.T) {
			t.Parallel()
			s := serve(t, Options{Source: film})
			out, err := exec.CommandContext(t.Context(), ffprobe, "-v", "error", "-rtsp_transport", "tcp", "-analyzeduration", "500000",
				"-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", s.URLs()[0]).Output()
			name := strings.Replace(codec, H265, "hevc", 1)
			if want := name + ",160,96"; err != nil || !strings.Contains(string(out), want) {
				t.Errorf("ffprobe says %q, %v; want %q", out, err, want)
			}
		})
	}
}

// FFmpeg proves who it is, watches RTSPS, and reads JPEG.
func TestFFmpegWatchesOtherwise(t *testing.T) {
	ffmpeg := testkit.Program(t, "ffmpeg")
	film := testFilm(t, 40, avenc.Options{Keyframes: 10, BFrames: -1, FPS: 30})
	known := originals(t, film)
	watch := func(t *testing.T, address string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), ffmpeg, "-v", "error", "-rtsp_transport", "tcp", "-analyzeduration", "500000",
			"-i", address, "-frames:v", "30", "-vsync", "passthrough", "-f", "rawvideo", "-")
		return cmd.Output()
	}
	for _, way := range []string{AuthDigest, AuthBasic} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := serve(t, Options{Source: film, User: "guest", Password: "secret", Auth: []string{way}})
			u, err := url.Parse(s.URLs()[0])
			if err != nil {
				t.Fatal(err)
			}
			if out, err := watch(t, u.String()); err == nil || len(out) != 0 {
				t.Errorf("%d bytes without a password, %v", len(out), err)
			}
			u.User = url.UserPassword("guest", "secret")
			out, err := watch(t, u.String())
			if err != nil {
				t.Fatal(err)
			}
			whole(t, known, out, 15)
		})
	}
	t.Run("RTSPS", func(t *testing.T) {
		t.Parallel()
		s := serve(t, Options{Source: film, TLS: true})
		out, err := watch(t, s.URLs()[0])
		if err != nil {
			t.Fatal(err)
		}
		whole(t, known, out, 15)
	})
	t.Run(MJPEG, func(t *testing.T) {
		t.Parallel()
		film := testFilm(t, 40, avenc.Options{Codec: MJPEG, FPS: 30})
		s := serve(t, Options{Source: film})
		out, err := watch(t, s.URLs()[0])
		if err != nil {
			t.Fatal(err)
		}
		whole(t, originals(t, film), out, 20)
	})
}

func TestGStreamerWatches(t *testing.T) {
	elements := map[string][]string{
		H264: {"rtph264depay", "h264parse", "avdec_h264"},
		H265: {"rtph265depay", "h265parse", "avdec_h265"},
	}
	for codec, o := range foreignFilms {
		gst := testkit.GStreamer(t, append(elements[codec], "rtspsrc")...)
		o.Keyframes, o.FPS = 10, 30
		film := testFilm(t, 40, o)
		known := originals(t, film)
		for _, transport := range []string{"tcp", "udp"} {
			t.Run(codec+" "+transport, func(t *testing.T) {
				t.Parallel()
				s := serve(t, Options{Source: film, User: "guest", Password: "secret", Auth: []string{AuthDigest}})
				to := filepath.Join(t.TempDir(), "raw")
				cmd := exec.CommandContext(t.Context(), gst, "-q", "rtspsrc", "location="+s.URLs()[0], "user-id=guest", "user-pw=secret",
					"protocols="+transport, "latency=100", "!", elements[codec][0], "!", elements[codec][1], "!", elements[codec][2],
					"!", "video/x-raw,format=I420", "!", "identity", "eos-after=60", "!", "filesink", "location="+to)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("gst-launch-1.0: %v\n%s", err, out)
				}
				raw, err := os.ReadFile(to)
				if err != nil {
					t.Fatal(err)
				}
				whole(t, known, raw[:max(0, len(raw)-2*size)], 40) // it ends between the last two, one of which it drops
				if st := s.Stats(0); st.Sessions != 1 {
					t.Errorf("%d sessions", st.Sessions)
				}
			})
		}
	}
}
