package container

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/foxglove/mcap/go/mcap"
)

// file is what a writer of the library makes: two channels, a few chunks.
func file(t testing.TB, compression string, change func(*mcap.WriterOptions)) []byte {
	t.Helper()
	o, err := WriterOptions(compression, 64)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(o)
	}
	var b bytes.Buffer
	w, err := mcap.NewWriter(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(w.WriteHeader(&mcap.Header{Profile: "p", Library: "l"}))
	do(w.WriteMetadata(&mcap.Metadata{Name: "m", Metadata: map[string]string{"k": "v"}}))
	do(w.WriteAttachment(&mcap.Attachment{Name: "a", MediaType: "t", DataSize: 3, Data: strings.NewReader("abc")}))
	do(w.WriteSchema(&mcap.Schema{ID: 1, Name: "s", Encoding: "e", Data: []byte("x")}))
	do(w.WriteChannel(&mcap.Channel{ID: 1, SchemaID: 1, Topic: "/a", MessageEncoding: "e"}))
	do(w.WriteChannel(&mcap.Channel{ID: 2, Topic: "/b", MessageEncoding: "e", Metadata: map[string]string{"camera": "b"}}))
	for i := range 12 {
		do(w.WriteMessage(&mcap.Message{ChannelID: uint16(1 + i%3/2), Sequence: uint32(i), LogTime: uint64(100 + i), PublishTime: uint64(i), Data: []byte(fmt.Sprint("message ", i))}))
	}
	do(w.Close())
	return b.Bytes()
}

