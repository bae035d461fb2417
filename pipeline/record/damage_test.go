package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foxglove/mcap/go/mcap"

	"dashline/pipeline/msg"
	"dashline/pipeline/record/container"
)

// spans are the records of a whole file.
type span struct {
	op       mcap.OpCode
	at, next int
}

func spansOf(b []byte) []span {
	var all []span
	for at := len(mcap.Magic); at < len(b)-len(mcap.Magic); {
		next := at + 9 + int(binary.LittleEndian.Uint64(b[at+1:]))
		all = append(all, span{mcap.OpCode(b[at]), at, next})
		at = next
	}
	return all
}

// small is a recording of several chunks.
func small(t testing.TB) []byte { return smallAs(t, Zstd) }

func smallAs(t testing.TB, c Compression) []byte {
	t.Helper()
	d := &disk{room: -1}
	r := on(t, d, Options{ChunkBytes: 8 << 10, Compression: c, Config: "vehicle: car\n"})
	front.feed(r, 0, 25)
	finish(t, r)
	return d.bytes()
}

// Cut off anywhere, a file opens up to its last whole chunk and is mended.
func TestCutAnywhere(t *testing.T) {
	b := small(t)
	spans := spansOf(b)
	var cuts []int
	seen := map[mcap.OpCode]int{}
	for _, s := range spans {
		if seen[s.op]++; seen[s.op] > 3 { // of many alike a few do
			continue
		}
		cuts = append(cuts, s.at, s.at+1, s.at+9, s.at+40, (s.at+s.next)/2, s.next-1)
	}
	cuts = append(cuts, len(b)-8, len(b)-1)
	tried, tested := 0, map[int]bool{}
	for _, cut := range cuts {
		if cut < spans[0].next || cut >= len(b) || tested[cut] {
			continue
		}
		tested[cut] = true
		tried++
		chunks, end, data := 0, spans[0].next, true
		for _, s := range spans {
			if s.next <= cut && s.op == mcap.OpChunk {
				chunks++
			}
			if s.next <= cut {
				end = s.next
			}
			if s.next <= cut && s.op == mcap.OpDataEnd {
				data = false // the index alone is lost
			}
		}
		r := read(t, b[:cut])
		in := r.Info()
		if in.Cut == "" || in.Chunks != chunks || data && in.Tail != int64(cut-end) {
			t.Fatalf("cut at %d: %d chunks, want %d; %+v", cut, in.Chunks, chunks, in)
		}
		if want := min(1, cut-end); data && len(in.Problems) != want {
			t.Errorf("cut at %d: problems %q", cut, in.Problems)
		}
		var out bytes.Buffer
		rec, err := container.Recover(r.file, &out, nil)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if rec.Chunks != chunks || rec.Messages != in.Messages || rec.Lost != 0 || rec.Damaged != 0 {
			t.Errorf("cut at %d: recovered %+v", cut, rec)
		}
		if problems := checked(t, out.Bytes()); len(problems) > 0 {
			t.Errorf("cut at %d: mended: %q", cut, problems)
		}
		sameMessages(t, read(t, b[:cut]), read(t, out.Bytes()))
	}
	if tried < 60 {
		t.Errorf("only %d cuts", tried)
	}
	for _, cut := range []int{0, 1, 7, 8, 9, 20} {
		if _, err := container.New(bytes.NewReader(b[:cut]), int64(cut), nil); err == nil || !strings.Contains(err.Error(), "not an MCAP file") {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

// What a recording was made with is before its first chunk, and is read from
// there whatever became of the rest.
func TestConfigOfACutFile(t *testing.T) {
	b := small(t)
	for _, s := range spansOf(b) {
		if s.op != mcap.OpChunk {
			continue
		}
		path := filepath.Join(t.TempDir(), "cut.mcap")
		if err := os.WriteFile(path, b[:s.at+20], 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := ConfigOf(path); err != nil || got != "vehicle: car\n" {
			t.Errorf("%q, %v", got, err)
		}
		break
	}
	if _, err := ConfigOf(t.TempDir()); err == nil {
		t.Error("a folder has a configuration")
	}
}

func sameMessages(t *testing.T, a, b *Reader) {
	t.Helper()
	list := func(r *Reader) []string {
		var all []string
		for m := range r.Messages(Query{}) {
			all = append(all, m.Topic+m.Schema+m.Logged.String()+m.Published.String()+string(m.Data))
		}
		return all
	}
	x, y := list(a), list(b)
	if len(x) != len(y) {
		t.Errorf("%d messages are %d", len(x), len(y))
		return
	}
	for i := range x {
		if x[i] != y[i] {
			t.Errorf("message %d is another", i)
			return
		}
	}
}

// checked is Check of bytes.
func checked(t testing.TB, b []byte) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.mcap")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	problems, err := Check(path, nil)
	if err != nil {
		return []string{err.Error()}
	}
	return problems
}

// A damaged chunk costs what is in it, and the packets that may refer to it are
// marked; the rest is as it was.
func TestDamagedChunk(t *testing.T) {
	for _, c := range []Compression{Zstd, LZ4, None} {
		for _, index := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, index %t", c, index), func(t *testing.T) { damagedChunk(t, smallAs(t, c), index) })
		}
	}
}

func damagedChunk(t *testing.T, whole []byte, index bool) {
	var chunks []span
	for _, s := range spansOf(whole) {
		if s.op == mcap.OpChunk {
			chunks = append(chunks, s)
		}
	}
	b := bytes.Clone(whole)
	bad := chunks[3]
	b[bad.next-50] ^= 0x10
	if !index {
		b = b[:len(b)-8]
	}
	r := read(t, b)
	it, err := r.Packets("front", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var p Packet
	var missing, marked, good int
	last := -1
	for it.Next(&p) == nil {
		i := int(p.PTS / period)
		missing += i - last - 1
		last = i
		if p.Damaged && i%front.group != front.group-1 {
			marked++
		} else {
			good++
		}
	}
	if missing == 0 || marked == 0 || missing+marked+good != 25 || marked != 25-good-missing {
		t.Errorf("of 25 packets %d are missing, %d marked as damaged, %d good", missing, marked, good)
	}
	if text := strings.Join(r.Problems(), "\n"); !strings.Contains(text, "the chunk at byte") || !strings.Contains(text, "damaged") && !strings.Contains(text, "decompressed") {
		t.Errorf("problems: %q", r.Problems())
	}
	var out bytes.Buffer
	rec, err := container.Recover(read(t, b).file, &out, nil)
	if err != nil || rec.Damaged != 1 || rec.Chunks != len(chunks)-1 {
		t.Errorf("recovered %+v, %v", rec, err)
	}
}

// A damaged index is not believed; the file is read through.
func TestDamagedIndex(t *testing.T) {
	b := small(t)
	at := bytes.LastIndex(b, []byte("/front/video"))
	b[at+1] ^= 0x20
	r := read(t, b)
	if !strings.Contains(r.file.Cut, "checksum") {
		t.Errorf("cut %q", r.file.Cut)
	}
	checkPackets(t, r, front, 0, 25)
}

// A picture is in the chunk of its packet, however the chunks end, so that no cut
// comes between the two.
func TestPairsStayTogether(t *testing.T) {
	d := &disk{room: -1}
	r := on(t, d, Options{ChunkBytes: 4 << 10, Compression: None})
	for i := range 1000 {
		r.Packet("front", &msg.Packet{Codec: msg.MJPEG, Data: make([]byte, i%7), PTS: front.pts(i), Key: true})
	}
	finish(t, r)
	f := read(t, d.bytes()).file
	if len(f.Chunks) < 10 {
		t.Fatalf("only %d chunks", len(f.Chunks))
	}
	count := map[int]int{}
	it := f.Messages(container.Select{Channels: f.Topics("/front/image", "dashline.car.front.packets")})
	var m container.Message
	for it.Next(&m) == nil {
		if m.Channel.Topic == "/front/image" {
			count[it.Chunk()]++
		} else {
			count[it.Chunk()]--
		}
	}
	for chunk, n := range count {
		if n != 0 {
			t.Errorf("chunk %d: pictures less packets are %d", chunk, n)
		}
	}
}

// Check finds whatever is changed in a file.
func TestCheckFindsDamage(t *testing.T) {
	b := small(t)
	if problems := checked(t, b); len(problems) > 0 {
		t.Fatalf("a whole file: %q", problems)
	}
	seen := map[mcap.OpCode]int{}
	for _, s := range spansOf(b) {
		if seen[s.op]++; seen[s.op] > 3 {
			continue
		}
		for _, at := range []int{s.at, s.at + 1, s.at + 9, (s.at + 9 + s.next) / 2, s.next - 1} {
			if s.op == mcap.OpFooter && at == s.at+9 && s.next-at < 1 {
				continue
			}
			c := bytes.Clone(b)
			c[at] ^= 0x04
			if problems := checked(t, c); len(problems) == 0 {
				t.Errorf("byte %d of a %s was changed, and nothing found", at-s.at, s.op)
			}
		}
	}
	for _, op := range []mcap.OpCode{mcap.OpHeader, mcap.OpMetadata, mcap.OpAttachment, mcap.OpChunk, mcap.OpMessageIndex, mcap.OpDataEnd,
		mcap.OpSchema, mcap.OpChannel, mcap.OpStatistics, mcap.OpChunkIndex, mcap.OpAttachmentIndex, mcap.OpMetadataIndex, mcap.OpSummaryOffset, mcap.OpFooter} {
		if seen[op] == 0 {
			t.Errorf("the file has no %s", op)
		}
	}
}

// Checksums aside, Check compares what the index says with what is there.
func TestCheckComparesIndex(t *testing.T) {
	b := small(t)
	spans := spansOf(b)
	find := func(op mcap.OpCode, nth int) span {
		for _, s := range spans {
			if s.op == op {
				if nth == 0 {
					return s
				}
				nth--
			}
		}
		t.Fatalf("no %s", op)
		return span{}
	}
	for _, tt := range []struct {
		name  string
		op    mcap.OpCode
		field int // offset in the record's fields
		want  string
	}{
		{"message count", mcap.OpStatistics, 0, "statistics say"},
		{"channel count", mcap.OpStatistics, 46 + 2, "how many messages"},
		{"start of a chunk", mcap.OpChunkIndex, 0, "not what chunk 0 is"},
		{"place of a chunk", mcap.OpChunkIndex, 16, "not what chunk 0 is"},
		{"time in a message index", mcap.OpMessageIndex, 6, "where the messages of channel"},
		{"place in a message index", mcap.OpMessageIndex, 14, "where the messages of channel"},
		{"time of an attachment", mcap.OpAttachmentIndex, 16, "not what attachment 0 is"},
		{"place of metadata", mcap.OpMetadataIndex, 0, "not what metadata 0 is"},
		{"place of a group", mcap.OpSummaryOffset, 1, "group is at"},
		{"start of the index", mcap.OpFooter, 0, "the index begins at"},
		{"start of the summary offsets", mcap.OpFooter, 8, "the summary offsets begin at"},
		{"start in a chunk", mcap.OpChunk, 0, "its messages are from"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := bytes.Clone(b)
			c[find(tt.op, 0).at+9+tt.field] ^= 1
			// Without checksums.
			end := find(mcap.OpDataEnd, 0)
			copy(c[end.at+9:], []byte{0, 0, 0, 0})
			foot := find(mcap.OpFooter, 0)
			copy(c[foot.at+9+16:], []byte{0, 0, 0, 0})
			if problems := strings.Join(checked(t, c), "\n"); !strings.Contains(problems, tt.want) {
				t.Errorf("problems: %q; want one with %q", problems, tt.want)
			}
		})
	}
}

func TestRecoverKeepsItsHandsOff(t *testing.T) {
	path := recorded(t, Options{}, 3)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(filepath.Dir(path), "link.mcap")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{path, link} {
		for _, force := range []bool{false, true} {
			if _, err := Recover(path, out, force, nil); err == nil || !strings.Contains(err.Error(), "cannot take its place") {
				t.Errorf("in place: %v", err)
			}
		}
	}
	other := filepath.Join(t.TempDir(), "other.mcap")
	if err := os.WriteFile(other, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(path, other, false, nil); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("over a file: %v", err)
	}
	if b, _ := os.ReadFile(other); string(b) != "precious" {
		t.Error("the file was replaced all the same")
	}
	if _, err := Recover(path, other, true, nil); err != nil {
		t.Error(err)
	}
	whole(t, other)
	if _, err := Recover(other+"x", other, true, nil); err == nil {
		t.Error("a file that is not there was recovered")
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the recording was changed")
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(other), ".recover-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
