package container

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"

	"github.com/foxglove/mcap/go/mcap"
)

// Check reads the whole file and says all that does not follow the format: each
// record and its place, each checksum, and that indices, statistics and summary
// say what is in the chunks. Of a message that is as it should be it calls f,
// which may be nil. An error means that the file could not be read.
func Check(r io.ReaderAt, size int64, p Progress, f func(*Message)) ([]string, error) {
	c := &checker{
		f: &File{r: r, size: size}, each: f,
		schemas: map[uint16]*mcap.Schema{}, channels: map[uint16]*mcap.Channel{}, counts: map[uint16]uint64{},
		offsets: map[mcap.OpCode]span{},
	}
	if _, err := c.f.begin(); err != nil {
		return nil, err
	}
	if err := c.all(p); err != nil {
		return nil, err
	}
	return c.f.Problems(), nil
}

// checker holds what the data of a file was found to be, for comparison with
// what its index says.
type checker struct {
	f    *File
	each func(*Message)

	schemas     map[uint16]*mcap.Schema
	channels    map[uint16]*mcap.Channel
	counts      map[uint16]uint64
	messages    uint64
	start, end  uint64
	chunks      []*mcap.ChunkIndex
	metadata    []mcap.MetadataIndex
	attachments []mcap.AttachmentIndex

	last    *mcap.ChunkIndex                    // chunk whose message indices follow
	entries map[uint16][]mcap.MessageIndexEntry // of it

	dataEnd int64 // where the data ended; 0 before
	stats   *mcap.Statistics
	inIndex struct {
		schemas, channels, chunks, metadata, attachments int
	}
	offsets    map[mcap.OpCode]span // groups of the summary
	offsetsAt  int64                // of the first summary offset
	offsetSeen int
}

func (c *checker) say(format string, args ...any) { c.f.notes.say(format, args...) }

// all goes through the records and then compares.
func (c *checker) all(p Progress) error {
	footAt, foot, err := c.f.footer()
	if err != nil {
		c.say("%v", err)
		return nil
	}
	at := int64(len(mcap.Magic))
	first := true
	for at < footAt {
		if p != nil {
			p(at, c.f.size)
		}
		r, err := c.f.record(at, footAt)
		if err != nil {
			c.say("from byte %d on: %v", at, err)
			return nil
		}
		if (r.op == mcap.OpHeader) != first {
			c.say("the %s at byte %d: the header comes first, and once", r.op, at)
		}
		first = false
		if err := c.record(r); err != nil {
			c.say("the %s at byte %d: %v", r.op, r.at, err)
		}
		at = r.end()
	}
	c.indexed()
	if c.dataEnd == 0 {
		c.say("the data has no end record")
		return nil
	}
	return c.ending(footAt, foot)
}

// record checks one record.
func (c *checker) record(r record) error {
	if r.op != mcap.OpMessageIndex {
		c.indexed()
	}
	if c.dataEnd != 0 {
		return c.summary(r)
	}
	most := int64(maxRecord)
	if r.op == mcap.OpAttachment {
		most = MaxAttachment
	}
	if r.op == mcap.OpChunk {
		return c.chunk(r)
	}
	b, err := c.f.read(r, most, nil)
	if err != nil {
		return err
	}
	switch r.op {
	case mcap.OpHeader:
		_, err = parseHeader(b)
	case mcap.OpSchema, mcap.OpChannel:
		err = c.define(inner{op: r.op, body: b})
	case mcap.OpMessage:
		err = fmt.Errorf("a message outside a chunk has no index")
	case mcap.OpMessageIndex:
		err = c.messageIndex(r, b)
	case mcap.OpMetadata:
		var m mcap.Metadata
		m, err = parseMetadata(b)
		c.metadata = append(c.metadata, mcap.MetadataIndex{Offset: uint64(r.at), Length: uint64(r.end() - r.at), Name: m.Name})
	case mcap.OpAttachment:
		var a Attachment
		a, err = parseAttachment(b)
		c.attachments = append(c.attachments, mcap.AttachmentIndex{
			Offset: uint64(r.at), Length: uint64(r.end() - r.at), LogTime: a.LogTime, CreateTime: a.CreateTime,
			DataSize: uint64(len(a.Data)), Name: a.Name, MediaType: a.MediaType,
		})
	case mcap.OpDataEnd:
		c.dataEnd = r.end()
		in := cursor{b: b}
		says := in.u32()
		if in.bad {
			return errRecord
		}
		got, err := c.sum(0, r.at)
		if err != nil {
			return err
		}
		if says != 0 && got != says {
			return fmt.Errorf("the data: %w", errChecksum(says, got))
		}
	default:
		err = fmt.Errorf("it does not belong into the data")
	}
	return err
}

