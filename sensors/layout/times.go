package layout

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits on a times file.
const (
	maxLine = 4096
	maxFile = 256 << 20
)

// Times are the times at which the pictures of a folder were taken.
type Times struct {
	// At is one time a picture, from that of the first, growing.
	At []time.Duration
	// First is when the first was taken; zero where the file does not say a date.
	First time.Time
}

// ReadTimes reads one time a line for pictures of the given names, in their
// order. A time is one of
//
//	12.345678, 1.2345678e+01          seconds
//	1317042142964389445               whole: nanoseconds
//	2011-09-26 13:02:25.964389445     a date and time, UTC where it names no zone
//
// and the same kind in the whole file. Seconds and nanoseconds from 2001-09-09
// on (10⁹ s) count from 1970 and so tell the date as well. After a comma, a
// semicolon or a tab the name of the picture may follow, which must then be the
// right one, and anything behind that. Empty lines, lines that begin with #, and
// one line of headings at the top are passed over.
func ReadTimes(r io.Reader, names []string) (Times, error) {
	p := timesParser{names: names}
	number, size := 0, 0
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		number++
		if size += len(s.Bytes()) + 1; size > maxFile {
			return Times{}, fmt.Errorf("line %d: the file is larger than %d MiB", number, maxFile>>20)
		}
		line := s.Text()
		if number == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if err := p.line(strings.TrimSpace(line)); err != nil {
			return Times{}, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return Times{}, fmt.Errorf("line %d: longer than %d bytes", number+1, maxLine)
	} else if err != nil {
		return Times{}, err
	}
	n := len(p.times.At)
	if n < len(names) {
		return Times{}, fmt.Errorf("line %d: the file ends after %d times, and there are %d pictures", number, n, len(names))
	}
	if n > 1 {
		if mean := p.times.At[n-1] / time.Duration(n-1); mean < 100*time.Microsecond {
			return Times{}, fmt.Errorf("the pictures are %v apart: whole numbers are nanoseconds, write seconds with a point (1.0)", mean)
		}
	}
	return p.times, nil
}

// timesParser is what is known after some lines of a file of times.
type timesParser struct {
	names  []string
	times  Times
	first  int64 // of the times, ns
	kind   string
	headed bool // the line of headings has been there
}

func (p *timesParser) line(line string) error {
	n := len(p.times.At)
	switch {
	case line == "" || line[0] == '#':
		return nil
	case n == 0 && !p.headed && isHeading(line):
		p.headed = true
		return nil
	case n == len(p.names):
		return fmt.Errorf("a time more than the %d pictures", n)
	}
	text, name := columns(line)
	if isPicture(name) && path.Base(name) != p.names[n] {
		return fmt.Errorf("it is for the picture %.80q, and number %d in the order of the names is %s", name, n+1, p.names[n])
	}
	v, kind, err := parseTime(text)
	if err != nil {
		return err
	}
	if n == 0 {
		p.first, p.kind = v, kind
		if kind == isDate || v >= dated {
			p.times.First = time.Unix(0, v).UTC()
		}
	}
	if kind != p.kind {
		return fmt.Errorf("%.40q is %s, and the lines before are %s: write all in one way", text, kind, p.kind)
	}
	at := time.Duration(v - p.first)
	if n > 0 && at <= p.times.At[n-1] {
		return fmt.Errorf("%.40q is not after the time before it: each picture is taken later than the one before", text)
	}
	p.times.At = append(p.times.At, at)
	return nil
}

// columns are the first two columns of a line.
func columns(line string) (first, second string) {
	const separators = ",;\t"
	i := strings.IndexAny(line, separators)
	if i < 0 {
		return line, ""
	}
	first, second = line[:i], line[i+1:]
	if i = strings.IndexAny(second, separators); i >= 0 {
		second = second[:i]
	}
	return strings.TrimSpace(first), strings.TrimSpace(second)
}

// Gap is the usual time between two pictures: the median, 0 for fewer than two.
func (t Times) Gap() time.Duration {
	if len(t.At) < 2 {
		return 0
	}
	gaps := make([]time.Duration, len(t.At)-1)
	for i := range gaps {
		gaps[i] = t.At[i+1] - t.At[i]
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

// isHeading says whether a line cannot be meant as a time.
func isHeading(line string) bool {
	c := line[0] | 0x20
	return c >= 'a' && c <= 'z' || line[0] == '"'
}

func isPicture(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg", ".png":
		return true
	}
	return false
}

// The kinds of times, as errors call them.
const (
	isSeconds = "seconds"
	isNanos   = "nanoseconds"
	isDate    = "a date and time"
)

const (
	dated   = int64(1e18) // ns from 1970: from here on a number is a date
	largest = int64(4e18) // ns: differences of two are no larger than an int64
)

// parseTime reads a time in nanoseconds.
func parseTime(text string) (ns int64, kind string, err error) {
	switch {
	case strings.Contains(text, ":"):
		ns, err = parseDate(text)
		return ns, isDate, err
	case strings.ContainsAny(text, ".eE"):
		ns, err = parseSeconds(text)
		return ns, isSeconds, err
	}
	ns, err = strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, "", notATime(text)
	}
	if ns > largest || ns < -largest {
		return 0, "", fmt.Errorf("%.40q ns are more than a century and a quarter", text)
	}
	return ns, isNanos, nil
}

func notATime(text string) error {
	return fmt.Errorf("%.40q is no time: give seconds (12.345), nanoseconds (12345000000), or 2011-09-26 13:02:25.964389445", text)
}

func parseDate(text string) (int64, error) {
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			if y := t.UTC().Year(); y < 1970 || y > 2090 {
				return 0, fmt.Errorf("%.40q: the year is not from 1970 to 2090", text)
			}
			return t.UnixNano(), nil
		}
	}
	return 0, notATime(text)
}

// parseSeconds reads decimal seconds exactly to the nanosecond; what is finer is
// left out. A float64 of seconds since 1970 would be 200 ns off.
func parseSeconds(text string) (int64, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	if strings.ContainsAny(text, "eE") {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.Abs(v)*1e9 > float64(largest) {
			return 0, notATime(text)
		}
		return int64(math.Round(v * 1e9)), nil
	}
	negative := strings.HasPrefix(whole, "-")
	whole = strings.TrimPrefix(whole, "-")
	if digits(whole) != len(whole) || digits(fraction) != len(fraction) || len(whole)+len(fraction) == 0 || len(whole) > 10 {
		return 0, notATime(text)
	}
	fraction = (fraction + "000000000")[:9]
	ns, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || ns > largest {
		return 0, notATime(text)
	}
	if negative {
		ns = -ns
	}
	return ns, nil
}
