package darknet

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Bounds on a cfg. Real ones are far inside: the largest in common use have a
// few hundred layers and 60 KiB.
const (
	MaxCfgBytes    = 1 << 20
	MaxLayers      = 10_000
	maxList        = 1024
	maxChannels    = 1 << 17
	maxSide        = 1 << 14
	maxKernel      = 127
	maxActivations = 1 << 28 // elements of one layer's output
	maxWeights     = 1 << 30 // floats of the whole network
)

// Error says what is wrong with a network and where.
type Error struct {
	Part string // "cfg" or "weights"
	Line int    // in the cfg, from 1; 0 where it does not apply
	// Layer counts from 0 after [net], as darknet prints it; -1 where it does
	// not apply. Name says what it is.
	Layer int
	Name  string
	Msg   string
}

func (e *Error) Error() string {
	s := e.Part
	if e.Line > 0 {
		s += fmt.Sprintf(" line %d", e.Line)
	}
	s += ": "
	if e.Layer >= 0 {
		s += fmt.Sprintf("layer %d (%s): ", e.Layer, e.Name)
	}
	return s + e.Msg
}

// section is a block of a cfg.
type section struct {
	name    string
	line    int
	options map[string]option
}

type option struct {
	value string
	line  int
}

// sections splits a cfg. As darknet does, it ignores blanks everywhere and
// lines that begin with # or ;.
func sections(cfg []byte) ([]section, error) {
	if len(cfg) > MaxCfgBytes {
		return nil, wrong(0, "has %d bytes, the limit is %d", len(cfg), MaxCfgBytes)
	}
	if len(bytes.TrimSpace(cfg)) == 0 {
		return nil, wrong(0, "is empty")
	}
	if looksLikeHTML(cfg) {
		return nil, wrong(1, "is a web page and not a cfg: fetch it again from an address that gives the plain file")
	}
	if bytes.IndexByte(cfg, 0) >= 0 {
		return nil, wrong(0, "is not text: is it the weights file?")
	}
	var out []section
	blanks := strings.NewReplacer(" ", "", "\t", "", "\r", "")
	for i, text := range strings.Split(string(cfg), "\n") {
		line := i + 1
		text = blanks.Replace(text)
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
			continue
		case text[0] == '[':
			if !strings.HasSuffix(text, "]") || len(text) > 40 {
				return nil, wrong(line, "%q is not a section: it looks like [convolutional]", clip(text))
			}
			if len(out) > MaxLayers {
				return nil, wrong(line, "has more than %d layers", MaxLayers)
			}
			out = append(out, section{strings.ToLower(text[1 : len(text)-1]), line, map[string]option{}})
			continue
		}
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, wrong(line, "%q is not key=value", clip(text))
		}
		if len(out) == 0 {
			return nil, wrong(line, "%s stands before the first section, which has to be [net]", clip(key))
		}
		options := out[len(out)-1].options
		// Readers differ in which of two they take, so neither is right.
		if first, twice := options[key]; twice {
			return nil, wrong(line, "%s is set a second time, first on line %d", clip(key), first.line)
		}
		options[key] = option{value, line}
	}
	return out, nil
}

func looksLikeHTML(data []byte) bool {
	head := bytes.ToLower(bytes.TrimSpace(data[:min(len(data), 256)]))
	return bytes.HasPrefix(head, []byte("<!doctype")) || bytes.HasPrefix(head, []byte("<html")) || bytes.HasPrefix(head, []byte("<?xml"))
}

// integer reads an option within its bounds.
func (s section) integer(key string, or, low, high int) (int, error) {
	o, ok := s.options[key]
	if !ok {
		if or < low {
			return 0, wrong(s.line, "[%s] has no %s", s.name, key)
		}
		return or, nil
	}
	n, err := strconv.Atoi(o.value)
	if err != nil {
		return 0, wrong(o.line, "%s=%s is not a whole number", key, clip(o.value))
	}
	if n < low || n > high {
		return 0, wrong(o.line, "%s=%d is outside of its range, %d to %d", key, n, low, high)
	}
	return n, nil
}

// list reads whole numbers with commas between; a comma at the end is common.
func (s section) list(key string) ([]int, error) {
	o, ok := s.options[key]
	if !ok {
		return nil, wrong(s.line, "[%s] has no %s", s.name, key)
	}
	words := strings.Split(strings.TrimSuffix(o.value, ","), ",")
	if len(words) > maxList {
		return nil, wrong(o.line, "%s has %d values, the limit is %d", key, len(words), maxList)
	}
	out := make([]int, len(words))
	for i, w := range words {
		n, err := strconv.Atoi(w)
		if err != nil {
			return nil, wrong(o.line, "%s: %q is not a whole number", key, clip(w))
		}
		out[i] = n
	}
	return out, nil
}

// floats reads numbers with commas between.
func (s section) floats(key string) ([]float64, error) {
	o, ok := s.options[key]
	if !ok {
		return nil, wrong(s.line, "[%s] has no %s", s.name, key)
	}
	words := strings.Split(strings.TrimSuffix(o.value, ","), ",")
	if len(words) > maxList {
		return nil, wrong(o.line, "%s has %d values, the limit is %d", key, len(words), maxList)
	}
	out := make([]float64, len(words))
	for i, w := range words {
		x, err := strconv.ParseFloat(w, 64)
		if err != nil || x != x {
			return nil, wrong(o.line, "%s: %q is not a number", key, clip(w))
		}
		out[i] = x
	}
	return out, nil
}

// number reads one number within its bounds.
func (s section) number(key string, or, low, high float64) (float64, error) {
	o, ok := s.options[key]
	if !ok {
		return or, nil
	}
	x, err := strconv.ParseFloat(o.value, 64)
	if err != nil || !(x >= low && x <= high) {
		return 0, wrong(o.line, "%s=%s is not a number from %v to %v", key, clip(o.value), low, high)
	}
	return x, nil
}

func (s section) unknownActivation() *Error {
	return wrong(s.lineOf("activation"), "unknown activation %q: known are linear, leaky, relu, relu6, logistic, mish and swish",
		clip(s.options["activation"].value))
}

// lineOf is where an option is, or where the section begins.
func (s section) lineOf(key string) int {
	if o, ok := s.options[key]; ok {
		return o.line
	}
	return s.line
}

func wrong(line int, format string, args ...any) *Error {
	return &Error{Part: "cfg", Line: line, Layer: -1, Msg: fmt.Sprintf(format, args...)}
}

func clip(s string) string {
	const most = 40
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "?") + "..."
	}
	return strings.ToValidUTF8(s, "?")
}
