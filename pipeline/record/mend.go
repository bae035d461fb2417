package record

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"dashline/pipeline/record/container"
	"dashline/pipeline/record/recordv1"
)

// Recovered says what came of mending a recording.
type Recovered = container.Recovered

// Recover writes to the new file out all of the recording in that is whole, with
// an index. It works on any MCAP file of chunks. An existing file is replaced
// only when overwrite says so, and never in itself. On an error there is no out.
func Recover(in, out string, overwrite bool, p Progress) (rec Recovered, err error) {
	f, err := container.Open(in, p)
	if err != nil {
		return rec, fmt.Errorf("recover: %w", err)
	}
	defer f.Close()
	if same, err := sameFile(in, out); err != nil || same {
		if err == nil {
			err = fmt.Errorf("recover %s: the mended recording cannot take its place: name another file with -o", in)
		}
		return rec, err
	}
	if _, err := os.Lstat(out); err == nil && !overwrite {
		return rec, fmt.Errorf("recover %s: there is a file %s already: name another one, or give --force to replace it", in, out)
	}
	// Beside its place first, so that a file of that name is always whole.
	tmp, err := os.CreateTemp(filepath.Dir(out), ".recover-*.mcap")
	if err != nil {
		return rec, fmt.Errorf("recover %s: %w", in, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	w := bufio.NewWriterSize(tmp, 256<<10)
	rec, err = container.Recover(f, w, p)
	if err = errors.Join(err, w.Flush(), tmp.Chmod(0o644), tmp.Close()); err != nil {
		return rec, fmt.Errorf("recover %s: write %s: %w", in, out, err)
	}
	if err = os.Rename(tmp.Name(), out); err != nil {
		return rec, fmt.Errorf("recover %s: %w", in, err)
	}
	return rec, nil
}

func sameFile(a, b string) (bool, error) {
	sa, err := os.Stat(a)
	if err != nil {
		return false, fmt.Errorf("recover: %w", err)
	}
	sb, err := os.Stat(b)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("recover: %w", err)
	}
	return os.SameFile(sa, sb), nil
}

// Check reads the whole recording and says all that is wrong with it, one a
// line: against the format, as [container.Check], and in a recording of this
// program also against the rules of this package: log times that never fall,
// numbers without gaps, and a picture after each packet that has one. An error
// means that the file could not be read.
func Check(path string, p Progress) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("check recording: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("check recording: %w", err)
	}
	head, err := container.New(f, st.Size(), nil)
	if err != nil {
		return nil, fmt.Errorf("check recording %s: %w", path, err)
	}
	var each func(*container.Message)
	var rules *rules
	if head.Header.Profile == profile {
		rules = newRules()
		each = rules.message
	}
	problems, err := container.Check(f, st.Size(), p, each)
	if err != nil {
		return nil, fmt.Errorf("check recording %s: %w", path, err)
	}
	if rules != nil {
		problems = append(problems, rules.end()...)
	}
	return problems, nil
}

// rules are those of this package for the messages of a file.
type rules struct {
	problems []string
	more     int
	last     uint64            // log time
	seq      map[uint16]uint32 // of each channel's latest message
	open     map[string]uint32 // by camera: packet whose picture is to come
}

func newRules() *rules { return &rules{seq: map[uint16]uint32{}, open: map[string]uint32{}} }

func (r *rules) say(format string, args ...any) {
	if len(r.problems) >= 100 {
		r.more++
		return
	}
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func (r *rules) message(m *container.Message) {
	if m.LogTime < r.last {
		r.say("%s: message %d was logged before the one before it", m.Channel.Topic, m.Sequence)
	}
	r.last = m.LogTime
	schema := ""
	if m.Schema != nil {
		schema = m.Schema.Name
	}
	camera := m.Channel.Metadata["camera"]
	picture := schema == "foxglove.CompressedVideo" || schema == "foxglove.CompressedImage"
	if last := r.seq[m.ChannelID]; !picture && m.Sequence != last+1 {
		r.say("%s: message %d comes after message %d", m.Channel.Topic, m.Sequence, last)
	}
	r.seq[m.ChannelID] = m.Sequence
	waits, open := r.open[camera]
	switch {
	case picture:
		if !open || waits != m.Sequence {
			r.say("%s: picture %d has no packet", m.Channel.Topic, m.Sequence)
		}
		delete(r.open, camera)
	case schema == packetSchema:
		if open {
			r.say("%s: packet %d has no picture", m.Channel.Topic, waits)
		}
		var p recordv1.Packet
		if err := proto.Unmarshal(m.Data, &p); err != nil {
			r.say("%s: packet %d: %v", m.Channel.Topic, m.Sequence, err)
			return
		}
		delete(r.open, camera)
		if !p.GetDamaged() {
			r.open[camera] = m.Sequence
		}
	}
}

func (r *rules) end() []string {
	for camera, seq := range r.open {
		r.say("camera %s: packet %d has no picture", camera, seq)
	}
	if r.more > 0 {
		r.problems = append(r.problems, fmt.Sprintf("and %d more", r.more))
	}
	return r.problems
}
