package container

import (
	"fmt"

	"github.com/foxglove/mcap/go/mcap"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// WriterOptions are those of every file that the project writes: chunked,
// indexed, with checksums. Compression is "zstd", "lz4" or "none". All work is
// done on the goroutine that writes.
func WriterOptions(compression string, chunk int) (*mcap.WriterOptions, error) {
	o := &mcap.WriterOptions{
		IncludeCRC: true, Chunked: true, ChunkSize: int64(chunk), OverrideLibrary: true,
	}
	switch compression {
	case "none":
	case "lz4":
		// In blocks of a chunk's size, not of the 4 MB that are usual.
		w := lz4.NewWriter(nil)
		if err := w.Apply(lz4.CompressionLevelOption(lz4.Fast), lz4.BlockSizeOption(lz4.Block256Kb)); err != nil {
			return nil, err
		}
		o.Compressor = mcap.NewCustomCompressor(mcap.CompressionLZ4, w)
	case "zstd":
		// The library's own encoder would start goroutines of its own.
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		if err != nil {
			return nil, err
		}
		o.Compressor = mcap.NewCustomCompressor(mcap.CompressionZSTD, z)
	default:
		return nil, fmt.Errorf("there is no compression %q: use zstd, lz4 or none", compression)
	}
	return o, nil
}
