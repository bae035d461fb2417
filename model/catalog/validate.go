package catalog

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"dashline/internal/strictyaml"
)

var (
	slug      = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// maxClasses bounds the class list; ImageNet-22k is the largest in common use.
const maxClasses = 22_000

// Validate says everything that is wrong with a description.
func (n Network) Validate() error {
	errs := []error{strictyaml.Check(&n)}
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !slug.MatchString(n.Name) || strings.Contains(n.Name, "..") {
		wrong("name: %q is not a name: lower-case letters, digits, dots, dashes and underscores, at most 64", n.Name)
	}
	errs = append(errs, n.files()...)
	errs = append(errs, n.Input.validate()...)
	errs = append(errs, n.decode()...)
	errs = append(errs, n.accuracy()...)
	return errors.Join(errs...)
}

// roles are the files that each format is made of.
var roles = map[string][]string{
	"darknet": {"config", "weights"},
	"onnx":    {"model"},
}

func (n Network) files() (errs []error) {
	var have []string
	for i, f := range n.Files {
		have = append(have, f.Role)
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) || strings.Contains(f.Path, `\`) || strings.Contains(f.Path, "..") || filepath.Clean(f.Path) == "." {
			errs = append(errs, fmt.Errorf("files[%d].path: %q is not a relative path inside the description's folder", i, f.Path))
		}
		if f.SHA256 != "" && !sha256Hex.MatchString(f.SHA256) {
			errs = append(errs, fmt.Errorf("files[%d].sha256: %q is not 64 lower-case hexadecimal digits", i, f.SHA256))
		}
		if err := checkURL(f.URL); err != nil {
			errs = append(errs, fmt.Errorf("files[%d].url: %w", i, err))
		}
	}
	want := roles[n.Format]
	slices.Sort(have)
	if want != nil && !slices.Equal(have, want) {
		errs = append(errs, fmt.Errorf("files: format %s is made of the roles %s, found %s", n.Format, strings.Join(want, " and "), strings.Join(have, ", ")))
	}
	return errs
}

func checkURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return fmt.Errorf("%q is not an https address", text)
	}
	return nil
}

func (in Input) validate() (errs []error) {
	for c, s := range in.Scale {
		if s == 0 {
			errs = append(errs, fmt.Errorf("input.scale[%d]: 0 would make every picture the same", c))
		}
	}
	switch {
	case in.Resize != "pad" && in.PadRows != 0:
		errs = append(errs, errors.New(`input.pad_rows: only resize "pad" has them`))
	case in.Resize == "pad" && in.PadRows == 0:
		errs = append(errs, errors.New(`input.pad_rows: resize "pad" needs them`))
	case in.Resize == "pad" && 2*in.PadRows >= in.Height:
		errs = append(errs, fmt.Errorf("input.pad_rows: 2 x %d rows leave nothing of a height of %d", in.PadRows, in.Height))
	}
	return errs
}

// maxData bounds the name of what an accuracy was measured on.
const maxData = 300

func (n Network) accuracy() (errs []error) {
	a := n.Accuracy
	if a == (Accuracy{}) {
		return nil
	}
	if n.Task != "detect" {
		errs = append(errs, fmt.Errorf("accuracy: ap50 is a detector's, this network is for %s: leave it out", n.Task))
	}
	if !a.Known() || strings.TrimSpace(a.Data) == "" {
		errs = append(errs, errors.New("accuracy: ap50 is above 0, and data says what it was measured on: give both, or leave accuracy out"))
	}
	if len(a.Data) > maxData || strings.ContainsFunc(a.Data, unicode.IsControl) {
		errs = append(errs, fmt.Errorf("accuracy.data: %.20q is not one line of at most %d bytes", a.Data, maxData))
	}
	return errs
}

func (n Network) decode() (errs []error) {
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	d := n.Decode
	task := "detect"
	if d.Kind == "twinlite" {
		task = "lanes"
	}
	if n.Task != task {
		wrong("decode.kind: %s is for task %s, not %s", d.Kind, task, n.Task)
	}
	if n.Format == "darknet" && d.Kind != "yolo" {
		wrong("decode.kind: a darknet network is read as yolo, not %s", d.Kind)
	}
	strided := d.Kind == "yolox" || d.Kind == "nanodet"
	if strided != (len(d.Strides) > 0) {
		wrong("decode.strides: yolox and nanodet need them, other kinds have none")
	}
	if len(d.Strides) > 8 {
		wrong("decode.strides: %d are too many, the limit is 8", len(d.Strides))
	}
	if (d.Kind == "nanodet") != (d.Bins > 1) {
		wrong("decode.bins: nanodet needs at least 2, other kinds have none; found %d", d.Bins)
	}
	// Heads of these families sit on grids of whole cells.
	grid := d.Strides
	if d.Kind == "yolo" {
		grid = []int{32}
	}
	for _, s := range grid {
		if s > 0 && (n.Input.Width%s != 0 || n.Input.Height%s != 0) {
			wrong("input: %dx%d is not a multiple of %d, which %s needs", n.Input.Width, n.Input.Height, s, d.Kind)
		}
	}
	if (task == "detect") != (len(n.Classes) > 0) {
		wrong("classes: a detector needs their names, other networks have none")
	}
	if len(n.Classes) > maxClasses {
		wrong("classes: %d are too many, the limit is %d", len(n.Classes), maxClasses)
	}
	for i, c := range n.Classes {
		if strings.TrimSpace(c) == "" || len(c) > 100 {
			wrong("classes[%d]: %.20q is not a name", i, c)
			break
		}
	}
	return errs
}
