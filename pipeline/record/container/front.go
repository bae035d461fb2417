package container

import (
	"fmt"
	"os"

	"github.com/foxglove/mcap/go/mcap"
)

// maxFront bounds the records that are looked at before the first chunk.
const maxFront = 1000

// Front reads the files inside a file that lie before its first chunk, and
// nothing behind: it takes as long for a file that has no index. One that is
// damaged is left out.
func Front(path string) ([]Attachment, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	st, err := r.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: it is not a regular file", path)
	}
	f := &File{r: r, size: st.Size()}
	at, err := f.begin()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for range maxFront {
		r, err := f.record(at, f.size)
		if err != nil || r.op == mcap.OpChunk || r.op == mcap.OpMessage || r.op == mcap.OpDataEnd {
			break
		}
		if r.op == mcap.OpAttachment {
			f.attachments = append(f.attachments, span{r.at, r.end() - r.at})
		}
		at = r.end()
	}
	return f.Attachments(), nil
}
