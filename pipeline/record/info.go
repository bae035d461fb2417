package record

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"dashline/lanes/ground"
	"dashline/pipeline/record/container"
	"dashline/pipeline/record/recordv1"
)

// Info is what a recording holds.
type Info struct {
	Bytes   int64  `json:"bytes"`
	Profile string `json:"profile"` // "dashline" in a recording of this program
	Library string `json:"library"` // the program that wrote it
	Vehicle string `json:"vehicle"`
	// Cut says why the file has no index that can be used; empty where it was
	// finished. Tail is how many bytes at its end were lost.
	Cut  string `json:"cut,omitempty"`
	Tail int64  `json:"tail,omitempty"`
	// Start and End are the log times of the first and last message.
	Start    time.Time     `json:"start,omitzero"`
	End      time.Time     `json:"end,omitzero"`
	Seconds  float64       `json:"seconds"`
	Duration time.Duration `json:"-"`
	Messages uint64        `json:"messages"`
	Chunks   int           `json:"chunks"`
	Topics   []TopicInfo   `json:"topics"`  // by name
	Cameras  []CameraInfo  `json:"cameras"` // by name
	// Dropped is what the recorder could not record, by kind, as far as the file
	// tells.
	Dropped map[Kind]uint64 `json:"dropped,omitempty"`
	Config  bool            `json:"config"` // whether the configuration is in it
	// Problems are damages that were met so far; see [Reader.Problems].
	Problems []string `json:"problems,omitempty"`
}

// TopicInfo is one topic of a recording.
type TopicInfo struct {
	Topic    string `json:"topic"`
	Schema   string `json:"schema"`
	Messages uint64 `json:"messages"`
}

// CameraInfo is one camera of a recording.
type CameraInfo struct {
	Name    string  `json:"name"`
	Codec   string  `json:"codec,omitempty"` // of its first packet
	Packets uint64  `json:"packets"`
	Reports uint64  `json:"reports"` // frames that are accounted for
	Width   int     `json:"width,omitempty"`
	Height  int     `json:"height,omitempty"`
	Guessed bool    `json:"guessed,omitempty"` // nobody described the camera
	HeightM float64 `json:"height_m,omitempty"`
	// Camera is its description; nil where the recording has none.
	Camera *ground.Camera `json:"-"`
}

// Info sums the recording up. It reads the index and a chunk or two.
func (r *Reader) Info() *Info {
	f := r.file
	in := &Info{
		Bytes: f.Size(), Profile: f.Header.Profile, Library: f.Header.Library, Vehicle: r.vehicle,
		Cut: f.Cut, Chunks: len(f.Chunks), Topics: []TopicInfo{},
	}
	if f.Cut != "" {
		in.Tail = f.Size() - f.Ended
	}
	var start, end uint64
	seen := false
	for i := range f.Chunks {
		c := &f.Chunks[i]
		if c.Start == 0 && c.End == 0 {
			continue
		}
		if !seen || c.Start < start {
			start = c.Start
		}
		end, seen = max(end, c.End), true
	}
	if seen {
		in.Start, in.End = clock(start), clock(end)
		in.Duration = in.End.Sub(in.Start)
		in.Seconds = in.Duration.Seconds()
	}
	for id, c := range f.Channels {
		in.Topics = append(in.Topics, TopicInfo{Topic: c.Topic, Schema: r.schemaOf(c.SchemaID), Messages: f.Counts[id]})
		in.Messages += f.Counts[id]
	}
	slices.SortFunc(in.Topics, func(a, b TopicInfo) int { return strings.Compare(a.Topic, b.Topic) })
	in.Cameras = r.camerasInfo()
	if a := r.accountOf(); a != nil {
		for _, k := range a.GetKinds() {
			if k.GetDropped() > 0 {
				if in.Dropped == nil {
					in.Dropped = map[Kind]uint64{}
				}
				in.Dropped[Kind(k.GetKind())] = k.GetDropped()
			}
		}
	}
	in.Config = r.Config() != ""
	in.Problems = r.Problems()
	return in
}

// cameraNames are those of all cameras of which there is anything.
func (r *Reader) cameraNames() []string {
	var names []string
	for _, c := range r.file.Channels {
		if name := c.Metadata["camera"]; name != "" {
			names = append(names, name)
		}
	}
	for name := range r.cameras {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// camerasInfo describes the cameras, by name.
func (r *Reader) camerasInfo() []CameraInfo {
	counts := map[string]uint64{} // by topic
	for id, c := range r.file.Channels {
		counts[c.Topic] += r.file.Counts[id]
	}
	codecs := r.codecs()
	all := []CameraInfo{}
	for _, name := range r.cameraNames() {
		out := CameraInfo{
			Name: name, Codec: codecs[name],
			Packets: counts[packetsTopic(r.vehicle, name)],
			Reports: counts["dashline."+r.vehicle+"."+name+".frames"],
		}
		if c, ok := r.cameras[name]; ok {
			out.Camera = &c
			out.Width, out.Height, out.Guessed, out.HeightM = c.Width, c.Height, c.Guessed, c.HeightM
		}
		all = append(all, out)
	}
	return all
}

// PacketCount is how many packets of a camera are in the recording.
func (r *Reader) PacketCount(camera string) (n uint64) {
	for id := range r.file.Topics(packetsTopic(r.vehicle, camera)) {
		n += r.file.Counts[id]
	}
	return n
}

// codecs are those of each camera's first packet. It reads each chunk once at the
// most, and only those that can have the first packet of a camera.
func (r *Reader) codecs() map[string]string {
	wanted := map[uint16]bool{}
	for id, c := range r.file.Channels {
		if c.Topic == packetsTopic(r.vehicle, c.Metadata["camera"]) && r.file.Counts[id] > 0 {
			wanted[id] = true
		}
	}
	found := map[string]string{}
	it := r.file.Messages(container.Select{Channels: wanted})
	var m container.Message
	var p recordv1.Packet
	for len(wanted) > 0 && it.Next(&m) == nil {
		delete(wanted, m.ChannelID) // also for it, which then passes over chunks with nothing new
		if proto.Unmarshal(m.Data, &p) == nil {
			found[m.Channel.Metadata["camera"]] = p.GetCodec()
		}
	}
	return found
}
