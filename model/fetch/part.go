package fetch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// part is the file that a download grows in, locked against a second fetch,
// with a note of which version of the remote file it is.
type part struct {
	path string
	file *os.File
	size int64
	note note
}

// note is kept beside the part so that another process can go on.
type note struct {
	URL string `json:"url"`
	// Validator is a strong ETag or a Last-Modified date, for If-Range.
	Validator string `json:"validator"`
}

func (p *part) notePath() string { return p.path + ".json" }

// openPart opens or creates the part of a file.
func openPart(dest string) (*part, error) {
	p := &part{path: dest + ".part"}
	f, err := os.OpenFile(p.path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	p.file = f
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is in use: another fetch of this file is running", p.path)
	}
	// Between opening and locking, another fetch may have renamed the file.
	mine, err := f.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Stat(p.path); err == nil && !os.SameFile(mine, there) {
			err = os.ErrNotExist
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: another fetch has just finished: run the command again (%w)", p.path, err)
	}
	if p.size, err = f.Seek(0, io.SeekEnd); err != nil {
		f.Close()
		return nil, err
	}
	// A note that cannot be read only costs the resume.
	if data, err := os.ReadFile(p.notePath()); err == nil && json.Unmarshal(data, &p.note) != nil {
		p.note = note{}
	}
	return p, nil
}

// Close closes the part; an empty one is removed.
func (p *part) Close() error {
	if p.size == 0 {
		_ = p.remove()
	}
	return p.file.Close()
}

// reset begins anew.
func (p *part) reset() error {
	p.size, p.note = 0, note{}
	if err := os.Remove(p.notePath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	_, err := p.file.Seek(0, io.SeekStart)
	return err
}

// begin notes which version the bytes to come are of.
func (p *part) begin(n note) error {
	p.note = n
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return os.WriteFile(p.notePath(), data, 0o644)
}

func (p *part) Write(data []byte) (int, error) {
	n, err := p.file.Write(data)
	p.size += int64(n)
	return n, err
}

func (p *part) remove() error {
	return errors.Join(gone(os.Remove(p.path)), gone(os.Remove(p.notePath())))
}

func gone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// finish gives the part its final name.
func (p *part) finish(dest string) error {
	if err := os.Rename(p.path, dest); err != nil {
		return err
	}
	return gone(os.Remove(p.notePath()))
}
