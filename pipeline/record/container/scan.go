package container

import (
	"errors"
	"fmt"

	"github.com/foxglove/mcap/go/mcap"
)

// scan makes the index by reading the file through from the end of its header.
func (f *File) scan(at int64, p Progress) error {
	f.empty()
	f.Ended = at
	for at < f.size {
		if p != nil {
			p(at, f.size)
		}
		r, err := f.record(at, f.size)
		if err != nil {
			if !errors.Is(err, errCut) && !errors.Is(err, errNoRecord) {
				return err
			}
			f.notes.say("from byte %d on, %d bytes: %v", at, f.size-at, err)
			break
		}
		if r.op == mcap.OpDataEnd || r.op == mcap.OpFooter {
			f.Ended = f.size
			break
		}
		if err := f.visit(r); err != nil {
			f.notes.say("the %s at byte %d: %v", r.op, r.at, err)
		}
		at = r.end()
		f.Ended = at
	}
	return nil
}

// visit takes over what one record of the data adds to the index.
func (f *File) visit(r record) error {
	switch r.op {
	case mcap.OpChunk:
		return f.visitChunk(r)
	case mcap.OpSchema, mcap.OpChannel:
		b, err := f.read(r, maxRecord, nil)
		if err != nil {
			return err
		}
		return f.define(inner{op: r.op, body: b})
	case mcap.OpMessage:
		f.Outside++
	case mcap.OpMetadata:
		return f.readMetadata(span{at: r.at})
	case mcap.OpAttachment:
		f.attachments = append(f.attachments, span{r.at, r.end() - r.at})
	}
	return nil
}

func (f *File) visitChunk(r record) error {
	records, k, err := f.load(r, &f.unpack)
	if err != nil {
		f.damaged++
		return err
	}
	c := Chunk{At: r.at, Length: r.end() - r.at, Start: k.MessageStartTime, End: k.MessageEndTime, Channels: map[uint16]bool{}}
	lost := 0
	err = each(records, func(in inner) error {
		if in.op != mcap.OpMessage {
			return f.define(in)
		}
		m, err := parseMessage(in.body)
		if err != nil {
			return err
		}
		if f.Channels[m.ChannelID] == nil {
			lost++
			return nil
		}
		c.Channels[m.ChannelID] = true
		f.Counts[m.ChannelID]++
		return nil
	})
	f.Chunks = append(f.Chunks, c)
	if lost > 0 && err == nil {
		err = fmt.Errorf("%d of its messages are of channels that were lost", lost)
	}
	return err
}

// load reads a chunk and takes it apart.
func (f *File) load(r record, u *unpacker) ([]byte, mcap.Chunk, error) {
	const head = 8 + 8 + 8 + 4 + 4 + 32 + 8 // a chunk's fields before its records
	raw, err := f.read(r, MaxChunk+head, u.raw)
	if err != nil {
		return nil, mcap.Chunk{}, err
	}
	u.raw = raw
	k, err := parseChunk(raw)
	if err != nil {
		return nil, k, err
	}
	records, err := u.unpack(&k)
	return records, k, err
}