// sum is the checksum of a part of the file.
func (c *checker) sum(from, to int64) (uint32, error) {
	h := crc32.NewIEEE()
	_, err := io.Copy(h, io.NewSectionReader(c.f.r, from, to-from))
	return h.Sum32(), err
}

// define checks that what has the same number is the same.
func (c *checker) define(in inner) error {
	switch in.op {
	case mcap.OpSchema:
		s, err := parseSchema(in.body)
		if err != nil {
			return err
		}
		if s.ID == 0 {
			return fmt.Errorf("a schema has the number 0")
		}
		if have := c.schemas[s.ID]; have != nil && (have.Name != s.Name || have.Encoding != s.Encoding || !bytes.Equal(have.Data, s.Data)) {
			return fmt.Errorf("schema %d is not what it was before", s.ID)
		}
		if c.dataEnd != 0 && c.schemas[s.ID] == nil {
			return fmt.Errorf("schema %d is not in the data", s.ID)
		}
		c.schemas[s.ID] = s
	case mcap.OpChannel:
		ch, err := parseChannel(in.body)
		if err != nil {
			return err
		}
		if have := c.channels[ch.ID]; have != nil && (have.SchemaID != ch.SchemaID || have.Topic != ch.Topic || have.MessageEncoding != ch.MessageEncoding || !maps.Equal(have.Metadata, ch.Metadata)) {
			return fmt.Errorf("channel %d is not what it was before", ch.ID)
		}
		if c.dataEnd != 0 && c.channels[ch.ID] == nil {
			return fmt.Errorf("channel %d is not in the data", ch.ID)
		}
		if ch.SchemaID != 0 && c.schemas[ch.SchemaID] == nil {
			return fmt.Errorf("channel %d has schema %d, which is not there", ch.ID, ch.SchemaID)
		}
		c.channels[ch.ID] = ch
	default:
		return fmt.Errorf("a %s does not belong into a chunk", in.op)
	}
	return nil
}

// chunk checks a chunk and keeps what is in it.
func (c *checker) chunk(r record) error {
	records, k, err := c.f.load(r, &c.f.unpack)
	if err != nil {
		return err
	}
	x := &mcap.ChunkIndex{
		ChunkStartOffset: uint64(r.at), ChunkLength: uint64(r.end() - r.at),
		MessageStartTime: k.MessageStartTime, MessageEndTime: k.MessageEndTime,
		MessageIndexOffsets: map[uint16]uint64{},
		Compression:         mcap.CompressionFormat(k.Compression),
		CompressedSize:      uint64(len(k.Records)), UncompressedSize: k.UncompressedSize,
	}
	c.chunks = append(c.chunks, x)
	c.last, c.entries = x, map[uint16][]mcap.MessageIndexEntry{}
	var start, end uint64
	n := 0
	err = each(records, func(in inner) error {
		if in.op != mcap.OpMessage {
			return c.define(in)
		}
		m, err := parseMessage(in.body)
		if err != nil {
			return err
		}
		ch := c.channels[m.ChannelID]
		if ch == nil {
			return fmt.Errorf("a message of channel %d comes before the channel", m.ChannelID)
		}
		c.entries[m.ChannelID] = append(c.entries[m.ChannelID], mcap.MessageIndexEntry{Timestamp: m.LogTime, Offset: uint64(in.offset)})
		if n == 0 || m.LogTime < start {
			start = m.LogTime
		}
		end = max(end, m.LogTime)
		if c.messages == 0 || m.LogTime < c.start {
			c.start = m.LogTime
		}
		c.end = max(c.end, m.LogTime)
		n++
		c.messages++
		c.counts[m.ChannelID]++
		if c.each != nil {
			c.each(&Message{Channel: ch, Schema: c.schemas[ch.SchemaID], Message: m})
		}
		return nil
	})
	if err == nil && (start != k.MessageStartTime || end != k.MessageEndTime) {
		err = fmt.Errorf("it says %d to %d, its messages are from %d to %d", k.MessageStartTime, k.MessageEndTime, start, end)
	}
	return err
}

