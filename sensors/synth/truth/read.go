package truth

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"dashline/internal/regular"
)

// Reader reads the truth of one drive, a frame at a time. One goroutine at a
// time uses it.
type Reader struct {
	Drive Drive

	lines  *bufio.Scanner
	number int // of the latest line
	name   string
	file   io.Closer
	state  state
}

// Open opens a file of truth, compressed where its name ends in ".gz", and reads
// the drive's line. The caller closes the Reader.
func Open(path string) (*Reader, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open truth: %w", err)
	}
	var from io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if from, err = gzip.NewReader(f); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("open truth %s: it does not begin as a gzip file does (%w): make it again", path, err)
		}
	}
	r, err := read(from, path)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	r.file = f
	return r, nil
}

// Read reads truth, which is not compressed, from r. The caller closes r; the
// Reader need not be closed.
func Read(r io.Reader) (*Reader, error) { return read(r, "input") }

func read(from io.Reader, name string) (*Reader, error) {
	r := &Reader{lines: bufio.NewScanner(from), name: name}
	r.lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	line, err := r.line()
	if err == io.EOF {
		return nil, r.wrong(errors.New("it is empty"))
	}
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(line, []byte(`"dashline_truth"`)) {
		return nil, r.wrong(errors.New(`the first line has no "dashline_truth": it is not a file of truth`))
	}
	if err := json.Unmarshal(line, &r.Drive); err != nil {
		return nil, r.wrong(err)
	}
	if err := r.Drive.check(); err != nil {
		return nil, r.wrong(err)
	}
	return r, nil
}

// Next reads the next frame. It is io.EOF after the drive's last one; an end
// before that, and anything after it, is an error.
func (r *Reader) Next() (Frame, error) {
	line, err := r.line()
	switch {
	case err == io.EOF && r.state.next == r.Drive.Frames:
		return Frame{}, io.EOF
	case err == io.EOF:
		return Frame{}, r.wrong(fmt.Errorf("it ends after %d of %d frames: it is cut off", r.state.next, r.Drive.Frames))
	case err != nil:
		return Frame{}, err
	case r.state.next == r.Drive.Frames:
		return Frame{}, r.wrong(fmt.Errorf("it goes on after the drive's %d frames", r.Drive.Frames))
	}
	var f Frame
	if err := json.Unmarshal(line, &f); err != nil {
		return Frame{}, r.wrong(err)
	}
	if err := r.state.check(&r.Drive, &f); err != nil {
		return Frame{}, r.wrong(err)
	}
	return f, nil
}

// Close closes the file that Open opened. It is safe to call twice.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// line is the next line, borrowed until the one after.
func (r *Reader) line() ([]byte, error) {
	r.number++
	more := r.lines.Scan()
	// A scanner gives the rest before an error as one more line.
	switch err := r.lines.Err(); {
	case err == nil && more:
		return r.lines.Bytes(), nil
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, r.wrong(errors.New("the compressed file is cut off"))
	case errors.Is(err, bufio.ErrTooLong):
		return nil, r.wrong(fmt.Errorf("it is longer than %d bytes, which no frame is", maxLine))
	default:
		return nil, r.wrong(err)
	}
}

func (r *Reader) wrong(err error) error {
	return fmt.Errorf("truth %s: line %d: %w: make it again with dashline synth", r.name, r.number, err)
}

// Beside finds the truth of a video: for drive.mp4 that is drive.truth.jsonl.gz
// or else drive.truth.jsonl in the same folder. It is not ok where there is none.
func Beside(video string) (path string, ok bool) {
	stem := video
	if dot := strings.LastIndexByte(video, '.'); dot > strings.LastIndexByte(video, os.PathSeparator) {
		stem = video[:dot]
	}
	for _, end := range []string{".truth.jsonl.gz", ".truth.jsonl"} {
		if info, err := os.Stat(stem + end); err == nil && info.Mode().IsRegular() {
			return stem + end, true
		}
	}
	return "", false
}
