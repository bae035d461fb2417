package darknet

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// generate writes a cfg for layers.
func generate(n *Net) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "[net]\nwidth=%d\nheight=%d\nchannels=%d\n", n.Input.W, n.Input.H, n.Input.C)
	for i := range n.Layers {
		b.WriteByte('\n')
		n.Layers[i].generate(&b, i)
	}
	return b.Bytes()
}

// generate writes the section of layer i.
func (l *Layer) generate(b *bytes.Buffer, i int) {
	fmt.Fprintf(b, "[%s]\n", l.Type)
	switch l.Type {
	case "convolutional":
		l.Conv.generate(b)
	case "maxpool":
		fmt.Fprintf(b, "size=%d\nstride=%d\npadding=%d\n", l.Pool.Size, l.Pool.Stride, l.Pool.Pad)
	case "upsample":
		fmt.Fprintf(b, "stride=%d\n", l.Stride)
	case "shortcut":
		fmt.Fprintf(b, "from=%d\nactivation=%s\n", l.From[1]-i, l.Shortcut.Activation)
	case "dropout":
		b.WriteString("probability=0\n")
	case "route":
		from := make([]int, len(l.From))
		for k, f := range l.From {
			from[k] = f - i
		}
		fmt.Fprintf(b, "layers=%s\n", join(from))
		if l.Route.Groups > 1 {
			fmt.Fprintf(b, "groups=%d\ngroup_id=%d\n", l.Route.Groups, l.Route.Group)
		}
	case "yolo":
		l.Yolo.generate(b)
	}
}

func (c *Conv) generate(b *bytes.Buffer) {
	if c.BatchNorm {
		b.WriteString("batch_normalize=1\n")
	}
	fmt.Fprintf(b, "filters=%d\nsize=%d\nstride=%d\n", c.Filters, c.Size, c.Stride)
	if c.Pad == c.Size/2 {
		b.WriteString("pad=1\n")
	} else {
		fmt.Fprintf(b, "padding=%d\n", c.Pad)
	}
	if c.Groups > 1 {
		fmt.Fprintf(b, "groups=%d\n", c.Groups)
	}
	fmt.Fprintf(b, "activation=%s\n", c.Activation)
}

func (y *Yolo) generate(b *bytes.Buffer) {
	fmt.Fprintf(b, "mask=%s\nanchors=%s\nclasses=%d\nnum=%d\n", join(y.Mask), join(y.Anchors), y.Classes, len(y.Anchors)/2)
	if y.ScaleXY != 1 {
		fmt.Fprintf(b, "scale_x_y=%v\n", y.ScaleXY)
	}
}

func join[T any](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ",")
}

// edit is an option that the text is to have.
type edit struct {
	key  string
	want int
	or   int // what its absence means
}

// patch gives the options of a text that pruning changes the values that the
// network has, and leaves all else as it is, to the byte.
func patch(text []byte, n *Net) ([]byte, error) {
	old, parts, err := parse(text, 0, 0)
	if err != nil {
		return nil, err
	}
	if len(old.Layers) != len(n.Layers) {
		return nil, wrong(0, "has %d layers, the network now has %d: make a new cfg of it (New)", len(old.Layers), len(n.Layers))
	}
	p := patcher{set: map[int]string{}, insert: map[int][]string{}}
	p.edit(parts[0], edit{"width", n.Input.W, 0}, edit{"height", n.Input.H, 0})
	for i := range n.Layers {
		l, s := &n.Layers[i], parts[i+1]
		if was := old.Layers[i]; was.canonical().Type != l.canonical().Type {
			return nil, was.named(wrong(s.line, "is %s in the network now: make a new cfg of it (New)", l.Name()), i)
		}
		switch longForm[s.name] {
		case "convolutional":
			p.edit(s, edit{"batch_normalize", bit(l.Conv.BatchNorm), 0}, edit{"filters", l.Conv.Filters, 1},
				edit{"groups", l.Conv.Groups, 1})
		case "route":
			p.edit(s, edit{"groups", l.Route.Groups, 1}, edit{"group_id", l.Route.Group, 0})
		}
	}
	return p.apply(text), nil
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// patcher collects changes: new values, and options to insert, by line from 1.
type patcher struct {
	set    map[int]string
	insert map[int][]string
}

func (p *patcher) edit(s section, edits ...edit) {
	for _, e := range edits {
		o, ok := s.options[e.key]
		if !ok && e.want != e.or {
			p.insert[s.line] = append(p.insert[s.line], fmt.Sprintf("%s=%d", e.key, e.want))
		}
		if was, err := strconv.Atoi(o.value); ok && (err != nil || was != e.want) {
			p.set[o.line] = strconv.Itoa(e.want)
		}
	}
}

func (p *patcher) apply(text []byte) []byte {
	var b bytes.Buffer
	line := 0
	for raw := range bytes.Lines(text) {
		line++
		if value, ok := p.set[line]; ok {
			raw = replaceValue(raw, value)
		}
		b.Write(raw)
		for _, option := range p.insert[line] {
			ending := raw[len(bytes.TrimRight(raw, "\r\n")):]
			if len(ending) == 0 { // the section is the end of the text
				b.WriteString("\n" + option)
				continue
			}
			b.WriteString(option)
			b.Write(ending)
		}
	}
	return b.Bytes()
}

// replaceValue puts another value into a line key=value and keeps its blanks.
func replaceValue(raw []byte, value string) []byte {
	const blanks = " \t\r\n"
	after := bytes.IndexByte(raw, '=') + 1
	start := len(raw) - len(bytes.TrimLeft(raw[after:], blanks))
	end := max(start, len(bytes.TrimRight(raw, blanks)))
	return bytes.Join([][]byte{raw[:start], []byte(value), raw[end:]}, nil)
}

// same refuses a text that does not say what the network is.
func (n *Net) same(text *Net) error {
	if n.Input != text.Input {
		return wrong(0, "has an input of %v, the network one of %v", text.Input, n.Input)
	}
	for i := range n.Layers {
		has, want := text.Layers[i].canonical(), n.Layers[i].canonical()
		if !reflect.DeepEqual(has, want) {
			return text.Layers[i].named(wrong(text.Layers[i].Line, "is %s, in the network it is %s: make a new cfg of it (New)",
				has.inline(i), want.inline(i)), i)
		}
	}
	return nil
}

// inline is the section of layer i in a line, and its shapes.
func (l *Layer) inline(i int) string {
	var b bytes.Buffer
	l.generate(&b, i)
	return fmt.Sprintf("%q of %v to %v", strings.Join(strings.Fields(b.String()), " "), l.In, l.Out)
}

// canonical is the layer without what makes no difference to what it computes.
func (l Layer) canonical() Layer {
	l.Line = 0
	if l.Type == "dropout" {
		l.Type, l.Route = "route", &Route{Groups: 1}
	}
	return l
}