// messageIndex checks an index of the chunk before it.
func (c *checker) messageIndex(r record, b []byte) error {
	if c.last == nil {
		return fmt.Errorf("there is no chunk before it")
	}
	x, err := parseMessageIndex(b)
	if err != nil {
		return err
	}
	if _, twice := c.last.MessageIndexOffsets[x.ChannelID]; twice {
		return fmt.Errorf("channel %d has two for one chunk", x.ChannelID)
	}
	c.last.MessageIndexOffsets[x.ChannelID] = uint64(r.at)
	c.last.MessageIndexLength += uint64(r.end() - r.at)
	if !slices.Equal(x.Records, c.entries[x.ChannelID]) {
		return fmt.Errorf("it does not say where the messages of channel %d are", x.ChannelID)
	}
	return nil
}

// indexed ends the message indices of a chunk.
func (c *checker) indexed() {
	if c.last == nil {
		return
	}
	for id := range c.entries {
		if _, ok := c.last.MessageIndexOffsets[id]; !ok {
			c.say("the chunk at byte %d: channel %d has no message index", c.last.ChunkStartOffset, id)
		}
	}
	c.last, c.entries = nil, nil
}

// summary checks one record of the index at the end.
func (c *checker) summary(r record) error {
	b, err := c.f.read(r, maxRecord, nil)
	if err != nil {
		return err
	}
	if r.op == mcap.OpSummaryOffset {
		return c.summaryOffset(r, b)
	}
	if c.offsetsAt != 0 {
		return fmt.Errorf("it comes after the summary offsets")
	}
	g, begun := c.offsets[r.op]
	if begun && g.at+g.length != r.at {
		return fmt.Errorf("it is apart from the others of its kind")
	}
	if !begun {
		g.at = r.at
	}
	g.length = r.end() - g.at
	c.offsets[r.op] = g
	switch r.op {
	case mcap.OpSchema:
		c.inIndex.schemas++
		return c.define(inner{op: r.op, body: b})
	case mcap.OpChannel:
		c.inIndex.channels++
		return c.define(inner{op: r.op, body: b})
	case mcap.OpStatistics:
		if c.stats != nil {
			return fmt.Errorf("there are two")
		}
		c.stats, err = parseStatistics(b)
		return err
	case mcap.OpChunkIndex:
		x, err := parseChunkIndex(b)
		if err != nil {
			return err
		}
		i := c.inIndex.chunks
		c.inIndex.chunks++
		if i >= len(c.chunks) || !sameChunk(x, c.chunks[i]) {
			return fmt.Errorf("it is not what chunk %d is", i)
		}
	case mcap.OpMetadataIndex:
		x, err := parseMetadataIndex(b)
		if err != nil {
			return err
		}
		i := c.inIndex.metadata
		c.inIndex.metadata++
		if i >= len(c.metadata) || x != c.metadata[i] {
			return fmt.Errorf("it is not what metadata %d is", i)
		}
	case mcap.OpAttachmentIndex:
		x, err := parseAttachmentIndex(b)
		if err != nil {
			return err
		}
		i := c.inIndex.attachments
		c.inIndex.attachments++
		if i >= len(c.attachments) || x != c.attachments[i] {
			return fmt.Errorf("it is not what attachment %d is", i)
		}
	default:
		return fmt.Errorf("it does not belong into the index")
	}
	return nil
}

