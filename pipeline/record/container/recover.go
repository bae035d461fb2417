package container

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"github.com/foxglove/mcap/go/mcap"
)

// Recovered says what came of mending a file.
type Recovered struct {
	Cut      string   `json:"cut"`      // why the file had no index that could be used; empty where it had one
	Chunks   int      `json:"chunks"`   // kept
	Messages uint64   `json:"messages"` // kept
	Lost     uint64   `json:"lost"`     // messages that are known to be lost: of lost channels, or outside chunks
	Damaged  int      `json:"damaged"`  // chunks that were lost
	Tail     int64    `json:"tail"`     // bytes after the last whole record, lost
	Problems []string `json:"problems"`
}

// Recover writes a whole file with all of f that is whole: chunks stay what they
// were, and everything is indexed again.
func Recover(f *File, w io.Writer, p Progress) (Recovered, error) {
	out := Recovered{Cut: f.Cut, Lost: f.Outside}
	if f.Cut != "" {
		out.Tail = f.size - f.Ended
	}
	o, err := WriterOptions("zstd", math.MaxInt64)
	if err != nil {
		return out, err
	}
	mw, err := mcap.NewWriter(w, o)
	if err != nil {
		return out, err
	}
	if err := mw.WriteHeader(&f.Header); err != nil {
		return out, err
	}
	for i := range f.Metadata {
		if err := mw.WriteMetadata(&f.Metadata[i]); err != nil {
			return out, err
		}
	}
	for _, a := range f.Attachments() {
		if err := mw.WriteAttachment(&mcap.Attachment{
			LogTime: a.LogTime, CreateTime: a.CreateTime, Name: a.Name, MediaType: a.MediaType,
			DataSize: uint64(len(a.Data)), Data: bytes.NewReader(a.Data),
		}); err != nil {
			return out, err
		}
	}
	c := copier{f: f, mw: mw, o: o, out: &out, schemas: map[uint16]bool{}, channels: map[uint16]bool{}}
	for i := range f.Chunks {
		if p != nil {
			p(f.Chunks[i].At, f.size)
		}
		if err := c.chunk(&f.Chunks[i]); err != nil {
			return out, err
		}
	}
	if err := mw.Close(); err != nil {
		return out, err
	}
	// Reading a cut file through has met its damaged chunks already.
	out.Damaged += f.damaged
	out.Problems = f.Problems()
	return out, nil
}

// copier writes the chunks of a file again.
type copier struct {
	f                 *File
	mw                *mcap.Writer
	o                 *mcap.WriterOptions
	out               *Recovered
	unpack            unpacker
	schemas, channels map[uint16]bool
}

// chunk copies one chunk; an error is one of writing.
func (c *copier) chunk(k *Chunk) error {
	messages, err := c.messages(k)
	if err != nil {
		c.f.notes.say("the chunk at byte %d: %v", k.At, err)
		c.out.Damaged++
		return nil
	}
	for i := range messages {
		m := &messages[i]
		if err := c.introduce(m.ChannelID); err != nil {
			return err
		}
		// The chunk ends where it ended: what was written to be kept or lost
		// together stays together.
		c.o.ChunkSize = math.MaxInt64
		if i == len(messages)-1 {
			c.o.ChunkSize = 1
		}
		if err := c.mw.WriteMessage(m); err != nil {
			return err
		}
	}
	if len(messages) > 0 {
		c.out.Chunks++
		c.out.Messages += uint64(len(messages))
	}
	return nil
}

// messages are those of one chunk that belong to known channels.
func (c *copier) messages(k *Chunk) ([]mcap.Message, error) {
	r, err := c.f.record(k.At, k.At+k.Length)
	if err != nil {
		return nil, err
	}
	if r.op != mcap.OpChunk {
		return nil, fmt.Errorf("there is a %s in its place", r.op)
	}
	records, _, err := c.f.load(r, &c.unpack)
	if err != nil {
		return nil, err
	}
	var messages []mcap.Message
	err = each(records, func(in inner) error {
		if in.op != mcap.OpMessage {
			return c.f.define(in)
		}
		m, err := parseMessage(in.body)
		if err != nil {
			return err
		}
		if c.f.Channels[m.ChannelID] == nil {
			c.out.Lost++
			return nil
		}
		messages = append(messages, m)
		return nil
	})
	return messages, err
}

// introduce writes a channel and its schema before their first message.
func (c *copier) introduce(id uint16) error {
	if c.channels[id] {
		return nil
	}
	ch := *c.f.Channels[id]
	if s := c.f.Schemas[ch.SchemaID]; s != nil && !c.schemas[ch.SchemaID] {
		if err := c.mw.WriteSchema(s); err != nil {
			return err
		}
		c.schemas[ch.SchemaID] = true
	} else if s == nil && ch.SchemaID != 0 {
		c.f.notes.say("the schema of topic %.200q was lost", ch.Topic)
		ch.SchemaID = 0
	}
	c.channels[id] = true
	return c.mw.WriteChannel(&ch)
}