func opened(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := New(bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// all are the messages of a file that sel selects, a line each.
func all(f *File, sel Select) (lines []string) {
	it := f.Messages(sel)
	var m Message
	for it.Next(&m) == nil {
		lines = append(lines, fmt.Sprintf("%s %d %d %d %s", m.Channel.Topic, m.Sequence, m.LogTime, m.PublishTime, m.Data))
	}
	return lines
}

func problemsOf(t testing.TB, b []byte) []string {
	t.Helper()
	p, err := Check(bytes.NewReader(b), int64(len(b)), nil, nil)
	if err != nil {
		return []string{err.Error()}
	}
	return p
}

// With its index or without, a file reads the same.
func TestOpen(t *testing.T) {
	for _, c := range []string{"zstd", "lz4", "none"} {
		b := file(t, c, nil)
		if p := problemsOf(t, b); len(p) > 0 {
			t.Errorf("%s: %q", c, p)
		}
		whole, cut := opened(t, b), opened(t, b[:len(b)-1])
		if whole.Cut != "" || cut.Cut == "" {
			t.Errorf("%s: cut %q and %q", c, whole.Cut, cut.Cut)
		}
		if got := all(whole, Select{}); len(got) != 12 || got[5] != "/b 5 105 5 message 5" {
			t.Errorf("%s: messages %q", c, got)
		}
		for _, sel := range []Select{{}, {From: 103, To: 106}, {Channels: whole.Topics("/b")}, {Channels: whole.Topics("/c")}} {
			a, b := all(whole, sel), all(cut, sel)
			if !slices.Equal(a, b) {
				t.Errorf("%s: %+v: %q with the index, %q without", c, sel, a, b)
			}
		}
		if got := all(whole, Select{From: 103, To: 106}); len(got) != 3 {
			t.Errorf("%s: of a range: %q", c, got)
		}
		if got := all(whole, Select{Channels: whole.Topics("/b")}); len(got) != 4 {
			t.Errorf("%s: of a topic: %q", c, got)
		}
		for _, f := range []*File{whole, cut} {
			a := f.Attachments()
			if len(a) != 1 || string(a[0].Data) != "abc" || len(f.Metadata) != 1 || f.Metadata[0].Metadata["k"] != "v" || len(f.Problems()) > 0 {
				t.Errorf("%s: attachments %v, metadata %v, problems %q", c, a, f.Metadata, f.Problems())
			}
			if f.Counts[1] != 8 || f.Counts[2] != 4 || len(f.Chunks) < 3 {
				t.Errorf("%s: counts %v, %d chunks", c, f.Counts, len(f.Chunks))
			}
		}
	}
}

// What says that it is larger than it can be is refused before memory is taken.
func TestHostileSizes(t *testing.T) {
	b := file(t, "zstd", nil)
	at := bytes.IndexByte(b[8:], byte(mcap.OpChunk))
	chunk := 8 + at
	for b[chunk] != byte(mcap.OpChunk) || binary.LittleEndian.Uint64(b[chunk+1:]) > 1000 {
		chunk += 1 + bytes.IndexByte(b[chunk+1:], byte(mcap.OpChunk))
	}
	for name, change := range map[string]func(b []byte){
		"a record of 2^64-1 bytes":         func(b []byte) { copy(b[chunk+1:], bytes.Repeat([]byte{255}, 8)) },
		"a record of 2^63 bytes":           func(b []byte) { b[chunk+8] = 0x80 },
		"a chunk of 2^64-1 bytes unpacked": func(b []byte) { copy(b[chunk+9+16:], bytes.Repeat([]byte{255}, 8)) },
		"a chunk of 1 GB unpacked":         func(b []byte) { binary.LittleEndian.PutUint64(b[chunk+9+16:], 1<<30) },
		"a long name of compression":       func(b []byte) { binary.LittleEndian.PutUint32(b[chunk+9+28:], 1<<31) },
		"records beyond the chunk":         func(b []byte) { binary.LittleEndian.PutUint64(b[chunk+9+36:], 1<<40) },
	} {
		for _, index := range []bool{true, false} {
			c := bytes.Clone(b)
			change(c)
			if !index {
				c = c[:len(c)-1]
			}
			f, err := New(bytes.NewReader(c), int64(len(c)), nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got := all(f, Select{})
			if len(got) >= 12 || len(f.Problems()) == 0 {
				t.Errorf("%s: %d messages, problems %q", name, len(got), f.Problems())
			}
			if index && len(got) < 6 {
				t.Errorf("%s: only %d messages although there is an index", name, len(got))
			}
		}
	}
}

// An index that would make one chunk be read again and again is not followed.
func TestIndexInCircles(t *testing.T) {
	b := file(t, "none", nil)
	var first, second int
	for at := 8; at < len(b)-8; at += 9 + int(binary.LittleEndian.Uint64(b[at+1:])) {
		if b[at] == byte(mcap.OpChunkIndex) {
			if first == 0 {
				first = at
			} else if second == 0 {
				second = at
			}
		}
	}
	copy(b[second+9+16:second+9+24], b[first+9+16:first+9+24])
	end := len(b) - 8 - 4
	copy(b[end:], []byte{0, 0, 0, 0}) // no checksum
	f := opened(t, b)
	if !strings.Contains(f.Cut, "not in order") || len(all(f, Select{})) != 12 {
		t.Errorf("cut %q, %d messages", f.Cut, len(all(f, Select{})))
	}
}

// Messages outside chunks are said, not read.
func TestWithoutChunks(t *testing.T) {
	b := file(t, "none", func(o *mcap.WriterOptions) { o.Chunked = false })
	if f := opened(t, b); f.Outside != 12 || len(all(f, Select{})) != 0 {
		t.Errorf("%d outside, messages %q", f.Outside, all(f, Select{}))
	}
	if f := opened(t, b[:len(b)-1]); f.Outside != 12 {
		t.Errorf("without the index: %d outside", f.Outside)
	}
	rec, err := Recover(opened(t, b), io.Discard, nil)
	if err != nil || rec.Lost != 12 {
		t.Errorf("recovered %+v, %v", rec, err)
	}
	if p := problemsOf(t, b); len(p) == 0 {
		t.Error("Check has nothing to say")
	}
}

func TestNotMCAP(t *testing.T) {
	for _, b := range [][]byte{nil, []byte("hello, world"), mcap.Magic, append(bytes.Clone(mcap.Magic), 2, 1, 0, 0, 0, 0, 0, 0, 0, 0)} {
		_, err := New(bytes.NewReader(b), int64(len(b)), nil)
		if _, ok := errors.AsType[*NotMCAPError](err); !ok {
			t.Errorf("%q: %v", b, err)
		}
	}
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "none.mcap"), dir} {
		if f, err := Open(path, nil); err == nil {
			t.Errorf("%s was opened: %v", path, f.Close())
		}
	}
	path := filepath.Join(dir, "a.mcap")
	if err := os.WriteFile(path, file(t, "zstd", nil), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// FuzzFile: whatever the bytes, reading ends, and what Recover writes is a whole
// file with the messages that were read.
func FuzzFile(f *testing.F) {
	for _, c := range []string{"zstd", "lz4", "none"} {
		b := file(f, c, nil)
		f.Add(b)
		f.Add(b[:len(b)*2/3])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := New(bytes.NewReader(b), int64(len(b)), nil)
		if err != nil {
			return
		}
		read := all(file, Select{})
		_ = file.Attachments()
		_ = problemsOf(t, b)
		var out bytes.Buffer
		rec, err := Recover(opened(t, b), &out, nil)
		if err != nil {
			t.Fatalf("recover: %v", err)
		}
		if p := problemsOf(t, out.Bytes()); len(p) > 0 {
			t.Fatalf("recovered: %q", p)
		}
		got := all(opened(t, out.Bytes()), Select{})
		if uint64(len(got)) != rec.Messages {
			t.Fatalf("%d messages, %d recovered", len(got), rec.Messages)
		}
		if rec.Damaged == 0 && rec.Lost == 0 && !slices.Equal(got, read) {
			t.Fatalf("recovered %q, read %q", got, read)
		}
	})
}
