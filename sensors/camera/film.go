package camera

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"dashline/internal/avdec"
	"dashline/sensors/nal"
)

// maxShots bounds a film: three days at 30 frames a second.
const maxShots = 8 << 20

// shot is a frame of a film, without its data.
type shot struct {
	pts, dts time.Duration // from the first picture that is shown
	index    int           // in the order of presentation
	key      bool
}

// strip is a film: a file that was looked through once. It is not changed afterwards and
// shared by the cameras.
type strip struct {
	path     string
	info     avdec.Info
	shots    []shot        // in the order of decoding
	length   time.Duration // from its beginning to where it begins again
	delay    time.Duration // from when a picture is taken until all are sent in the order of decoding
	sets     [][]byte      // parameter sets of the first key frame
	standard bool          // its JPEG pictures have the standard's Huffman tables
	frames   int           // of the source: an index beyond is one of its again
}

// openFilm looks through a file.
func openFilm(path string) (*strip, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	p, err := avdec.OpenPackets(abs)
	if err != nil {
		return nil, fmt.Errorf("open film %s: %w", path, err)
	}
	defer p.Close()
	f := &strip{path: abs, info: p.Info()}
	if err := f.look(p); err != nil {
		return nil, fmt.Errorf("open film %s: %w", path, err)
	}
	return f, nil
}

func (f *strip) look(p *avdec.Packets) error {
	var last time.Duration // of the picture that is shown last
	for {
		k, err := p.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("frame %d: %w", len(f.shots), err)
		}
		switch {
		case len(f.shots) == maxShots:
			return fmt.Errorf("more than %d frames: cut it (ffmpeg -i IN -t 60 -c copy OUT.mp4)", maxShots)
		case len(f.shots) == 0 && !k.Key:
			return errors.New("it does not begin with a key frame, so it cannot be begun again: have it encoded (--codec h264)")
		case len(f.shots) == 0:
			f.sets = parameterSets(f.info.Codec, slices.Collect(nal.NALs(k.Data)))
			if f.sets == nil && (f.info.Codec == H264 || f.info.Codec == H265) {
				return errors.New("its first key frame has no parameter sets: have it encoded (--codec h264)")
			}
			f.standard = f.info.Codec == MJPEG && standardHuffman(k.Data)
		case k.DTS <= f.shots[len(f.shots)-1].dts:
			return fmt.Errorf("frame %d: its time of decoding runs backwards: have it encoded (--codec h264)", len(f.shots))
		}
		if k.PTS >= last {
			last, f.length = k.PTS, k.PTS+k.Duration
		}
		f.shots = append(f.shots, shot{pts: k.PTS, dts: k.DTS, key: k.Key})
	}
	if len(f.shots) == 0 {
		return errors.New("there is no frame in it")
	}
	f.number(last)
	return nil
}

// number gives shots their order of presentation and moves the first of them to
// time 0.
func (f *strip) number(last time.Duration) {
	order := make([]int, len(f.shots))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(f.shots[a].pts - f.shots[b].pts) })
	first := f.shots[order[0]].pts
	for index, i := range order {
		f.shots[i].index = index
	}
	for i := range f.shots {
		s := &f.shots[i]
		s.pts -= first
		s.dts -= first
		f.delay = max(f.delay, s.pts-s.dts)
	}
	if f.length == last { // the container does not say how long the last one is shown
		f.length += f.period(last - first)
	}
	f.length -= first
	f.frames = len(f.shots)
}

// keys are the indices of the key frames.
func (f *strip) keys() map[int]bool {
	keys := map[int]bool{}
	for _, s := range f.shots {
		if s.key {
			keys[s.index] = true
		}
	}
	return keys
}

// lateBy is how many pictures that are shown after another come before it, at
// most. For the picture with the most such, all that are shown before it have
// come (one that had not would have more), so that they are its place in the
// order of decoding less that in the order of presentation.
func (f *strip) lateBy() (n int) {
	for at, s := range f.shots {
		n = max(n, at-s.index)
	}
	return n
}

// rate is how many pictures a second it has.
func (f *strip) rate() float64 { return float64(len(f.shots)) / f.length.Seconds() }

// fitsRTP says what of a film of JPEG pictures RTP cannot carry, as far as their
// first one shows.
func (f *strip) fitsRTP() error {
	const mend = "have it encoded (--codec mjpeg)"
	switch w, h := f.info.Width, f.info.Height; {
	case max(w, h) > maxJPEG || w%8 != 0 || h%8 != 0:
		return fmt.Errorf("film %s: pictures of %dx%d: RTP carries JPEG of multiples of 8 up to %d: %s", f.path, w, h, maxJPEG, mend)
	case !f.standard:
		return fmt.Errorf("film %s: its pictures have Huffman tables of their own, which RTP does not carry: %s", f.path, mend)
	}
	return nil
}

// period is the usual time between pictures.
func (f *strip) period(shown time.Duration) time.Duration {
	if n := len(f.shots) - 1; n > 0 && shown > 0 {
		return shown / time.Duration(n)
	}
	if f.info.FPS > 0 {
		return time.Duration(float64(time.Second) / f.info.FPS)
	}
	return time.Second / 30
}

// reel reads a film again and again. It belongs to one camera.
type reel struct {
	film    *strip
	packets *avdec.Packets
	at      int // number of the next shot
}

func (f *strip) open() (*reel, error) {
	p, err := avdec.OpenPackets(f.path)
	if err != nil {
		return nil, fmt.Errorf("open film: %w", err)
	}
	return &reel{film: f, packets: p}, nil
}

// next gives the data of the next shot, valid until the next call. After the last
// comes the first.
func (r *reel) next() (shot, []byte, error) {
	if r.at == len(r.film.shots) {
		if err := r.seek(context.Background(), 0); err != nil {
			return shot{}, nil, err
		}
	}
	k, err := r.packets.Next()
	if err != nil {
		return shot{}, nil, fmt.Errorf("frame %d of the film, which was there before: %w", r.at, err)
	}
	s := r.film.shots[r.at]
	r.at++
	return s, k.Data, nil
}

// seek makes shot n the next, until ctx ends. It reads all before it, from where
// it is or from the beginning.
func (r *reel) seek(ctx context.Context, n int) error {
	if n < r.at {
		if err := r.packets.Rewind(); err != nil {
			return err
		}
		r.at = 0
	}
	for ; r.at < n; r.at++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := r.packets.Next(); err != nil {
			return err
		}
	}
	return nil
}

// keyBefore is the number of the last key frame at or before the picture of an
// index.
func (f *strip) keyBefore(index int) int {
	at := 0
	for i, s := range f.shots {
		if s.key && s.index <= index {
			at = i
		}
	}
	return at
}

func (r *reel) close() { _ = r.packets.Close() }

// parameterSets are an access unit's sets by their order in the SDP: SPS and PPS,
// or VPS, SPS and PPS; nil where one is missing.
func parameterSets(codec string, units [][]byte) [][]byte {
	types := map[string][]byte{H264: {7, 8}, H265: {32, 33, 34}}[codec]
	var sets [][]byte
	for _, want := range types {
		i := slices.IndexFunc(units, func(u []byte) bool { return unitType(codec, u) == want })
		if i < 0 {
			return nil
		}
		sets = append(sets, bytes.Clone(units[i]))
	}
	return sets
}

func unitType(codec string, u []byte) byte {
	if codec == H265 {
		return u[0] >> 1 & 0x3f
	}
	return u[0] & 0x1f
}
