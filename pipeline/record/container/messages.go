package container

import (
	"fmt"
	"io"

	"github.com/foxglove/mcap/go/mcap"
)

// Message is one message of a file.
type Message struct {
	Channel *mcap.Channel
	Schema  *mcap.Schema // nil where the channel has none
	mcap.Message
}

// Select says which messages are wanted.
type Select struct {
	Channels map[uint16]bool // nil for all
	From, To uint64          // log times, To excluded; To 0 is no end
}

// after says whether a log time is beyond what is wanted.
func (s *Select) after(at uint64) bool { return s.To != 0 && at >= s.To }

// Messages goes through the messages of a file.
type Messages struct {
	f      *File
	sel    Select
	next   int // chunk to load next
	unpack unpacker
	chunk  *Chunk // at hand
	left   []byte // its records that are not read yet
	at     int    // where they begin in it
}

// Messages returns the messages that sel selects, in the order of the file.
func (f *File) Messages(sel Select) *Messages {
	return &Messages{f: f, sel: sel}
}

// Seek makes Next go on with the first message of a chunk, by its index in
// File.Chunks.
func (it *Messages) Seek(chunk int) {
	it.next, it.chunk, it.left, it.at = chunk, nil, nil, 0
}

// Chunk is the index of the chunk of the latest message; -1 before the first.
func (it *Messages) Chunk() int { return it.next - 1 }

// Next fills m, whose data is valid until the next call. It returns io.EOF after
// the last, and no other error: a chunk that is damaged or cannot be read is
// passed over and said in Problems.
func (it *Messages) Next(m *Message) error {
	for {
		for len(it.left) > 0 {
			found, err := it.step(m)
			if err != nil {
				it.f.notes.say("the chunk at byte %d: %v", it.chunk.At, err)
				it.left = nil
				break
			}
			if found {
				return nil
			}
		}
		if it.next >= len(it.f.Chunks) {
			return io.EOF
		}
		it.chunk = &it.f.Chunks[it.next]
		it.next++
		if !it.chunk.has(it.sel.Channels) || it.chunk.End < it.sel.From || it.sel.after(it.chunk.Start) {
			continue
		}
		r, err := it.f.record(it.chunk.At, it.chunk.At+it.chunk.Length)
		if err == nil && r.op != mcap.OpChunk {
			err = fmt.Errorf("there is a %s in its place", r.op)
		}
		if err == nil {
			it.left, _, err = it.f.load(r, &it.unpack)
			it.at = 0
		}
		if err != nil {
			it.f.notes.say("the chunk at byte %d: %v", it.chunk.At, err)
			it.left = nil
		}
	}
}

// step reads one record of the chunk at hand and says whether it is a message
// that is wanted.
func (it *Messages) step(m *Message) (bool, error) {
	c := cursor{b: it.left}
	op := mcap.OpCode(c.u8())
	body := c.take(c.u64())
	if c.bad {
		return false, fmt.Errorf("at %d of it: %w", it.at, errCut)
	}
	it.at += len(it.left) - len(c.b)
	it.left = c.b
	if op != mcap.OpMessage {
		return false, it.f.define(inner{op: op, body: body})
	}
	msg, err := parseMessage(body)
	if err != nil {
		return false, err
	}
	if it.sel.Channels != nil && !it.sel.Channels[msg.ChannelID] || msg.LogTime < it.sel.From || it.sel.after(msg.LogTime) {
		return false, nil
	}
	ch := it.f.Channels[msg.ChannelID]
	if ch == nil {
		it.f.notes.say("a message of channel %d, which was lost", msg.ChannelID)
		return false, nil
	}
	*m = Message{Channel: ch, Schema: it.f.Schemas[ch.SchemaID], Message: msg}
	return true, nil
}

// Topics are the channels of the topics of these names, nil for no names.
func (f *File) Topics(names ...string) map[uint16]bool {
	if names == nil {
		return nil
	}
	ids := map[uint16]bool{}
	for _, name := range names {
		for id, c := range f.Channels {
			if c.Topic == name {
				ids[id] = true
			}
		}
	}
	return ids
}
