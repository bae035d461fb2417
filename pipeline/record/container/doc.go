// Package container reads, checks and mends MCAP files that nobody vouches for.
//
// Invariants:
//   - No byte of a file is trusted. A length is checked against what is left of
//     its surroundings and against the bounds below before memory is taken, so
//     that a file makes a reader allocate a small multiple of [MaxChunk] and of
//     its own size at most. Nothing panics.
//   - A chunk is either whole, with the size and checksum that it says, or
//     nothing of it is given out: what it costs is said in Problems.
//   - A file without an index, or with one that is damaged or cannot be, is read
//     through to make the index again.
//   - Messages come in the order of the file.
//
// Of MCAP it reads what recordings have: chunks of messages, attachments and
// metadata. Messages outside chunks are counted and passed over.
package container

import (
	"errors"
	"fmt"
)

// The bounds on what a file can ask for, bytes.
const (
	MaxChunk      = 64 << 20 // records of one chunk, before and after compression
	MaxAttachment = 64 << 20
	MaxSummary    = 256 << 20
	maxRecord     = 16 << 20 // any other record
	maxProblems   = 100
)

// errCut says that a record goes on beyond the end of what it is in.
var errCut = errors.New("it is cut off")

// errNoRecord says that what begins here is no record of MCAP.
var errNoRecord = errors.New("there is no record here")

// NotMCAPError says that a file is of another kind.
type NotMCAPError struct{ Why string }

func (e *NotMCAPError) Error() string {
	return "this is not an MCAP file: " + e.Why + ": give a recording, as `dashline record` makes it"
}

// notes are problems for people, not more than a few.
type notes struct {
	list []string
	more int
}

func (n *notes) say(format string, args ...any) {
	if len(n.list) < maxProblems {
		n.list = append(n.list, fmt.Sprintf(format, args...))
		return
	}
	n.more++
}

// all returns the problems, the last of which may stand for many.
func (n *notes) all() []string {
	out := append([]string(nil), n.list...)
	if n.more > 0 {
		out = append(out, fmt.Sprintf("and %d more", n.more))
	}
	return out
}
