package layout

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const ms = time.Millisecond

var abc = []string{"a.png", "b.png", "c.png"}

func TestReadTimes(t *testing.T) {
	day := time.Date(2011, 9, 26, 13, 2, 25, 964389445, time.UTC)
	tests := []struct {
		name, text string
		at         []time.Duration
		first      time.Time
	}{
		{"seconds", "0.0\n0.1\n0.25\n", []time.Duration{0, 100 * ms, 250 * ms}, time.Time{}},
		{"seconds from anywhere", "-0.5\n12.\n12.000000001999", []time.Duration{0, 12500 * ms, 12500*ms + 1}, time.Time{}},
		{"exponents", "0.000000e+00\n1.036224e-01\n2.070e-01\n", []time.Duration{0, 103622400, 207 * ms}, time.Time{}},
		{"seconds of an epoch", "1317042145.964389445\n1317042146.064389445\n1317042146.0643894451", nil, time.Time{}},
		{"seconds of a day", "1317042145.964389445\n1317042146.064389445\n1317042146.064389446", []time.Duration{0, 100 * ms, 100*ms + 1}, day},
		{"nanoseconds", "5\n100000005\r\n\r\n200000006\r\n", []time.Duration{0, 100 * ms, 200*ms + 1}, time.Time{}},
		{"nanoseconds of a day", "1317042145964389445\n1317042146064389445\n1317042146164389445\n", []time.Duration{0, 100 * ms, 200 * ms}, day},
		{"dates", "2011-09-26 13:02:25.964389445\n2011-09-26 13:02:26.064389445\n2011-09-26 13:02:27\n", []time.Duration{0, 100 * ms, 1035610555}, day},
		{"dates with a zone", "2011-09-26T15:02:25.964389445+02:00\n2011-09-26T13:02:26.064389445Z\n2011-09-26 13:02:26.164389445Z\n", []time.Duration{0, 100 * ms, 200 * ms}, day},
		{"a table", "\ufefftimestamp [ns],filename\n#made today\n0,a.png\n100000000, rgb/b.png , x\n200000000;c.png\n", []time.Duration{0, 100 * ms, 200 * ms}, time.Time{}},
		{"a table of numbers", "0.0,0.5\n0.1\tword\n0.2,\n", []time.Duration{0, 100 * ms, 200 * ms}, time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadTimes(strings.NewReader(tt.text), abc)
			if tt.at == nil {
				if err == nil {
					t.Error("two pictures of the same nanosecond")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.At, tt.at) || !got.First.Equal(tt.first) {
				t.Errorf("got %v from %v; want %v from %v", got.At, got.First, tt.at, tt.first)
			}
		})
	}
	if got := (Times{At: []time.Duration{0, 10, 15, 100, 108}}).Gap(); got != 10 {
		t.Errorf("gap %v; want the median", got)
	}
}

func TestReadTimesRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", "line 0: the file ends after 0 times, and there are 3 pictures"},
		{"too few", "0.0\n0.1\n", "line 2: the file ends after 2 times"},
		{"too many", "0.0\n0.1\n0.2\n\n0.3\n", "line 5: a time more than the 3 pictures"},
		{"backwards", "0.0\n0.2\n0.1\n", `line 3: "0.1" is not after`},
		{"standing still", "0.0\n0.0\n0.1\n", `line 2: "0.0" is not after`},
		{"mixed", "0.0\n100000000\n0.2\n", `line 2: "100000000" is nanoseconds, and the lines before are seconds`},
		{"words", "0.0\nabout noon\n", `line 2: "about noon" is no time`},
		{"two headings", "time\nname\n", `line 2: "name" is no time`},
		{"another picture", "0.0,a.png\n0.1,c.png\n", `line 2: it is for the picture "c.png", and number 2 in the order of the names is b.png`},
		{"whole seconds", "0\n1\n2\n", "write seconds with a point"},
		{"not a number", "0.0\nNaN\n", "is no time"},
		{"NaN with an e", "0.0\n1e999\n", "is no time"},
		{"hexadecimal", "0x1.8p3\n", "is no time"},
		{"only a point", ".\n", "is no time"},
		{"a comma", ",\n", "is no time"},
		{"large seconds", "99999999999.0\n", "is no time"},
		{"large nanoseconds", "9223372036854775807\n", "century"},
		{"larger still", "92233720368547758070\n", "is no time"},
		{"no such day", "2011-02-30 00:00:00\n", "is no time"},
		{"an old year", "1066-10-14 09:00:00\n", "the year is not"},
		{"a long line", "0.0\n" + strings.Repeat("1", maxLine+1), "line 2: longer than"},
		{"a picture's bytes", "\x89PNG\r\n\x1a\n\x00\x00", "is no time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadTimes(strings.NewReader(tt.text), abc)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, error %v; want %q", got, err, tt.want)
			}
		})
	}
}

// FuzzTimes: any file gives as many growing times as there are pictures, or an
// error of one line.
func FuzzTimes(f *testing.F) {
	for _, text := range []string{
		"0.0\n0.1\n0.2\n", "1.5e-1\n2e-1\n3E-1\n", "1317042145964389445\n1317042146064389445\n1317042146164389445\n",
		"2011-09-26 13:02:25.964389445\n2011-09-26T13:02:26Z\n2011-09-26 13:02:27\n", "time,name\n0.0,a.png\n0.1,b.png\n0.2,c.png\n",
		"-4000000000.0\n0.0\n4000000000.0\n", "0\n1\n2\n", "\ufeff#\n0.0",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ReadTimes(strings.NewReader(text), abc)
		if err != nil {
			if got.At != nil {
				t.Error("times and an error")
			}
			return
		}
		if len(got.At) != len(abc) || got.At[0] != 0 || got.Gap() <= 0 {
			t.Fatalf("got %+v", got)
		}
		for i := range 2 {
			if got.At[i+1] <= got.At[i] {
				t.Fatalf("got %+v", got)
			}
		}
		if y := got.First.Year(); !got.First.IsZero() && (y < 1970 || y > 2100) {
			t.Fatalf("taken at %v", got.First)
		}
	})
}