func sameChunk(a, b *mcap.ChunkIndex) bool {
	return a.ChunkStartOffset == b.ChunkStartOffset && a.ChunkLength == b.ChunkLength &&
		a.MessageStartTime == b.MessageStartTime && a.MessageEndTime == b.MessageEndTime &&
		maps.Equal(a.MessageIndexOffsets, b.MessageIndexOffsets) && a.MessageIndexLength == b.MessageIndexLength &&
		a.Compression == b.Compression && a.CompressedSize == b.CompressedSize && a.UncompressedSize == b.UncompressedSize
}

func (c *checker) summaryOffset(r record, b []byte) error {
	if c.offsetsAt == 0 {
		c.offsetsAt = r.at
	}
	c.offsetSeen++
	x, err := parseSummaryOffset(b)
	if err != nil {
		return err
	}
	if g := (span{int64(x.GroupStart), int64(x.GroupLength)}); c.offsets[x.GroupOpcode] != g {
		return fmt.Errorf("the %s group is at %d, %d bytes long; it says %d and %d", x.GroupOpcode, c.offsets[x.GroupOpcode].at, c.offsets[x.GroupOpcode].length, g.at, g.length)
	}
	return nil
}

// ending compares the index as a whole with the data, and the footer with both.
func (c *checker) ending(footAt int64, foot mcap.Footer) error {
	if foot.SummaryStart != uint64(c.dataEnd) {
		c.say("the footer says that the index begins at %d, it begins at %d", foot.SummaryStart, c.dataEnd)
	}
	if foot.SummaryOffsetStart != uint64(c.offsetsAt) {
		c.say("the footer says that the summary offsets begin at %d, they begin at %d", foot.SummaryOffsetStart, c.offsetsAt)
	}
	if c.offsetsAt != 0 && c.offsetSeen != len(c.offsets) {
		c.say("there are %d summary offsets for %d groups", c.offsetSeen, len(c.offsets))
	}
	got, err := c.sum(c.dataEnd, footAt+footerSize-4)
	if err != nil {
		return err
	}
	if foot.SummaryCRC != 0 && got != foot.SummaryCRC {
		c.say("the index: %v", errChecksum(foot.SummaryCRC, got))
	}
	for _, n := range []struct {
		what         string
		index, there int
	}{
		{"schemas", c.inIndex.schemas, len(c.schemas)},
		{"channels", c.inIndex.channels, len(c.channels)},
		{"chunks", c.inIndex.chunks, len(c.chunks)},
		{"metadata", c.inIndex.metadata, len(c.metadata)},
		{"attachments", c.inIndex.attachments, len(c.attachments)},
	} {
		if n.index != n.there {
			c.say("the index has %d %s, the data %d", n.index, n.what, n.there)
		}
	}
	s := c.stats
	if s == nil {
		c.say("there are no statistics")
		return nil
	}
	want := mcap.Statistics{
		MessageCount: c.messages, SchemaCount: uint16(len(c.schemas)), ChannelCount: uint32(len(c.channels)),
		AttachmentCount: uint32(len(c.attachments)), MetadataCount: uint32(len(c.metadata)), ChunkCount: uint32(len(c.chunks)),
		MessageStartTime: c.start, MessageEndTime: c.end,
	}
	if !maps.Equal(s.ChannelMessageCounts, c.counts) {
		c.say("the statistics do not say how many messages the channels have")
	}
	has := *s
	has.ChannelMessageCounts = nil
	if fmt.Sprint(has) != fmt.Sprint(want) {
		c.say("the statistics say %+v, the data is %+v", has, want)
	}
	return nil
}
