// Package lanes finds lane lines and the drivable area: a segmentation network
// of the TwinLiteNet family paints two masks, and plain Go turns them into
// polylines, curves on the ground and a polygon.
//
// Invariants:
//   - A [Finder] is used by one goroutine at a time. Its buffers are made once;
//     a call of Find allocates only what it hands out in the [msg.LaneSet], which
//     refers to none of them.
//   - The same masks and camera give the same result, bit for bit.
//   - Whatever the masks hold, the result is bounded: at most 12 lines of at most
//     32 points, and one polygon of at most 64 corners that does not cross itself.
//   - Sizes and tolerances in pixels are of the mask (640x360 for TwinLiteNet);
//     what comes out is in pixels of the source frame.
//
// How a mask becomes lines: its rows are cut into runs; runs that continue each
// other form chains; chains that lie where the other is heading are bridged, so
// that dashes and worn paint become one line; each line is resampled from near
// to far. Where lines meet or fork, chains end, and those that line up go on.
package lanes

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"gocv.io/x/gocv"

	"dashline/infer"
	"dashline/infer/preprocess"
	"dashline/lanes/ground"
	"dashline/model/catalog"
	"dashline/pipeline/msg"
)

// Options tune a Finder. The zero value keeps everything.
type Options struct {
	// MinConfidence leaves out lines of less confidence, 0 to 1.
	MinConfidence float32
}

// Timing says where the time of one Find went.
type Timing struct {
	Preprocess time.Duration // picture to input tensor
	Forward    time.Duration // the network
	Decode     time.Duration // outputs to lines and area
}

// Finder finds lanes with one network.
type Finder struct {
	net    infer.Network
	by     msg.Network
	pre    *preprocess.Preprocessor
	decode decoder
}

// New makes a Finder of an open network and its description. The network stays
// the caller's, who closes it after the Finder.
func New(net infer.Network, d *catalog.Network, opt Options) (*Finder, error) {
	if d.Decode.Kind != "twinlite" {
		return nil, fmt.Errorf("network %s has decode kind %q, lanes know %q: choose a network with task: lanes", d.Name, d.Decode.Kind, "twinlite")
	}
	if r := d.Input.Resize; r != "stretch" && r != "pad" {
		return nil, fmt.Errorf("network %s has resize %q, lane masks are mapped back from %q or %q: correct its description", d.Name, r, "stretch", "pad")
	}
	if !(opt.MinConfidence >= 0 && opt.MinConfidence <= 1) {
		return nil, fmt.Errorf("lanes: least confidence is %g: give a value from 0 to 1", opt.MinConfidence)
	}
	info := net.Info()
	drivable, lane, err := heads(info, d)
	if err != nil {
		return nil, err
	}
	pre, err := preprocess.New(d.Input)
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", d.Name, err)
	}
	return &Finder{
		net: net,
		by: msg.Network{
			Name: info.Name, Engine: info.Engine,
			Requested: string(info.Requested), Backend: string(info.Backend),
		},
		pre:    pre,
		decode: newDecoder(drivable, lane, opt),
	}, nil
}

// Find runs the network on img, 8-bit BGR of any size, which it only reads, and
// fills dst except for its Header. The camera is scaled to the picture's size.
// On an error dst is as it was.
//
// A line's Confidence is the product of three shares: the mean probability that
// the network gives along the line (bridged gaps included, so paint that is worn
// or dashed counts for less), how much of a line was seen (marked rows of a sixth
// of the mask's, at most 1), and how well the curve fits (1/(1+(r/4)²) for a
// residual of r columns of the mask; 1/2 where there is no curve).
func (f *Finder) Find(img gocv.Mat, cam *ground.Camera, dst *msg.LaneSet) (Timing, error) {
	var t Timing
	if cam == nil {
		return t, errors.New("find lanes: no camera: describe one, or use ground.Default")
	}
	start := time.Now()
	if _, err := f.pre.Run(img, f.net.Input()); err != nil {
		if img.Ptr() == nil {
			return t, fmt.Errorf("find lanes: %w", err)
		}
		return t, fmt.Errorf("find lanes in a picture of %dx%d: %w", img.Cols(), img.Rows(), err)
	}
	prepared := time.Now()
	t.Preprocess = prepared.Sub(start)
	out, err := f.net.Forward()
	if err != nil {
		return t, fmt.Errorf("find lanes: %w", err)
	}
	forwarded := time.Now()
	t.Forward = forwarded.Sub(prepared)
	scaled := cam.Scale(img.Cols(), img.Rows())
	f.decode.run(out, &scaled, dst)
	dst.By = f.by
	t.Decode = time.Since(forwarded)
	return t, nil
}

// Masks returns the last Find's masks, w x h pixels, row by row, each 0 or 1.
// They are borrowed until the next Find.
func (f *Finder) Masks() (lane, drivable []uint8, w, h int) {
	return f.decode.laneMask, f.decode.areaMask, f.decode.lane.width, f.decode.lane.rows
}

