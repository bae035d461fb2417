package container

import (
	"fmt"

	"github.com/foxglove/mcap/go/mcap"
	"github.com/klauspost/compress/zstd"
)

// WriterOptions are those of every file that the project writes: chunked,
// indexed, with checksums. Compression is "zstd", "lz4" or "none". All work is
// done on the goroutine that writes.
func WriterOptions(compression string, chunk int) (*mcap.WriterOptions, error) {
	o := &mcap.WriterOptions{
		IncludeCRC: true, Chunked: true, ChunkSize: int64(chunk),
		CompressionLevel: mcap.CompressionLevelFastest, OverrideLibrary: true,
	}
	switch compression {
	case "none":
	case "lz4":
		o.Compression = mcap.CompressionLZ4
	case "zstd":
		// The library's own encoder would start goroutines of its own.
		z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		o.Compressor = mcap.NewCustomCompressor(mcap.CompressionZSTD, z)
	default:
		return nil, fmt.Errorf("there is no compression %q: use zstd, lz4 or none", compression)
	}
	return o, nil
}
