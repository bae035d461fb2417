package record

import (
	"fmt"

	"dashline/pipeline/bus"
	"dashline/pipeline/record/container"
)

// Compression is how chunks are compressed.
type Compression string

// The compressions. Pictures are compressed already; what shrinks is the rest.
const (
	Zstd Compression = "zstd"
	LZ4  Compression = "lz4"
	None Compression = "none"
)

// Options say how to record. The zero value of all but Vehicle is a sensible
// choice.
type Options struct {
	// Vehicle is the second token of every subject; see [bus.CheckName].
	Vehicle string
	// Version is the program's, for whoever reads the file.
	Version string
	// Config is the effective configuration, YAML. It must hold no credentials;
	// user and password in addresses are taken out all the same.
	Config string
	// Compression of chunks; empty means Zstd.
	Compression Compression
	// ChunkBytes is the size before compression at which a chunk ends; 0 means
	// 512 KiB.
	ChunkBytes int
	// MaxMessages and MaxBytes bound what waits to be written; 0 means 4096
	// messages and 32 MiB.
	MaxMessages, MaxBytes int
	// Overwrite says that an existing file may be replaced.
	Overwrite bool
	// Notice is told once when the recording stops because of an error. It is
	// called from the recorder's goroutine and must not wait. It may be nil.
	Notice func(error)
}

const (
	defaultChunkBytes  = 512 << 10
	defaultMaxMessages = 4096
	defaultMaxBytes    = 32 << 20
)

// filled checks the options and fills in what was left open.
func (o Options) filled() (Options, error) {
	if err := bus.CheckName(o.Vehicle); err != nil {
		return o, fmt.Errorf("vehicle: %w", err)
	}
	if o.Compression == "" {
		o.Compression = Zstd
	}
	switch o.Compression {
	case Zstd, LZ4, None:
	default:
		return o, fmt.Errorf("there is no compression %q: use %s, %s or %s", o.Compression, Zstd, LZ4, None)
	}
	for _, bound := range []struct {
		name   string
		v      *int
		normal int
		lo, hi int
	}{
		{"chunk size", &o.ChunkBytes, defaultChunkBytes, 4 << 10, container.MaxChunk / 4},
		{"queue of messages", &o.MaxMessages, defaultMaxMessages, 1, 1 << 20},
		{"queue of bytes", &o.MaxBytes, defaultMaxBytes, 64 << 10, 1 << 30},
	} {
		if *bound.v == 0 {
			*bound.v = bound.normal
		}
		if *bound.v < bound.lo || *bound.v > bound.hi {
			return o, fmt.Errorf("the %s of %d is out of range: use %d to %d, or 0 for %d", bound.name, *bound.v, bound.lo, bound.hi, bound.normal)
		}
	}
	return o, nil
}
