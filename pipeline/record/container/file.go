package container

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/foxglove/mcap/go/mcap"
)

// Chunk is where a chunk lies and what is in it.
type Chunk struct {
	At, Length int64  // of its record, header included
	Start, End uint64 // log times; both 0 where there are no messages
	// Channels that have messages in it; nil where that is not known.
	Channels map[uint16]bool
}

// has says whether any of the channels may be in the chunk.
func (c *Chunk) has(channels map[uint16]bool) bool {
	if c.Channels == nil || channels == nil {
		return true
	}
	for id := range channels {
		if c.Channels[id] {
			return true
		}
	}
	return false
}

// File is an open MCAP file. It is for one goroutine at a time.
type File struct {
	r      io.ReaderAt
	size   int64
	closer io.Closer
	unpack unpacker
	notes  notes

	Header mcap.Header
	// Cut says why the file has no index that can be used; empty where it has
	// one. Everything below was then found by reading the file through.
	Cut string
	// Ended is where the last whole record ends, in a file that is cut off.
	Ended int64

	Schemas  map[uint16]*mcap.Schema
	Channels map[uint16]*mcap.Channel
	Chunks   []Chunk
	Counts   map[uint16]uint64 // messages by channel
	Outside  uint64            // messages outside chunks, which are not read
	Metadata []mcap.Metadata

	attachments []span
	damaged     int // chunks that reading through could not take apart
}

type span struct{ at, length int64 }

// Progress is told how far a file was read, bytes. It may be nil.
type Progress func(done, total int64)

// Open opens a file. A file that is cut off or has a damaged index is not an
// error: see File.Cut and Problems.
func Open(path string, p Progress) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	file, err := New(f, st.Size(), p)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	file.closer = f
	return file, nil
}

