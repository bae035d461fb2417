package record

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/foxglove/mcap/go/mcap"
	"google.golang.org/protobuf/proto"

	"dashline/pipeline/record/container"
	"dashline/pipeline/record/recordv1"
)

// crowd is a file of n cameras with a packet each, so many to a chunk.
func crowd(t *testing.T, n, chunk int) []byte {
	t.Helper()
	var b bytes.Buffer
	o, err := container.WriterOptions("none", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	o.ChunkSize = int64(chunk)
	w, err := mcap.NewWriter(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.WriteHeader(&mcap.Header{Profile: "dashline"}))
	must(w.WriteMetadata(&mcap.Metadata{Name: fileNotes, Metadata: map[string]string{"vehicle": "v"}}))
	must(w.WriteSchema(&mcap.Schema{ID: 1, Name: packetSchema, Encoding: "protobuf"}))
	for i := 1; i <= n; i++ {
		name := fmt.Sprint("c", i)
		data, err := proto.Marshal(&recordv1.Packet{Camera: name, Codec: []string{"h264", "mjpeg"}[i%2]})
		must(err)
		must(w.WriteChannel(&mcap.Channel{ID: uint16(i), SchemaID: 1, Topic: packetsTopic("v", name), MessageEncoding: "protobuf", Metadata: map[string]string{"camera": name}}))
		must(w.WriteMessage(&mcap.Message{ChannelID: uint16(i), Sequence: 1, LogTime: uint64(i), Data: data}))
	}
	must(w.Close())
	return b.Bytes()
}

// counting counts what is read of a file.
type counting struct {
	*bytes.Reader
	bytes int
}

func (c *counting) ReadAt(b []byte, at int64) (int, error) {
	c.bytes += len(b)
	return c.Reader.ReadAt(b, at)
}

// What a file costs to sum up grows with the file, not with its square.
func TestInfoReadsAFileOnce(t *testing.T) {
	b := crowd(t, maxCameras, 1000)
	in := &counting{Reader: bytes.NewReader(b)}
	f, err := container.New(in, int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newReader(f)
	if err != nil {
		t.Fatal(err)
	}
	info := r.Info()
	if len(info.Cameras) != maxCameras || info.Chunks < 50 {
		t.Fatalf("%d cameras in %d chunks", len(info.Cameras), info.Chunks)
	}
	for _, c := range info.Cameras {
		want := "h264"
		if strings.HasSuffix(c.Name, "1") || strings.HasSuffix(c.Name, "3") || strings.HasSuffix(c.Name, "5") || strings.HasSuffix(c.Name, "7") || strings.HasSuffix(c.Name, "9") {
			want = "mjpeg"
		}
		if c.Codec != want || c.Packets != 1 || r.PacketCount(c.Name) != 1 {
			t.Errorf("%+v; want %s", c, want)
		}
	}
	if in.bytes > 2*len(b) {
		t.Errorf("%d bytes are read of a file of %d", in.bytes, len(b))
	}
}

func TestTooManyCamerasAreRefused(t *testing.T) {
	b := crowd(t, maxCameras+1, 1<<20)
	f, err := container.New(bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newReader(f); err == nil || !strings.Contains(err.Error(), "1025 cameras") {
		t.Errorf("%v", err)
	}
}
