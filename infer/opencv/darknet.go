package opencv

import (
	"bytes"
	"strconv"
)

// withScoreFloor returns cfg with thresh=floor in every [yolo] and [region]
// section, in place of what the section says. OpenCV's reader takes the score
// below which such a head writes zeros from there.
func withScoreFloor(cfg []byte, floor float32) []byte {
	thresh := []byte("thresh=" + strconv.FormatFloat(float64(floor), 'f', -1, 32) + "\n")
	out := make([]byte, 0, len(cfg)+8*len(thresh))
	inHead := false
	for line := range bytes.Lines(cfg) {
		text := bytes.TrimSpace(line)
		if bytes.HasPrefix(text, []byte("[")) {
			inHead = bytes.HasPrefix(text, []byte("[yolo]")) || bytes.HasPrefix(text, []byte("[region]"))
			out = append(out, line...)
			if inHead {
				if !bytes.HasSuffix(line, []byte("\n")) {
					out = append(out, '\n')
				}
				out = append(out, thresh...)
			}
			continue
		}
		if key, _, found := bytes.Cut(text, []byte("=")); inHead && found && string(bytes.TrimSpace(key)) == "thresh" {
			continue
		}
		out = append(out, line...)
	}
	return out
}