// Close frees the Finder's native memory, not the network. It is safe to call twice.
func (f *Finder) Close() error { return f.pre.Close() }

// decoder turns a network's outputs into a LaneSet. Pure Go.
type decoder struct {
	drivable, lane     head
	minConfidence      float32
	areaMask, laneMask []uint8
	lines              lineFinder
	area               areaFinder
	fitter             fitter
	found              [maxLines]candidate
	order              [maxLines]int
}

// candidate is a line before it is known whether and where it goes out.
type candidate struct {
	lane   msg.Lane // Points refers to pts
	pts    [maxPoints]msg.Pixel
	beside float64 // metres to the left of the vehicle
}

func newDecoder(drivable, lane head, opt Options) decoder {
	n := lane.rows * lane.width
	return decoder{
		drivable: drivable, lane: lane, minConfidence: opt.MinConfidence,
		areaMask: make([]uint8, n), laneMask: make([]uint8, n),
	}
}

// run fills dst from outputs; cam is scaled to the source frame.
func (d *decoder) run(outputs [][]float32, cam *ground.Camera, dst *msg.LaneSet) {
	d.drivable.mask(outputs, d.areaMask)
	d.lane.mask(outputs, d.laneMask)
	background, foreground := d.lane.planes(outputs)
	d.fill(cam, dst, func(x, y float64) float64 {
		return d.lane.probability(background, foreground, x, y)
	})
}

// fill makes lines and area of the decoder's masks. probability tells how sure
// the network was of a line at a point of the mask.
func (d *decoder) fill(cam *ground.Camera, dst *msg.LaneSet, probability func(x, y float64) float64) {
	dst.Width, dst.Height = cam.Width, cam.Height
	sx := float64(cam.Width) / float64(d.lane.width)
	sy := float64(cam.Height) / float64(d.lane.rows)

	n, points := 0, 0
	for _, line := range d.lines.find(d.laneMask, d.lane.width, d.lane.rows) {
		c := &d.found[n]
		if d.describe(c, line, cam, sx, sy, probability); c.lane.Confidence < d.minConfidence {
			continue
		}
		d.order[n] = n
		n++
		points += len(c.lane.Points)
	}
	slices.SortStableFunc(d.order[:n], func(a, b int) int {
		return cmp.Compare(d.found[b].beside, d.found[a].beside)
	})
	polygon, share := d.area.find(d.areaMask, d.laneMask, d.lane.width, d.lane.rows)

	// All that goes out shares one allocation of pixels.
	pixels := make([]msg.Pixel, 0, points+len(polygon))
	dst.Lanes = nil
	if n > 0 {
		dst.Lanes = make([]msg.Lane, n)
	}
	for i, k := range d.order[:n] {
		lane := d.found[k].lane
		first := len(pixels)
		pixels = append(pixels, lane.Points...)
		lane.Points = pixels[first:len(pixels):len(pixels)]
		dst.Lanes[i] = lane
	}
	dst.EgoLeft, dst.EgoRight = ego(dst.Lanes)
	first := len(pixels)
	for _, p := range polygon {
		pixels = append(pixels, msg.Pixel{X: float32(float64(p.x) * sx), Y: float32(float64(p.y) * sy)})
	}
	dst.Drivable = pixels[first:len(pixels):len(pixels)]
	dst.DrivableConfidence = float32(share)
}

// describe fills a candidate from a line's marked rows.
func (d *decoder) describe(c *candidate, line []point, cam *ground.Camera, sx, sy float64, probability func(x, y float64) float64) {
	var sampled [maxPoints]point
	n := resample(line, sampled[:])
	sure := 0.0
	for i, p := range sampled[:n] {
		sure += probability(p.x, p.y)
		// A local fit can end a hair outside.
		x := math.Min(float64(d.lane.width), math.Max(0, p.x))
		c.pts[i] = msg.Pixel{X: float32(x * sx), Y: float32(p.y * sy)}
	}
	sure /= float64(n)
	c.lane.Points = c.pts[:n]

	seen := math.Min(1, 6*float64(len(line))/float64(d.lane.rows))
	fits := 0.5
	curve, residual, ok := d.fitter.fit(cam, c.lane.Points)
	if ok {
		r := residual / sx / 4
		fits = 1 / (1 + r*r)
	}
	c.lane.Curve = curve
	c.lane.Confidence = float32(sure * seen * fits)
	c.beside = d.side(line, &curve, cam, sx, sy)
}

// side is how far to the left of the vehicle a line passes, to sort by: by its
// curve, or else by where it would leave the picture at the bottom.
func (d *decoder) side(line []point, curve *msg.Cubic, cam *ground.Camera, sx, sy float64) float64 {
	if y, ok := beside(curve); ok {
		return y
	}
	bottom := float64(d.lane.rows)
	x, _ := straight(line[:min(len(line), endRows)], bottom)
	if g, ok := cam.ToGround(msg.Pixel{X: float32(x * sx), Y: float32(bottom * sy)}); ok {
		return g.Y
	}
	return float64(d.lane.width)/2 - x
}
