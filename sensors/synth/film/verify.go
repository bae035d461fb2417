package film

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"dashline/internal/avdec"
	"dashline/internal/regular"
	"dashline/sensors/synth/truth"
	"dashline/sensors/synth/truthview"
)

// Checked is what Verify found out about a video.
type Checked struct {
	Frames int
	Hashes []Hash // one a second
}

// Hash is of the frames of one second: the SHA-256 of their luma as decoded,
// with their truth drawn onto it (package truthview).
type Hash struct {
	First, Last int // frames
	SHA256      string
}

// Mismatch says that a video, its truth and its hashes are not of each other.
type Mismatch struct {
	Video   string
	Reasons []string
}

func (m *Mismatch) Error() string {
	return fmt.Sprintf("%s: %s: make it again with dashline synth, or take the files from where they were whole", m.Video, strings.Join(m.Reasons, "; "))
}

// HashPath is where the hashes of a video are kept.
func HashPath(video string) string { return stem(video) + ".hashes" }

// Verify decodes a video and sees that the truth beside it has the same number of
// frames at the same times, and that its hashes are those that were kept, where
// there are any. It is a *[Mismatch] where they differ.
func Verify(ctx context.Context, video string, kept []Hash, report func(done, of int)) (Checked, error) {
	var c Checked
	m := &Mismatch{Video: video}
	say := func(format string, args ...any) { m.Reasons = append(m.Reasons, fmt.Sprintf(format, args...)) }
	if err := walk(ctx, video, &c, say, report); err != nil {
		return c, err
	}
	if kept != nil && c.Hashes != nil {
		compare(kept, c.Hashes, say)
	}
	if len(m.Reasons) > 0 {
		return c, m
	}
	return c, nil
}

// tolerance of a time in the video against one in the truth: a container counts
// in ticks.
const tolerance = time.Millisecond

// maxPixels bounds a picture, as package sensors does.
const maxPixels = 64 << 20

// walk goes through video and truth side by side.
func walk(ctx context.Context, video string, c *Checked, say func(string, ...any), report func(done, of int)) error {
	path, ok := truth.Beside(video)
	if !ok {
		return fmt.Errorf("verify %s: there is no %s: make both with dashline synth", video, filepath.Base(TruthPath(video)))
	}
	t, err := truth.Open(path)
	if err != nil {
		return err
	}
	defer t.Close()
	abs, err := filepath.Abs(video)
	if err != nil {
		return err
	}
	cam := t.Drive.Camera
	v, err := avdec.Open(abs, maxPixels)
	if err != nil {
		return fmt.Errorf("verify %s: %w", video, err)
	}
	defer v.Close()
	if in := v.Info(); in.Width != cam.Width || in.Height != cam.Height {
		say("the pictures are of %dx%d, the truth is of %dx%d", in.Width, in.Height, cam.Width, cam.Height)
		return nil
	}
	sum := newSum(t.Drive.FPS)
	gray := make([]byte, cam.Width*cam.Height)
	for ; ctx.Err() == nil; c.Frames++ {
		f, terr := t.Next()
		if terr != nil && terr != io.EOF {
			return terr
		}
		p, verr := v.Next()
		switch {
		case terr == io.EOF && verr == io.EOF:
			c.Hashes = sum.end()
			return nil
		case verr == io.EOF:
			say("the video has %d frames, the truth %d", c.Frames, t.Drive.Frames)
			return nil
		case verr != nil:
			say("frame %d cannot be decoded: %v", c.Frames, verr)
			return nil
		case terr == io.EOF:
			say("the video goes on after the truth's %d frames", t.Drive.Frames)
			return nil
		}
		if p.Width != cam.Width || p.Height != cam.Height {
			say("picture %d is of %dx%d, the truth of %dx%d", c.Frames, p.Width, p.Height, cam.Width, cam.Height)
			return nil
		}
		at := time.Duration(math.Round(f.Time * float64(time.Second)))
		if d := p.PTS - at; d > tolerance || d < -tolerance {
			say("frame %d is shown at %v, and true at %v", c.Frames, p.PTS, at)
			return nil
		}
		if err := v.Gray(gray); err != nil {
			return fmt.Errorf("verify %s: frame %d: %w", video, c.Frames, err)
		}
		truthview.Gray(gray, cam.Width, cam.Height, &f)
		sum.add(c.Frames, gray)
		report(c.Frames+1, t.Drive.Frames)
	}
	return ctx.Err()
}

// sum makes a hash of each second.
type sum struct {
	second int // frames in one
	hash   hash.Hash
	first  int
	next   int
	all    []Hash
}

func newSum(fps float64) *sum { return &sum{second: max(1, int(math.Round(fps))), hash: sha256.New()} }

func (s *sum) add(frame int, pix []byte) {
	if frame-s.first == s.second {
		s.cut()
	}
	s.hash.Write(pix)
	s.next = frame + 1
}

func (s *sum) cut() {
	s.all = append(s.all, Hash{s.first, s.next - 1, hex.EncodeToString(s.hash.Sum(nil))})
	s.first = s.next
	s.hash.Reset()
}

func (s *sum) end() []Hash {
	if s.next > s.first {
		s.cut()
	}
	return s.all
}

// compare says which hashes differ.
func compare(kept, found []Hash, say func(string, ...any)) {
	if a, b := frames(kept), frames(found); a != b {
		say("there are hashes of %d frames, and the video has %d", a, b)
		return
	}
	for i, h := range kept {
		if i >= len(found) || h != found[i] {
			say("frames %d to %d are not those that the hash was made of", h.First, h.Last)
		}
	}
}

func frames(all []Hash) int {
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].Last + 1
}

// WriteHashes keeps hashes in a file: one a line, the first and last frame and
// the hash.
func WriteHashes(path string, all []Hash) error {
	var b strings.Builder
	for _, h := range all {
		fmt.Fprintf(&b, "%d-%d %s\n", h.First, h.Last, h.SHA256)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("write hashes: %w", err)
	}
	return nil
}

// maxHashes bounds a file of hashes, bytes: a day of them.
const maxHashes = 8 << 20

// ReadHashes reads what WriteHashes wrote. It is os.ErrNotExist where there is
// no such file.
func ReadHashes(path string) ([]Hash, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read hashes: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxHashes+1))
	if err != nil {
		return nil, fmt.Errorf("read hashes: %w", err)
	}
	all, err := parseHashes(data)
	if err != nil {
		return nil, fmt.Errorf("read hashes %s: %w: make it again with dashline synth verify --write", path, err)
	}
	return all, nil
}

func parseHashes(data []byte) ([]Hash, error) {
	if len(data) > maxHashes {
		return nil, fmt.Errorf("more than %d bytes", maxHashes)
	}
	var all []Hash
	for line := range strings.Lines(string(data)) {
		var h Hash
		m := hashLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			return nil, fmt.Errorf("line %d is not FIRST-LAST SHA256", len(all)+1)
		}
		h.First, _ = strconv.Atoi(m[1]) // digits, and few
		h.Last, _ = strconv.Atoi(m[2])
		h.SHA256 = m[3]
		if h.First != frames(all) || h.Last < h.First {
			return nil, fmt.Errorf("line %d begins with frame %d and ends with %d, where frame %d is due", len(all)+1, h.First, h.Last, frames(all))
		}
		all = append(all, h)
	}
	if len(all) == 0 {
		return nil, errors.New("it is empty")
	}
	return all, nil
}

var hashLine = regexp.MustCompile(`^(\d{1,9})-(\d{1,9}) ([0-9a-f]{64})$`)
