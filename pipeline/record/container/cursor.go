package container

import (
	"encoding/binary"
	"errors"

	"github.com/foxglove/mcap/go/mcap"
)

// cursor takes fields off a record. What does not fit makes it bad, after which
// everything is zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n uint64) []byte {
	if c.bad || n > uint64(len(c.b)) {
		c.bad = true
		return nil
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) u8() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (c *cursor) bytes() []byte  { return c.take(uint64(c.u32())) }
func (c *cursor) string() string { return string(c.bytes()) }

func (c *cursor) strings() map[string]string {
	in := cursor{b: c.bytes()}
	out := map[string]string{}
	for len(in.b) > 0 && !in.bad {
		k := in.string()
		out[k] = in.string()
	}
	c.bad = c.bad || in.bad
	return out
}

var errRecord = errors.New("its fields do not fit into it")

// err says whether all fields were there. Fields that a later version adds at
// the end are passed over, as the format asks.
func (c *cursor) err() error {
	if c.bad {
		return errRecord
	}
	return nil
}

func parseHeader(b []byte) (h mcap.Header, err error) {
	c := cursor{b: b}
	h.Profile, h.Library = c.string(), c.string()
	return h, c.err()
}

func parseFooter(b []byte) (f mcap.Footer, err error) {
	c := cursor{b: b}
	f.SummaryStart, f.SummaryOffsetStart, f.SummaryCRC = c.u64(), c.u64(), c.u32()
	return f, c.err()
}

func parseSchema(b []byte) (*mcap.Schema, error) {
	c := cursor{b: b}
	s := &mcap.Schema{ID: c.u16(), Name: c.string(), Encoding: c.string()}
	s.Data = append([]byte(nil), c.bytes()...)
	return s, c.err()
}

func parseChannel(b []byte) (*mcap.Channel, error) {
	c := cursor{b: b}
	ch := &mcap.Channel{ID: c.u16(), SchemaID: c.u16(), Topic: c.string(), MessageEncoding: c.string()}
	ch.Metadata = c.strings()
	return ch, c.err()
}

// parseMessage aliases b.
func parseMessage(b []byte) (m mcap.Message, err error) {
	c := cursor{b: b}
	m.ChannelID, m.Sequence, m.LogTime, m.PublishTime = c.u16(), c.u32(), c.u64(), c.u64()
	m.Data = c.b
	return m, c.err()
}

// parseChunk aliases b.
func parseChunk(b []byte) (k mcap.Chunk, err error) {
	c := cursor{b: b}
	k.MessageStartTime, k.MessageEndTime, k.UncompressedSize, k.UncompressedCRC = c.u64(), c.u64(), c.u64(), c.u32()
	k.Compression = c.string()
	k.Records = c.take(c.u64())
	return k, c.err()
}

func parseMessageIndex(b []byte) (*mcap.MessageIndex, error) {
	c := cursor{b: b}
	m := &mcap.MessageIndex{ChannelID: c.u16()}
	in := cursor{b: c.bytes()}
	m.Records = make([]mcap.MessageIndexEntry, 0, len(in.b)/16)
	for len(in.b) > 0 && !in.bad {
		m.Records = append(m.Records, mcap.MessageIndexEntry{Timestamp: in.u64(), Offset: in.u64()})
	}
	c.bad = c.bad || in.bad
	return m, c.err()
}

func parseChunkIndex(b []byte) (*mcap.ChunkIndex, error) {
	c := cursor{b: b}
	x := &mcap.ChunkIndex{MessageStartTime: c.u64(), MessageEndTime: c.u64(), ChunkStartOffset: c.u64(), ChunkLength: c.u64()}
	in := cursor{b: c.bytes()}
	x.MessageIndexOffsets = make(map[uint16]uint64, len(in.b)/10)
	for len(in.b) > 0 && !in.bad {
		id := in.u16()
		x.MessageIndexOffsets[id] = in.u64()
	}
	x.MessageIndexLength = c.u64()
	x.Compression = mcap.CompressionFormat(c.string())
	x.CompressedSize, x.UncompressedSize = c.u64(), c.u64()
	c.bad = c.bad || in.bad
	return x, c.err()
}

func parseStatistics(b []byte) (*mcap.Statistics, error) {
	c := cursor{b: b}
	s := &mcap.Statistics{
		MessageCount: c.u64(), SchemaCount: c.u16(), ChannelCount: c.u32(), AttachmentCount: c.u32(),
		MetadataCount: c.u32(), ChunkCount: c.u32(), MessageStartTime: c.u64(), MessageEndTime: c.u64(),
	}
	in := cursor{b: c.bytes()}
	s.ChannelMessageCounts = make(map[uint16]uint64, len(in.b)/10)
	for len(in.b) > 0 && !in.bad {
		id := in.u16()
		s.ChannelMessageCounts[id] = in.u64()
	}
	c.bad = c.bad || in.bad
	return s, c.err()
}

func parseMetadata(b []byte) (m mcap.Metadata, err error) {
	c := cursor{b: b}
	m.Name = c.string()
	m.Metadata = c.strings()
	return m, c.err()
}

func parseMetadataIndex(b []byte) (m mcap.MetadataIndex, err error) {
	c := cursor{b: b}
	m.Offset, m.Length, m.Name = c.u64(), c.u64(), c.string()
	return m, c.err()
}

func parseAttachmentIndex(b []byte) (a mcap.AttachmentIndex, err error) {
	c := cursor{b: b}
	a.Offset, a.Length, a.LogTime, a.CreateTime, a.DataSize = c.u64(), c.u64(), c.u64(), c.u64(), c.u64()
	a.Name, a.MediaType = c.string(), c.string()
	return a, c.err()
}

// Attachment is a file inside the file.
type Attachment struct {
	LogTime, CreateTime uint64
	Name, MediaType     string
	Data                []byte
}

// parseAttachment checks the checksum, where there is one.
func parseAttachment(b []byte) (a Attachment, err error) {
	c := cursor{b: b}
	a.LogTime, a.CreateTime, a.Name, a.MediaType = c.u64(), c.u64(), c.string(), c.string()
	a.Data = c.take(c.u64())
	summed := len(b) - len(c.b)
	sum := c.u32()
	if err := c.err(); err != nil {
		return a, err
	}
	if got := checksum(b[:summed]); sum != 0 && got != sum {
		return a, errChecksum(sum, got)
	}
	return a, nil
}

func parseSummaryOffset(b []byte) (s mcap.SummaryOffset, err error) {
	c := cursor{b: b}
	s.GroupOpcode, s.GroupStart, s.GroupLength = mcap.OpCode(c.u8()), c.u64(), c.u64()
	return s, c.err()
}
