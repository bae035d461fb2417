package container

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/foxglove/mcap/go/mcap"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

func checksum(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

func errChecksum(says, has uint32) error {
	return fmt.Errorf("its checksum is %08x and should be %08x: it is damaged", has, says)
}

// unpacker takes chunks apart. Its memory is used again, and is for one
// goroutine; the decoder starts none of its own.
type unpacker struct {
	raw  []byte // the chunk's record
	out  []byte // its records
	zstd *zstd.Decoder
}

// unpack returns the records of a chunk, which are valid until the next call.
func (u *unpacker) unpack(k *mcap.Chunk) ([]byte, error) {
	if k.UncompressedSize > MaxChunk {
		return nil, fmt.Errorf("it says that it has %d bytes, more than the %d of the largest chunk that is read", k.UncompressedSize, MaxChunk)
	}
	size := int(k.UncompressedSize)
	var err error
	switch mcap.CompressionFormat(k.Compression) {
	case mcap.CompressionNone:
		u.out = append(u.out[:0], k.Records...)
	case mcap.CompressionZSTD:
		if u.zstd == nil {
			u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxChunk), zstd.WithDecoderLowmem(true))
			if err != nil {
				return nil, err
			}
		}
		// No more memory at once than the compressed bytes make likely.
		if likely := min(size, 16*len(k.Records)+4096); cap(u.out) < likely {
			u.out = make([]byte, 0, likely)
		}
		u.out, err = u.zstd.DecodeAll(k.Records, u.out[:0])
	case mcap.CompressionLZ4:
		b := bytes.NewBuffer(u.out[:0])
		_, err = io.Copy(b, io.LimitReader(lz4.NewReader(bytes.NewReader(k.Records)), int64(size)+1))
		u.out = b.Bytes()
	default:
		return nil, fmt.Errorf("it is compressed by %.20q: zstd, lz4 and none can be read", k.Compression)
	}
	if err != nil {
		return nil, fmt.Errorf("it cannot be decompressed: %w", err)
	}
	if len(u.out) != size {
		return nil, fmt.Errorf("it has %d bytes and should have %d", len(u.out), size)
	}
	if got := checksum(u.out); k.UncompressedCRC != 0 && got != k.UncompressedCRC {
		return nil, errChecksum(k.UncompressedCRC, got)
	}
	return u.out, nil
}

// inner is one record inside a chunk.
type inner struct {
	op     mcap.OpCode
	body   []byte
	offset int // of the record in the chunk
}

// each calls f for every record inside a chunk, until f fails.
func each(records []byte, f func(inner) error) error {
	for at := 0; at < len(records); {
		left := records[at:]
		if len(left) < 9 {
			return fmt.Errorf("at %d of the chunk: %w", at, errCut)
		}
		n := binary.LittleEndian.Uint64(left[1:])
		if n > uint64(len(left)-9) {
			return fmt.Errorf("at %d of the chunk: a record of %d bytes: %w", at, n, errCut)
		}
		if err := f(inner{op: mcap.OpCode(left[0]), body: left[9 : 9+n], offset: at}); err != nil {
			return err
		}
		at += 9 + int(n)
	}
	return nil
}
