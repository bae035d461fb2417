package layout

import (
	"strings"
	"testing"

	"dashline/lanes/ground"
)

// calibration is of the layout of KITTI's file, with round numbers.
const calibration = `calib_time: 09-Jan-2012 13:57:47
corner_dist: 9.950000e-02
S_02: 1.392000e+03 5.120000e+02
K_02: 9.600000e+02 0.000000e+00 6.900000e+02 0.000000e+00 9.550000e+02 2.400000e+02 0.000000e+00 0.000000e+00 1.000000e+00
D_02: -3.700000e-01 2.000000e-01 1.000000e-03 2.000000e-03 -7.000000e-02
R_02: 1.0 0.0 0.0 0.0 1.0 0.0 0.0 0.0 1.0
T_02: 0.0 0.0 0.0
S_rect_02: 1.242000e+03 3.750000e+02
R_rect_02: 1.0 0.0 0.0 0.0 1.0 0.0 0.0 0.0 1.0
P_rect_02: 7.210000e+02 0.000000e+00 6.090000e+02 4.480000e+01 0.000000e+00 7.220000e+02 1.720000e+02 2.000000e-01 0.000000e+00 0.000000e+00 1.000000e+00 2.700000e-03
`

func TestKITTICamera(t *testing.T) {
	rectified := ground.Camera{Width: 1242, Height: 375, Fx: 721, Fy: 722, Cx: 609, Cy: 172, HeightM: 1.65}
	raw := ground.Camera{Width: 1392, Height: 512, Fx: 960, Fy: 955, Cx: 690, Cy: 240, K1: -0.37, K2: 0.2, P1: 0.001, P2: 0.002, K3: -0.07, HeightM: 1.65}
	for _, tt := range []struct {
		name          string
		width, height int
		want          ground.Camera
	}{
		{"rectified", 1242, 375, rectified},
		{"before rectification", 1392, 512, raw},
		{"scaled", 621, 188, rectified},
	} {
		got, err := KITTICamera(strings.NewReader(calibration), 2, tt.width, tt.height)
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestKITTICameraRefuses(t *testing.T) {
	with := func(old, new string) string {
		if !strings.Contains(calibration, old) {
			t.Fatalf("the calibration has no %q", old)
		}
		return strings.Replace(calibration, old, new, 1)
	}
	tests := []struct {
		name, text string
		camera     int
		want       string
	}{
		{"nothing", "", 2, "S_rect_02 and P_rect_02 are not both in it"},
		{"another camera", calibration, 3, "P_rect_03"},
		{"a word", with("7.210000e+02", "focal"), 2, `line 10: P_rect_02: "focal" is no number`},
		{"infinite", with("7.210000e+02", "Inf"), 2, `line 10: P_rect_02: "Inf" is no number`},
		{"a number short", with(" 3.750000e+02", ""), 2, "line 8: S_rect_02 has 1 numbers; want 2"},
		{"twice", calibration + "S_rect_02: 1 1\n", 2, "line 11: a second S_rect_02"},
		{"half a pixel", with("1.242000e+03", "1242.5"), 2, "S_rect_02: 1242.5 is no size in pixels"},
		{"a huge picture", with("1.242000e+03", "1e300"), 2, "is no size in pixels"},
		{"no focal length", with("7.210000e+02", "0"), 2, "camera fx is 0"},
		{"a long line", strings.Repeat("x", maxLine+1), 2, "line 1: longer than"},
		{"a long file", strings.Repeat(strings.Repeat("x", 1000)+"\n", 100), 2, "larger than 64 KiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := KITTICamera(strings.NewReader(tt.text), tt.camera, 1242, 375)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%+v, error %v; want %q", got, err, tt.want)
			}
		})
	}
}

// FuzzCalibration: any file gives a camera that can be, or an error.
func FuzzCalibration(f *testing.F) {
	f.Add(calibration, 1242, 375)
	f.Add(calibration, 1392, 512)
	f.Add("S_rect_02: 1 1\nP_rect_02: 1 0 0 0 0 1 0 0 0 0 1 0\n", 1, 1)
	f.Add("S_rect_02: nan -1\nP_rect_02:\n:\n", 0, -1)
	f.Fuzz(func(t *testing.T, text string, width, height int) {
		c, err := KITTICamera(strings.NewReader(text), 2, width, height)
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
	})
}