// New opens size bytes of r.
func New(r io.ReaderAt, size int64, p Progress) (*File, error) {
	f := &File{r: r, size: size}
	begin, err := f.begin()
	if err != nil {
		return nil, err
	}
	if err := f.readSummary(); err != nil {
		f.Cut = err.Error()
		if err := f.scan(begin, p); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Size is the file's, bytes.
func (f *File) Size() int64 { return f.size }

// Problems are what was found wrong so far, one a line, for people.
func (f *File) Problems() []string { return f.notes.all() }

// Say adds a problem that whoever reads the messages found.
func (f *File) Say(format string, args ...any) { f.notes.say(format, args...) }

// record is where a record of the file lies.
type record struct {
	op   mcap.OpCode
	at   int64 // of its first byte
	body int64 // of its first field
	size int64 // of its fields
}

func (r record) end() int64 { return r.body + r.size }

// record finds the record at an offset, which must end at or before limit.
func (f *File) record(at, limit int64) (record, error) {
	var head [9]byte
	if limit-at < int64(len(head)) {
		return record{}, errCut
	}
	if _, err := f.r.ReadAt(head[:], at); err != nil {
		return record{}, err
	}
	n := binary.LittleEndian.Uint64(head[1:])
	r := record{op: mcap.OpCode(head[0]), at: at, body: at + int64(len(head))}
	if r.op == mcap.OpReserved {
		return r, errNoRecord
	}
	if n > uint64(limit-r.body) {
		return r, errCut
	}
	r.size = int64(n)
	return r, nil
}

// read returns a record's fields, in buf where that is large enough.
func (f *File) read(r record, most int64, buf []byte) ([]byte, error) {
	if r.size > most {
		return nil, fmt.Errorf("a %s of %d bytes is more than the %d that are read", r.op, r.size, most)
	}
	if int64(cap(buf)) < r.size {
		buf = make([]byte, r.size)
	}
	buf = buf[:r.size]
	if _, err := f.r.ReadAt(buf, r.body); err != nil && !(errors.Is(err, io.EOF) && r.size == 0) {
		return nil, err
	}
	return buf, nil
}

// begin reads the magic and the header, and returns where they end.
func (f *File) begin() (int64, error) {
	head := make([]byte, len(mcap.Magic))
	if f.size < int64(len(head)) {
		return 0, &NotMCAPError{fmt.Sprintf("it has %d bytes", f.size)}
	}
	if _, err := f.r.ReadAt(head, 0); err != nil {
		return 0, err
	}
	if !bytes.Equal(head, mcap.Magic) {
		return 0, &NotMCAPError{"it does not begin like one"}
	}
	r, err := f.record(int64(len(head)), f.size)
	if err == nil && r.op != mcap.OpHeader {
		err = fmt.Errorf("there is a %s in its place", r.op)
	}
	var b []byte
	if err == nil {
		b, err = f.read(r, maxRecord, nil)
	}
	if err == nil {
		f.Header, err = parseHeader(b)
	}
	if err != nil {
		return 0, &NotMCAPError{fmt.Sprintf("its header is missing: %v", err)}
	}
	return r.end(), nil
}

const footerSize = 1 + 8 + 8 + 8 + 4

// footer returns where the footer is and what it says.
func (f *File) footer() (int64, mcap.Footer, error) {
	tail := make([]byte, footerSize+len(mcap.Magic))
	at := f.size - int64(len(tail))
	if at < int64(len(mcap.Magic)) {
		return 0, mcap.Footer{}, errors.New("the file was not finished")
	}
	if _, err := f.r.ReadAt(tail, at); err != nil {
		return 0, mcap.Footer{}, err
	}
	if !bytes.Equal(tail[footerSize:], mcap.Magic) || tail[0] != byte(mcap.OpFooter) || binary.LittleEndian.Uint64(tail[1:]) != footerSize-9 {
		return 0, mcap.Footer{}, errors.New("the file was not finished")
	}
	foot, err := parseFooter(tail[9:footerSize])
	return at, foot, err
}

// readSummary takes the index from the end of the file. It changes nothing in f
// when it fails.
func (f *File) readSummary() error {
	at, foot, err := f.footer()
	if err != nil {
		return err
	}
	if foot.SummaryStart == 0 {
		return errors.New("the file has no index")
	}
	if foot.SummaryStart < uint64(len(mcap.Magic)) || foot.SummaryStart > uint64(at) || at-int64(foot.SummaryStart) > MaxSummary {
		return errors.New("the file's index is not where it should be")
	}
	// The checksum covers the footer up to itself.
	b := make([]byte, at-int64(foot.SummaryStart)+footerSize-4)
	if _, err := f.r.ReadAt(b, int64(foot.SummaryStart)); err != nil {
		return err
	}
	if got := checksum(b); foot.SummaryCRC != 0 && got != foot.SummaryCRC {
		return fmt.Errorf("the file's index: %w", errChecksum(foot.SummaryCRC, got))
	}
	s := summary{File: File{r: f.r, size: f.size, Header: f.Header}, end: int64(foot.SummaryStart)}
	s.empty()
	if err := each(b[:len(b)-(footerSize-4)], s.take); err != nil {
		return fmt.Errorf("the file's index: %w", err)
	}
	if err := s.complete(); err != nil {
		return fmt.Errorf("the file's index: %w", err)
	}
	for _, m := range s.metadata {
		if err := s.readMetadata(m); err != nil {
			s.notes.say("the metadata at %d: %v", m.at, err)
		}
	}
	*f = s.File
	return nil
}

func (f *File) empty() {
	f.Schemas, f.Channels, f.Counts = map[uint16]*mcap.Schema{}, map[uint16]*mcap.Channel{}, map[uint16]uint64{}
}

// summary is a file as its index says that it is.
type summary struct {
	File
	end      int64 // of the data
	stats    *mcap.Statistics
	metadata []span
}

// take takes over one record of the index.
func (s *summary) take(r inner) error {
	switch r.op {
	case mcap.OpSchema, mcap.OpChannel:
		return s.define(r)
	case mcap.OpStatistics:
		var err error
		s.stats, err = parseStatistics(r.body)
		return err
	case mcap.OpChunkIndex:
		x, err := parseChunkIndex(r.body)
		if err != nil {
			return err
		}
		c := Chunk{At: int64(x.ChunkStartOffset), Length: int64(x.ChunkLength), Start: x.MessageStartTime, End: x.MessageEndTime, Channels: map[uint16]bool{}}
		if err := s.within(c.At, c.Length); err != nil {
			return fmt.Errorf("a chunk: %w", err)
		}
		for id := range x.MessageIndexOffsets {
			c.Channels[id] = true
		}
		if len(c.Channels) == 0 {
			c.Channels = nil
		}
		// In order and apart: else a few bytes could make one chunk be read
		// again and again.
		if n := len(s.Chunks); n > 0 && c.At < s.Chunks[n-1].At+s.Chunks[n-1].Length {
			return errors.New("its chunks are not in order")
		}
		s.Chunks = append(s.Chunks, c)
	case mcap.OpMetadataIndex:
		x, err := parseMetadataIndex(r.body)
		if err == nil {
			err = s.within(int64(x.Offset), int64(x.Length))
		}
		s.metadata = append(s.metadata, span{int64(x.Offset), int64(x.Length)})
		return err
	case mcap.OpAttachmentIndex:
		x, err := parseAttachmentIndex(r.body)
		if err == nil {
			err = s.within(int64(x.Offset), int64(x.Length))
		}
		s.attachments = append(s.attachments, span{int64(x.Offset), int64(x.Length)})
		return err
	}
	return nil
}

// within says whether a record lies in the data.
func (s *summary) within(at, length int64) error {
	if at < int64(len(mcap.Magic)) || length < 9 || at > s.end || length > s.end-at {
		return fmt.Errorf("it should be at %d, %d bytes long, which is not in the file", at, length)
	}
	return nil
}

// complete says whether the index is one to work by.
func (s *summary) complete() error {
	if s.stats == nil {
		return errors.New("it has no statistics")
	}
	if int(s.stats.ChunkCount) != len(s.Chunks) {
		return fmt.Errorf("it has %d of %d chunks", len(s.Chunks), s.stats.ChunkCount)
	}
	if len(s.metadata) > 1<<16 || len(s.attachments) > 1<<16 {
		return errors.New("it has too many attachments or metadata")
	}
	s.Counts = s.stats.ChannelMessageCounts
	if len(s.Chunks) == 0 && s.stats.MessageCount > 0 {
		s.Outside = s.stats.MessageCount
	}
	return nil
}

func (f *File) readMetadata(m span) error {
	r, err := f.record(m.at, f.size)
	if err != nil {
		return err
	}
	if r.op != mcap.OpMetadata {
		return fmt.Errorf("there is a %s in its place", r.op)
	}
	b, err := f.read(r, maxRecord, nil)
	if err != nil {
		return err
	}
	md, err := parseMetadata(b)
	if err != nil {
		return err
	}
	f.Metadata = append(f.Metadata, md)
	return nil
}

// Attachments reads the files inside the file, without those that are damaged,
// which is said in Problems.
func (f *File) Attachments() []Attachment {
	var all []Attachment
	for _, s := range f.attachments {
		a, err := f.attachment(s)
		if err != nil {
			f.notes.say("the attachment at %d: %v", s.at, err)
			continue
		}
		all = append(all, a)
	}
	return all
}

func (f *File) attachment(s span) (a Attachment, err error) {
	r, err := f.record(s.at, f.size)
	if err != nil {
		return a, err
	}
	if r.op != mcap.OpAttachment {
		return a, fmt.Errorf("there is a %s in its place", r.op)
	}
	b, err := f.read(r, MaxAttachment, nil)
	if err != nil {
		return a, err
	}
	return parseAttachment(b)
}

// define takes over a schema or channel. The first of a number holds.
func (f *File) define(r inner) error {
	switch r.op {
	case mcap.OpSchema:
		s, err := parseSchema(r.body)
		if err != nil {
			return err
		}
		if s.ID == 0 {
			return errors.New("a schema has the number 0")
		}
		if f.Schemas[s.ID] == nil {
			f.Schemas[s.ID] = s
		}
	case mcap.OpChannel:
		c, err := parseChannel(r.body)
		if err != nil {
			return err
		}
		if f.Channels[c.ID] == nil {
			f.Channels[c.ID] = c
		}
	}
	return nil
}
