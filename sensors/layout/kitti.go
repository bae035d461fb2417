package layout

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"dashline/lanes/ground"
)

// The lens of KITTI's cameras above the road, metres, by its set-up drawing.
const kittiMountM = 1.65

// KITTICamera reads calib_cam_to_cam.txt of KITTI's raw data and returns camera
// n (0 to 3) for pictures of a size. Pictures of the size before rectification
// have the lens's own intrinsics and distortion (K and D), all others the
// rectified ones (P_rect). The camera looks straight ahead from 1.65 m.
func KITTICamera(r io.Reader, n, width, height int) (ground.Camera, error) {
	c, err := readCalibration(r, n)
	if err != nil {
		return ground.Camera{}, err
	}
	key := func(name string) string { return fmt.Sprintf("%s_%02d", name, n) }
	s, k, d := c[key("S")], c[key("K")], c[key("D")]
	rect, p := c[key("S_rect")], c[key("P_rect")]
	is := func(size []float64) bool {
		return size != nil && size[0] == float64(width) && size[1] == float64(height)
	}
	var out ground.Camera
	switch {
	case k != nil && d != nil && is(s) && !is(rect):
		out = ground.Camera{
			Width: width, Height: height, Fx: k[0], Fy: k[4], Cx: k[2], Cy: k[5],
			K1: d[0], K2: d[1], P1: d[2], P2: d[3], K3: d[4], HeightM: kittiMountM,
		}
	case p != nil && rect != nil:
		w, h, err := size(rect)
		if err != nil {
			return out, fmt.Errorf("%s: %w", key("S_rect"), err)
		}
		out = ground.Camera{Width: w, Height: h, Fx: p[0], Fy: p[5], Cx: p[2], Cy: p[6], HeightM: kittiMountM}
	default:
		return out, fmt.Errorf("%s and %s are not both in it, and neither are %s, %s and %s for pictures of %dx%d",
			key("S_rect"), key("P_rect"), key("S"), key("K"), key("D"), width, height)
	}
	return out, out.Validate()
}

// size is a size in whole pixels.
func size(v []float64) (w, h int, err error) {
	for _, x := range v {
		if x != math.Trunc(x) || x < 1 || x > 1<<15 {
			return 0, 0, fmt.Errorf("%g is no size in pixels", x)
		}
	}
	return int(v[0]), int(v[1]), nil
}

// The limit on a calibration file; real ones have 4 KiB.
const maxCalibration = 64 << 10

// readCalibration reads the lines of camera n that are used.
func readCalibration(r io.Reader, n int) (map[string][]float64, error) {
	length := map[string]int{}
	for name, values := range map[string]int{"S": 2, "K": 9, "D": 5, "S_rect": 2, "P_rect": 12} {
		length[fmt.Sprintf("%s_%02d", name, n)] = values
	}
	out := map[string][]float64{}
	number, bytes := 0, 0
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		number++
		if bytes += len(s.Bytes()) + 1; bytes > maxCalibration {
			return nil, fmt.Errorf("line %d: the file is larger than %d KiB", number, maxCalibration>>10)
		}
		key, text, ok := strings.Cut(s.Text(), ":")
		want, used := length[key]
		if !ok || !used {
			continue // other cameras, and what is not needed
		}
		if out[key] != nil {
			return nil, fmt.Errorf("line %d: a second %s", number, key)
		}
		fields := strings.Fields(text)
		if len(fields) != want {
			return nil, fmt.Errorf("line %d: %s has %d numbers; want %d", number, key, len(fields), want)
		}
		values := make([]float64, want)
		for i, f := range fields {
			v, err := strconv.ParseFloat(f, 64)
			if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
				return nil, fmt.Errorf("line %d: %s: %.40q is no number", number, key, f)
			}
			values[i] = v
		}
		out[key] = values
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("line %d: longer than %d bytes", number+1, maxLine)
	} else if err != nil {
		return nil, err
	}
	return out, nil
}
